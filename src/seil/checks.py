"""The result of one of `seil doctor`'s checks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

CheckState = Literal["ok", "warn", "fail"]

# Less than this, and neither a file nor a warehouse can be written.
NO_SPACE = 50_000_000
_LITTLE_SPACE = 2_000_000_000


@dataclass(frozen=True)
class SiteCheck:
    """`detail` is the value that was seen; `cure` the next command unless it is ok."""

    name: str
    state: CheckState
    detail: str
    cure: str = ""


def space_state(free: int) -> CheckState:
    """The state of a disk with so many free bytes."""
    if free >= _LITTLE_SPACE:
        return "ok"
    return "fail" if free < NO_SPACE else "warn"
