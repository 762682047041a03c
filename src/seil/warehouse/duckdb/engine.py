"""The functions of `seil.warehouse.engines.Engine`, for DuckDB files."""

from __future__ import annotations

from datetime import timedelta

from seil.settings import WarehouseSettings
from seil.warehouse.duckdb.opening import local_file, open_file
from seil.warehouse.duckdb.published import open_reading, publish
from seil.warehouse.duckdb.replacement import FileReplacement
from seil.warehouse.duckdb.warehouse import EmbeddedWarehouse
from seil.warehouse.fencing import Fence
from seil.warehouse.merges import OpenUrl

__all__ = ["local_file", "open_reading", "open_replacement", "open_warehouse", "publish"]


def open_warehouse(
    settings: WarehouseSettings,
    *,
    read_only: bool,
    wait: timedelta,
    fence: Fence | None,
    open_url: OpenUrl | None,
) -> EmbeddedWarehouse:
    return open_file(settings, read_only=read_only, wait=wait, fence=fence, open_url=open_url)


def open_replacement(
    settings: WarehouseSettings, *, fence: Fence, open_url: OpenUrl | None, wait: timedelta
) -> FileReplacement:
    return FileReplacement(settings, fence, open_url, wait)
