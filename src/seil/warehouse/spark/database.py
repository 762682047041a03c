"""The interface of the connection to a warehouse in Iceberg tables."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from seil.warehouse.relational.database import RelationalDatabase

if TYPE_CHECKING:
    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

    from seil.warehouse.merges import StagedFile
    from seil.warehouse.spark.iceberg import IcebergTable
    from seil.warehouse.tables import TableName


class IcebergDatabase(RelationalDatabase, Protocol):
    @property
    def session(self) -> SparkSession: ...

    def errors(self) -> AbstractContextManager[None]:
        """Translates Spark's errors."""
        ...

    def stamped(self, commit_id: str) -> AbstractContextManager[None]:
        """Snapshots written in the block are of that commit."""
        ...

    def frame(self, sql: str) -> DataFrame:
        """Of a SELECT in SEIL's own dialect."""
        ...

    def native_frame(self, select: str) -> DataFrame:
        """Of a SELECT in Spark's dialect."""
        ...

    def hold(self, name: str, frame: DataFrame) -> None:
        """A temporary table with the rows as they are now, whatever becomes of the tables that they
        come from.
        """
        ...

    def show(self, name: str, frame: DataFrame) -> None:
        """A temporary table whose rows are computed when it is read."""
        ...

    def replace_content(self, table: TableName, relation: str) -> None:
        """Makes the rows of a temporary table the whole table, with their columns and types."""
        ...

    def load(self, table: TableName) -> IcebergTable | None:
        """None where there is no such table."""
        ...

    def create_bare(self, table: TableName, columns: pa.Schema, *, branch: str = "") -> None:
        """At once, whether in a commit or not; with its branch in one."""
        ...

    def drop_bare(self, table: TableName) -> None:
        """At once, with its files."""
        ...

    def replace_bare(self, table: TableName, source: TableName) -> None:
        """Makes a table what another is, at once and in one step."""
        ...

    def empty(self, table: TableName) -> None:
        """Removes all rows."""
        ...

    def drop_column(self, table: TableName, column: str) -> None: ...

    def reachable(
        self, files: Sequence[StagedFile]
    ) -> AbstractContextManager[Sequence[StagedFile]]:
        """The same files, under URLs that Spark reads."""
        ...
