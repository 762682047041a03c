"""The connection that the parts of a relational warehouse share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import pyarrow as pa

    from seil.warehouse.merges import MergeOutcome, Misfits, StagedFile
    from seil.warehouse.relational.forms import SqlForms
    from seil.warehouse.relational.merge_sql import RowKey
    from seil.warehouse.sql import Sql
    from seil.warehouse.tables import TableName
    from seil.warehouse.types import Column


class RelationalDatabase(Protocol):
    @property
    def url(self) -> str: ...

    @property
    def forms(self) -> SqlForms: ...

    def close(self) -> None: ...

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

    def create_table(self, table: TableName, columns: pa.Schema, *, key: str = "") -> None:
        """Does nothing if the table exists. Creates the schema as well."""
        ...

    def replaced_table(
        self, table: TableName, columns: pa.Schema, *, key: str = ""
    ) -> AbstractContextManager[None]:
        """An empty one with these columns, whatever was there, to be filled in the block."""
        ...

    def add_column(self, table: TableName, column: Column) -> None: ...

    def change_type(self, table: TableName, column: Column) -> None: ...

    def drop(self, table: TableName) -> None: ...

    def append(self, table: TableName | Sql, rows: pa.Table | pa.RecordBatchReader) -> None:
        """Matches columns by name; missing ones are null. `Sql` names a temporary table."""
        ...

    def create_temporary(self, name: str, content: Sql | pa.Schema) -> None:
        """From a SELECT, or empty with these columns. Replaces one of that name."""
        ...

    def drop_temporary(self, name: str) -> None: ...

    def create_view(self, view: TableName, select: Sql) -> None:
        """Replaces one of that name. Creates the schema as well."""
        ...

    def drop_view(self, view: TableName) -> None:
        """Does nothing if there is no such view, or it is a table."""
        ...

    def comment(self, table: TableName, text: str, columns: Mapping[str, str]) -> None: ...

    def misfits(
        self, source: TableName | StagedFile, column: str, target: pa.DataType
    ) -> Misfits: ...

    def staged_rows(
        self, files: Sequence[StagedFile], columns: pa.Schema
    ) -> AbstractContextManager[Sql]:
        """A SELECT of the files' rows, to be merged within the block: see
        `seil.warehouse.relational.merge_sql`.
        """
        ...

    def append_new(
        self, table: TableName, files: Sequence[StagedFile], columns: pa.Schema, *, key: RowKey
    ) -> Mapping[int, MergeOutcome]:
        """Inserts the files' rows into an empty table if no key repeats; else does nothing and
        returns {}. Outcomes are by the file's number.
        """
        ...
