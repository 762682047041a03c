"""Tables by name: what is there, and how their columns change.

Types are Arrow's, in the reduced form of `seil.warehouse.types`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    import pyarrow as pa

    from seil.warehouse.types import Column


# Schemas that SEIL fills, and those of engines: a table or database of the name is ambiguous.
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
    """`schema` is empty for the warehouse's default one."""

    schema: str
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}" if self.schema else self.name


class Tables(Protocol):
    def tables(self, schema: str = "") -> list[str]: ...

    def columns(self, table: TableName) -> pa.Schema | None:
        """None when there is no such table or view."""
        ...


class TableEditor(Protocol):
    """Part of a commit."""

    def create_table(self, table: TableName, columns: pa.Schema, *, key: str) -> None:
        """Does nothing when the table is there. Creates the schema as well.

        `key` is the column that tells rows apart, for engines that keep an index or an order by it.
        """
        ...

    def add_columns(self, table: TableName, columns: pa.Schema) -> None:
        """Columns that are there already stay as they are. Of new columns of current records, no
        file that was merged so far says anything: a later one of an older version may.
        """
        ...

    def change_type(self, table: TableName, column: Column) -> None:
        """Casts what is there; raises when a value does not fit."""
        ...

    def drop(self, table: TableName) -> None:
        """No error when it is not there."""
        ...

    def drop_view(self, view: TableName) -> None:
        """No error when it is not there, or is a table, which stays."""
        ...

    def comment(self, table: TableName, text: str, columns: Mapping[str, str]) -> None:
        """Keeps descriptions beside the table, where the engine can."""
        ...
