"""Reading a warehouse beside a run, and the copy that is published for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from seil.warehouse.protocol import Warehouse

CopyOutcome = Literal["off", "missing", "reflink", "copy", "unchanged", "failed"]


@dataclass(frozen=True)
class Publication:
    """The outcome of publishing the readers' copy. `problem` is why the old copy stays."""

    how: CopyOutcome
    path: Path | None = None
    bytes: int = 0
    seconds: float = 0.0
    problem: str = ""

    @property
    def ok(self) -> bool:
        return not self.problem


@dataclass(frozen=True)
class WarehouseReader:
    """A warehouse opened read-only. `as_of` is when the copy was published; None for the warehouse
    itself.
    """

    warehouse: Warehouse
    as_of: datetime | None = None
