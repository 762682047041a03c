"""The embedded warehouse: one DuckDB file."""

from __future__ import annotations

from seil.warehouse.duckdb.builds import EmbeddedBuilder
from seil.warehouse.duckdb.connection import DuckDBConnection
from seil.warehouse.relational.warehouse import RelationalWarehouse


class EmbeddedWarehouse(RelationalWarehouse[DuckDBConnection]):
    dialect = "duckdb"

    def _builder(self) -> EmbeddedBuilder:
        return EmbeddedBuilder(self.database)
