"""The connection behind a warehouse, for what a test needs and no caller may do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from seil.warehouse import Warehouse
from seil.warehouse.duckdb.connection import DuckDBConnection
from seil.warehouse.duckdb.warehouse import EmbeddedWarehouse
from seil.warehouse.relational.warehouse import RelationalWarehouse

if TYPE_CHECKING:
    from seil.warehouse.relational.database import RelationalDatabase


def database(warehouse: Warehouse) -> DuckDBConnection:
    assert isinstance(warehouse, EmbeddedWarehouse)
    return warehouse.database


def relational_database(warehouse: Warehouse) -> RelationalDatabase:
    """Of any engine."""
    assert isinstance(warehouse, RelationalWarehouse)
    connection: RelationalDatabase = warehouse.database
    return connection
