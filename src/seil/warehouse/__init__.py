"""The warehouse: one protocol, an engine chosen by URL."""

from __future__ import annotations

from contextlib import AbstractContextManager
from datetime import timedelta

from seil.settings import WarehouseSettings
from seil.warehouse.protocol import (
    LOCK_WAIT,
    Fence,
    MergeOutcome,
    OpenUrl,
    Records,
    StagedFile,
    TableName,
    Warehouse,
)
from seil.warehouse.readers import Publication, WarehouseReader
from seil.warehouse.replacement import Replacement

__all__ = [
    "LOCK_WAIT",
    "Fence",
    "MergeOutcome",
    "OpenUrl",
    "Records",
    "StagedFile",
    "TableName",
    "Warehouse",
    "open_reading",
    "open_replacement",
    "open_warehouse",
    "publish",
]


def open_warehouse(
    settings: WarehouseSettings,
    *,
    read_only: bool = False,
    wait: timedelta = LOCK_WAIT,
    fence: Fence | None = None,
    open_url: OpenUrl | None = None,
) -> Warehouse:
    """Close it as soon as it is not needed: an embedded one is locked while it is open.

    `wait` is how long a lock of another process is waited for; `fence` refuses the commits of a run
    that lost the run lock; `open_url` reads staged files that are not on this machine. Read-only,
    nothing outside the warehouse can be reached either.
    """
    from seil.warehouse.duckdb.opening import open_file

    return open_file(
        settings,
        read_only=read_only,
        wait=wait,
        fence=fence,
        open_url=open_url,
    )


def open_replacement(
    settings: WarehouseSettings,
    *,
    fence: Fence,
    open_url: OpenUrl | None = None,
    wait: timedelta = LOCK_WAIT,
) -> Replacement:
    """Another warehouse in place of this one; its arguments are those of `open_warehouse`."""
    from seil.warehouse.duckdb.replacement import FileReplacement

    return FileReplacement(settings, fence, open_url, wait)


def open_reading(
    settings: WarehouseSettings, *, wait: timedelta = LOCK_WAIT
) -> AbstractContextManager[WarehouseReader]:
    """For who only reads: no run waits for a reader, nor a reader for a run, where there is a
    published copy. `wait` is for the warehouse itself.
    """
    from seil.warehouse.duckdb.published import open_reading as open_published

    return open_published(settings, wait=wait)


def publish(settings: WarehouseSettings, *, anew: bool = False) -> Publication:
    """Brings what readers see up to date, or takes it away where the settings want none. `anew`:
    the warehouse was replaced.
    """
    from seil.warehouse.duckdb.published import publish as publish_copy

    return publish_copy(settings, anew=anew)
