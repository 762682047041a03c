"""The connection behind a DuckDB warehouse, for what a test needs and no caller may do."""

from __future__ import annotations

from seil.warehouse import Warehouse
from seil.warehouse.duckdb.connection import DuckDBConnection
from seil.warehouse.duckdb.warehouse import EmbeddedWarehouse


def database(warehouse: Warehouse) -> DuckDBConnection:
    assert isinstance(warehouse, EmbeddedWarehouse)
    return warehouse.database
