"""The functions of `seil.warehouse.engines.Engine`, for PostgreSQL databases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from seil.warehouse.postgresql.checks import checks
from seil.warehouse.postgresql.replacement import SchemaReplacement
from seil.warehouse.postgresql.warehouse import PostgresWarehouse, connect
from seil.warehouse.readers import WarehouseReader
from seil.warehouse.served import is_shared, local_file, publish, stored_bytes

if TYPE_CHECKING:
    from seil.settings import WarehouseSettings
    from seil.warehouse.fencing import Fence
    from seil.warehouse.merges import OpenUrl
    from seil.warehouse.upkeep import UpkeepMark, UpkeepPlan, UpkeepResult

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
) -> PostgresWarehouse:
    return connect(settings, read_only=read_only, fence=fence, open_url=open_url)


def open_replacement(
    settings: WarehouseSettings, *, fence: Fence, open_url: OpenUrl | None, wait: timedelta
) -> SchemaReplacement:
    return SchemaReplacement(settings, fence, open_url)


@contextmanager
def open_reading(settings: WarehouseSettings, *, wait: timedelta) -> Iterator[WarehouseReader]:
    with connect(settings, read_only=True) as warehouse:
        yield WarehouseReader(warehouse)


def upkeep_due(settings: WarehouseSettings, mark: UpkeepMark) -> str:
    """Never: PostgreSQL's autovacuum does it."""
    return ""


def upkeep(settings: WarehouseSettings, *, fence: Fence, wait: timedelta) -> list[UpkeepResult]:
    return []


def plan_upkeep(settings: WarehouseSettings) -> list[UpkeepPlan]:
    return []
