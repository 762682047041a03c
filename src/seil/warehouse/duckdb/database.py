"""The interface of the connection to a DuckDB file."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from seil.warehouse.relational.database import RelationalDatabase

if TYPE_CHECKING:
    import pyarrow as pa


class EmbeddedDatabase(RelationalDatabase, Protocol):
    def registration(
        self, name: str, rows: pa.Table | pa.RecordBatchReader
    ) -> AbstractContextManager[None]:
        """Registers the rows as a relation of this name for the block."""
        ...
