"""The functions of `seil.warehouse.engines.Engine`, for Iceberg tables by Spark."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

from seil.warehouse.readers import WarehouseReader
from seil.warehouse.served import is_shared, local_file, publish, stored_bytes
from seil.warehouse.spark.checks import checks
from seil.warehouse.spark.replacement import NamespaceReplacement
from seil.warehouse.spark.upkeep import upkeep, upkeep_due
from seil.warehouse.spark.upkeep_plan import plan_upkeep
from seil.warehouse.spark.warehouse import SparkWarehouse, connect

if TYPE_CHECKING:
    from seil.settings import WarehouseSettings
    from seil.warehouse.fencing import Fence
    from seil.warehouse.merges import OpenUrl

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
) -> SparkWarehouse:
    return connect(settings, read_only=read_only, fence=fence, open_url=open_url)


def open_replacement(
    settings: WarehouseSettings, *, fence: Fence, open_url: OpenUrl | None, wait: timedelta
) -> NamespaceReplacement:
    return NamespaceReplacement(settings, fence, open_url)


@contextmanager
def open_reading(settings: WarehouseSettings, *, wait: timedelta) -> Iterator[WarehouseReader]:
    with connect(settings, read_only=True) as warehouse:
        yield WarehouseReader(warehouse)
