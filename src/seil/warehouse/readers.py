"""How a warehouse is opened for those who only read, and what is published for them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from seil.warehouse.protocol import Warehouse

How = Literal["off", "missing", "reflink", "copy", "unchanged", "failed"]


@dataclass(frozen=True)
class Publication:
    """What became of the copy for readers. `problem` says why the old one stays."""

    how: How
    path: Path | None = None
    bytes: int = 0
    seconds: float = 0.0
    problem: str = ""

    @property
    def ok(self) -> bool:
        return not self.problem


@dataclass(frozen=True)
class WarehouseReader:
    """A warehouse opened read-only. `as_of` is when its copy was published; None: the warehouse
    itself, as it is now.
    """

    warehouse: Warehouse
    as_of: datetime | None = None
