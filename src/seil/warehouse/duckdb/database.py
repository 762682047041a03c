"""The interface of the connection that the parts of the DuckDB warehouse share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import pyarrow as pa

    from seil.warehouse.duckdb.change_log import ChangeLog
    from seil.warehouse.merges import MergeOutcome, StagedFile
    from seil.warehouse.tables import TableName
    from seil.warehouse.types import Column


class EmbeddedDatabase(Protocol):
    @property
    def url(self) -> str: ...

    def transaction(self) -> AbstractContextManager[None]:
        """Commits when the block ends, rolls back if it raises. Does not nest."""
        ...

    def execute(self, sql: str) -> None: ...

    def query(self, sql: str) -> pa.Table: ...

    def stream(self, sql: str) -> AbstractContextManager[pa.RecordBatchReader]: ...

    def tables(self, schema: str = "") -> list[str]: ...

    def columns(self, table: TableName) -> pa.Schema | None: ...

    def existing_columns(self, table: TableName) -> pa.Schema:
        """Raises StatementError if there is no such table."""
        ...

    def create_table(self, table: TableName, columns: pa.Schema) -> None:
        """Does nothing if the table exists. Creates the schema as well."""
        ...

    def add_column(self, table: TableName, column: Column) -> None: ...

    def change_type(self, table: TableName, column: Column) -> None: ...

    def drop(self, table: TableName) -> None: ...

    def append(self, table: TableName, rows: pa.Table) -> None:
        """Matches columns by name; missing ones are null."""
        ...

    def registration(
        self, name: str, rows: pa.Table | pa.RecordBatchReader
    ) -> AbstractContextManager[None]:
        """Registers the rows as a relation of this name for the block."""
        ...

    def merge_rows(
        self,
        table: TableName,
        files: Sequence[StagedFile],
        *,
        key: str,
        log: ChangeLog | None = None,
        every_version: bool = False,
    ) -> Mapping[str, MergeOutcome]:
        """Keeps, per key, the newest of the table's row and the files' rows.

        With `every_version`, key and systemmodstamp together identify a row.
        """
        ...
