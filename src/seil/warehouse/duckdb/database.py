"""What the parts of the DuckDB warehouse ask of its connection."""

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
        """Commits when the block ends, rolls back when it raises. Does not nest."""
        ...

    def execute(self, sql: str) -> None: ...

    def query(self, sql: str) -> pa.Table: ...

    def stream(self, sql: str) -> AbstractContextManager[pa.RecordBatchReader]: ...

    def tables(self, schema: str = "") -> list[str]: ...

    def columns(self, table: TableName) -> pa.Schema | None: ...

    def existing_columns(self, table: TableName) -> pa.Schema:
        """Raises StatementError where there is no such table."""
        ...

    def create_table(self, table: TableName, columns: pa.Schema) -> None:
        """Does nothing when the table is there. Creates the schema as well."""
        ...

    def add_column(self, table: TableName, column: Column) -> None: ...

    def change_type(self, table: TableName, column: Column) -> None: ...

    def drop(self, table: TableName) -> None: ...

    def append(self, table: TableName, rows: pa.Table) -> None:
        """Columns are matched by name; those not given are null."""
        ...

    def registration(
        self, name: str, rows: pa.Table | pa.RecordBatchReader
    ) -> AbstractContextManager[None]:
        """Rows as a relation of this name for the length of the block."""
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
        """Makes the table hold, per key, the newest version among its own row and the files'.

        With `every_version`, the key and systemmodstamp together tell rows apart.
        """
        ...
