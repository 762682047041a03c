"""The functions of `seil.warehouse.engines.Engine`, for DuckDB files.

Each imports what it needs: where the file lies is asked without DuckDB.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import TYPE_CHECKING

from seil.warehouse.duckdb.growth import stored_bytes, upkeep_due
from seil.warehouse.duckdb.location import local_file
from seil.warehouse.upkeep import UpkeepPlan

if TYPE_CHECKING:
    from seil.checks import SiteCheck
    from seil.settings import WarehouseSettings
    from seil.warehouse.duckdb.replacement import FileReplacement
    from seil.warehouse.duckdb.warehouse import EmbeddedWarehouse
    from seil.warehouse.fencing import Fence
    from seil.warehouse.merges import OpenUrl
    from seil.warehouse.readers import Publication, WarehouseReader
    from seil.warehouse.upkeep import UpkeepResult

__all__ = [
    "checks",
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


def open_warehouse(
    settings: WarehouseSettings,
    *,
    read_only: bool,
    wait: timedelta,
    fence: Fence | None,
    open_url: OpenUrl | None,
) -> EmbeddedWarehouse:
    from seil.warehouse.duckdb.opening import open_file

    return open_file(settings, read_only=read_only, wait=wait, fence=fence, open_url=open_url)


def open_replacement(
    settings: WarehouseSettings, *, fence: Fence, open_url: OpenUrl | None, wait: timedelta
) -> FileReplacement:
    from seil.warehouse.duckdb.replacement import FileReplacement

    return FileReplacement(settings, fence, open_url, wait)


def open_reading(
    settings: WarehouseSettings, *, wait: timedelta
) -> AbstractContextManager[WarehouseReader]:
    from seil.warehouse.duckdb import published

    return published.open_reading(settings, wait=wait)


def is_shared(settings: WarehouseSettings) -> bool:
    from seil.warehouse.duckdb.published import published_copy

    return settings.publish and published_copy(settings).as_of is not None


def publish(settings: WarehouseSettings, *, is_replaced: bool) -> Publication:
    from seil.warehouse.duckdb import published

    return published.publish(settings, is_replaced=is_replaced)


def checks(settings: WarehouseSettings) -> Iterator[SiteCheck]:
    from seil.warehouse.duckdb import checks as of_a_file

    return of_a_file.checks(settings)


def upkeep(settings: WarehouseSettings, *, fence: Fence, wait: timedelta) -> list[UpkeepResult]:
    from seil.warehouse.duckdb.rewriting import rewrite

    return rewrite(settings, fence=fence, wait=wait)


def plan_upkeep(settings: WarehouseSettings) -> list[UpkeepPlan]:
    """The file is written anew, whole."""
    size = stored_bytes(settings)
    return [UpkeepPlan(local_file(settings).name, files=1, bytes=size)] if size else []
