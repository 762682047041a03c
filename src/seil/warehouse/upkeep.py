"""Upkeep: what a warehouse's growth needs now and then, and no run waits for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class UpkeepMark:
    """When the warehouse was last compact. `bytes` is its size then, 0 where only a connection
    could tell.
    """

    at: datetime
    bytes: int


@dataclass(frozen=True)
class UpkeepResult:
    """`place` is a table or a file, `act` what was done with it, as in `rewritten`."""

    place: str
    act: str
    bytes_before: int
    bytes_after: int
