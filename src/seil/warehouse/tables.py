"""Tables: their names, columns and changes of columns.

Types are those of `seil.warehouse.types`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    import pyarrow as pa

    from seil.warehouse.types import Column


# Schemas that SEIL fills. A table or database of the same name would be ambiguous.
SCHEMAS = frozenset(
    {
        "salesforce",
        "salesforce_history",
        "seil",
        "seil_changes",
        "seil_deletions",
        "seil_formulas",
        "seil_gaps",
        "seil_kept",
        "seil_versions",
    }
)
RESERVED_NAMES = SCHEMAS | {"information_schema", "main", "pg_catalog", "public", "system", "temp"}


class TableName(NamedTuple):
    """`schema` is empty for the warehouse's default schema."""

    schema: str
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}" if self.schema else self.name


class Tables(Protocol):
    def tables(self, schema: str = "") -> list[str]: ...

    def columns(self, table: TableName) -> pa.Schema | None:
        """None if there is no such table or view."""
        ...

    def sorted_rows(
        self, table: TableName, columns: Sequence[str], *, order: Sequence[str]
    ) -> AbstractContextManager[pa.RecordBatchReader]:
        """Streams `columns` of a table or view, by the columns `order`: nulls first, text by its
        UTF-8 bytes. No other statement may run while it is open.
        """
        ...


class TableEditor(Protocol):
    """Part of a commit."""

    def create_table(self, table: TableName, columns: pa.Schema, *, key: str) -> None:
        """Does nothing if the table exists. Creates the schema as well.

        `key` identifies a row, for engines that index or cluster by it.
        """
        ...

    def replace(self, table: TableName, rows: pa.Table, *, key: str) -> None:
        """Makes `rows` the whole table, with their columns and types; creates it where missing."""
        ...

    def add_columns(self, table: TableName, columns: pa.Schema) -> None:
        """Existing columns stay. A new column of current records counts as missing from all files
        merged so far, so that a file that arrives late may fill it with an older version.
        """
        ...

    def change_type(self, table: TableName, column: Column) -> None:
        """Casts the values; raises WarehouseError if one cannot be cast."""
        ...

    def drop(self, table: TableName) -> None:
        """Does nothing if there is no such table."""
        ...

    def drop_view(self, view: TableName) -> None:
        """Does nothing if there is no such view, or it is a table."""
        ...

    def comment(self, table: TableName, text: str, columns: Mapping[str, str]) -> None:
        """Stores descriptions with the table and its columns, where the engine can."""
        ...
