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


@dataclass(frozen=True)
class UpkeepPlan:
    """What upkeep would do with `place`: `files` of `bytes` written anew, `snapshots` expired,
    `lost_files`, which no snapshot has, and `branches` of killed commits removed. `is_laid_out`:
    it gets the partitions and the sort order of the settings.
    """

    place: str
    files: int = 0
    bytes: int = 0
    snapshots: int = 0
    lost_files: int = 0
    branches: int = 0
    is_laid_out: bool = False

    @property
    def is_empty(self) -> bool:
        return self == UpkeepPlan(self.place)
