"""The warehouse: one protocol, an engine chosen by the scheme of its URL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from pathlib import Path

from seil.checks import SiteCheck
from seil.settings import WarehouseSettings
from seil.warehouse.engines import ENGINES, engine_of
from seil.warehouse.fencing import Fence
from seil.warehouse.merges import MergeOutcome, OpenUrl, Records, StagedFile
from seil.warehouse.protocol import Warehouse
from seil.warehouse.readers import Publication, WarehouseReader
from seil.warehouse.replacement import Replacement
from seil.warehouse.tables import TableName
from seil.warehouse.upkeep import UpkeepMark, UpkeepPlan, UpkeepResult

__all__ = [
    "LOCK_WAIT",
    "Fence",
    "MergeOutcome",
    "OpenUrl",
    "Records",
    "StagedFile",
    "TableName",
    "UpkeepMark",
    "UpkeepPlan",
    "UpkeepResult",
    "Warehouse",
    "checks",
    "is_iceberg",
    "is_shared",
    "local_file",
    "open_reading",
    "open_replacement",
    "open_warehouse",
    "plan_upkeep",
    "publish",
    "stored_bytes",
    "upkeep",
    "upkeep_due",
]

# Long enough for another process's query, too short to look like a hang.
LOCK_WAIT = timedelta(seconds=5)


def open_warehouse(
    settings: WarehouseSettings,
    *,
    read_only: bool = False,
    wait: timedelta = LOCK_WAIT,
    fence: Fence | None = None,
    open_url: OpenUrl | None = None,
) -> Warehouse:
    """Close it as soon as possible: an embedded warehouse stays locked while it is open.

    `wait` is how long to wait for another process's lock; `fence` rejects commits of a run that
    lost the run lock; `open_url` reads staged files that are not on this machine. A read-only
    warehouse cannot reach anything outside itself.
    """
    return engine_of(settings.url).open_warehouse(
        settings, read_only=read_only, wait=wait, fence=fence, open_url=open_url
    )


def open_replacement(
    settings: WarehouseSettings,
    *,
    fence: Fence,
    open_url: OpenUrl | None = None,
    wait: timedelta = LOCK_WAIT,
) -> Replacement:
    """A warehouse to be filled and swapped for this one; arguments as in `open_warehouse`."""
    return engine_of(settings.url).open_replacement(
        settings, fence=fence, open_url=open_url, wait=wait
    )


def open_reading(
    settings: WarehouseSettings, *, wait: timedelta = LOCK_WAIT
) -> AbstractContextManager[WarehouseReader]:
    """Opens the published copy, so that readers and runs do not block each other; the warehouse
    itself where there is no copy. `wait` is how long to wait for the warehouse's lock.
    """
    return engine_of(settings.url).open_reading(settings, wait=wait)


def is_shared(settings: WarehouseSettings) -> bool:
    """Whether it can be read while a run writes it; not an embedded one without a copy."""
    return engine_of(settings.url).is_shared(settings)


def publish(settings: WarehouseSettings, *, is_replaced: bool = False) -> Publication:
    """Updates the readers' copy; removes it where `[warehouse] publish` is false. `is_replaced`:
    the warehouse is another file since the last copy.
    """
    return engine_of(settings.url).publish(settings, is_replaced=is_replaced)


def checks(settings: WarehouseSettings) -> Iterator[SiteCheck]:
    """Whether a run can use it: version, rights, extensions, text order, clock, free space, locks;
    yields each as it is done. Leaves everything as it is. Raises SeilError where it cannot be
    opened.
    """
    return engine_of(settings.url).checks(settings)


def is_iceberg(settings: WarehouseSettings) -> bool:
    """Whether its tables are Iceberg tables already, without opening it."""
    entry = ENGINES.get(settings.url.partition(":")[0])
    return entry is not None and entry.is_iceberg


def stored_bytes(settings: WarehouseSettings) -> int:
    """The size of the warehouse; 0 where only a connection could tell. Loads no driver."""
    return engine_of(settings.url).stored_bytes(settings)


def upkeep_due(settings: WarehouseSettings, mark: UpkeepMark) -> str:
    """Why upkeep is due, in words; empty while it is not. Loads no driver."""
    return engine_of(settings.url).upkeep_due(settings, mark)


def upkeep(
    settings: WarehouseSettings, *, fence: Fence, wait: timedelta = LOCK_WAIT
) -> Sequence[UpkeepResult]:
    """Gives the space of deleted rows back, as the engine does that; returns what was done.

    Requires the run lock and a closed warehouse. Readers go on; killed in the middle, it leaves the
    old tables or the new ones, which hold the same. Raises WarehouseError and LeaseLostError.
    """
    return engine_of(settings.url).upkeep(settings, fence=fence, wait=wait)


def plan_upkeep(settings: WarehouseSettings) -> Sequence[UpkeepPlan]:
    """What `upkeep` would do now; changes nothing. Requires no lock. Raises WarehouseError."""
    return engine_of(settings.url).plan_upkeep(settings)


def local_file(settings: WarehouseSettings) -> Path | None:
    """The file that holds the warehouse; None where a server does. Raises ConfigurationError."""
    return engine_of(settings.url).local_file(settings)
