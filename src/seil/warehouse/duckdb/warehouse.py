"""The embedded warehouse: one DuckDB file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from seil.closing import Closing
from seil.warehouse.duckdb import history
from seil.warehouse.duckdb.bookkeeping import EmbeddedBookkeeping
from seil.warehouse.duckdb.commits import EmbeddedCommit
from seil.warehouse.duckdb.comparison import TableComparison, comparison
from seil.warehouse.duckdb.ledger import prepare_ledger
from seil.warehouse.duckdb.merging import OverlayCache
from seil.warehouse.protocol import EngineTraits

if TYPE_CHECKING:
    import pyarrow as pa

    from seil.warehouse.duckdb.connection import DuckDBConnection
    from seil.warehouse.merges import Misfits, Records, SourceRows, StagedFile
    from seil.warehouse.tables import TableName


class EmbeddedWarehouse(Closing):
    dialect = "duckdb"
    traits = EngineTraits(atomic_across_tables=True, follows_changes=True)

    def __init__(self, database: DuckDBConnection) -> None:
        self.database = database
        self._overlays = OverlayCache(database)

    def close(self) -> None:
        self.database.close()

    @property
    def url(self) -> str:
        return self.database.url

    @property
    def bookkeeping(self) -> EmbeddedBookkeeping:
        return EmbeddedBookkeeping(self.database)

    def prepare(self) -> None:
        prepare_ledger(self.database)

    @contextmanager
    def commit(self, commit_id: str) -> Iterator[EmbeddedCommit]:
        try:
            with self.database.transaction():
                yield EmbeddedCommit(commit_id, self.database, self._overlays)
        except BaseException:
            self._overlays.invalidate()
            raise

    def query(self, sql: str) -> pa.Table:
        return self.database.query(sql)

    def stream(self, sql: str) -> AbstractContextManager[pa.RecordBatchReader]:
        return self.database.stream(sql)

    def tables(self, schema: str = "") -> list[str]:
        return self.database.tables(schema)

    def columns(self, table: TableName) -> pa.Schema | None:
        return self.database.columns(table)

    def misfits(self, source: TableName | StagedFile, column: str, target: pa.DataType) -> Misfits:
        return self.database.misfits(source, column, target)

    def files_without_versions(self, records: Records, object_name: str) -> frozenset[str]:
        return history.files_without_versions(self.database, records, object_name)

    def compare(
        self, table: TableName, rows: SourceRows, *, key: str, cursor: str = ""
    ) -> AbstractContextManager[TableComparison]:
        return comparison(self.database, table, rows, key=key, cursor=cursor)
