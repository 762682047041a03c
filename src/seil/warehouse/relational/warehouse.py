"""A warehouse whose engine speaks SQL in transactions."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import TYPE_CHECKING, Generic, TypeVar

from seil.closing import Closing
from seil.errors import WarehouseError
from seil.warehouse.protocol import EngineTraits
from seil.warehouse.relational import history
from seil.warehouse.relational.bookkeeping import RelationalBookkeeping
from seil.warehouse.relational.commits import RelationalCommit
from seil.warehouse.relational.comparison import TableComparison, comparison
from seil.warehouse.relational.ledger import prepare_ledger
from seil.warehouse.relational.merging import OverlayCache
from seil.warehouse.sql import Sql, compose, join, quote
from seil.warehouse.types import TEXT

if TYPE_CHECKING:
    import pyarrow as pa

    from seil.warehouse.builds import Builder
    from seil.warehouse.merges import Misfits, Records, SourceRows, StagedFile
    from seil.warehouse.relational.database import RelationalDatabase
    from seil.warehouse.tables import TableName
    from seil.warehouse.types import Column

DatabaseT = TypeVar("DatabaseT", bound="RelationalDatabase")


class RelationalWarehouse(Closing, Generic[DatabaseT]):
    dialect: str
    traits = EngineTraits(atomic_across_tables=True, follows_changes=True)

    def __init__(self, database: DatabaseT) -> None:
        self.database = database
        self._overlays = OverlayCache(database)

    @abstractmethod
    def _builder(self) -> Builder: ...

    _begin_reading = "BEGIN"

    def close(self) -> None:
        self.database.close()

    @property
    def url(self) -> str:
        return self.database.url

    @property
    def bookkeeping(self) -> RelationalBookkeeping:
        return RelationalBookkeeping(self.database)

    def prepare(self) -> None:
        prepare_ledger(self.database)

    @contextmanager
    def commit(self, commit_id: str) -> Iterator[RelationalCommit]:
        try:
            with self.database.transaction():
                yield RelationalCommit(commit_id, self.database, self._overlays, self._builder())
        except BaseException:
            self._overlays.invalidate()
            raise

    def query(self, sql: str) -> pa.Table:
        return self.database.query(sql)

    def stream(self, sql: str) -> AbstractContextManager[pa.RecordBatchReader]:
        return self.database.stream(sql)

    @contextmanager
    def one_moment(self) -> Iterator[None]:
        self.database.execute(self._begin_reading)
        try:
            yield
        finally:
            # What broke the connection has been raised.
            with suppress(WarehouseError):
                self.database.execute("ROLLBACK")

    def tables(self, schema: str = "") -> list[str]:
        return self.database.tables(schema)

    def columns(self, table: TableName) -> pa.Schema | None:
        return self.database.columns(table)

    def sorted_rows(
        self, table: TableName, columns: Sequence[str], *, order: Sequence[str]
    ) -> AbstractContextManager[pa.RecordBatchReader]:
        types = self.database.existing_columns(table)
        terms = (self._order_term(types.field(name)) for name in order)
        select = compose(
            "SELECT {columns} FROM {table} ORDER BY {order}",
            columns=join(", ", map(quote, columns)),
            table=table,
            order=join(", ", terms),
        )
        return self.database.stream(select)

    def _order_term(self, column: Column) -> Sql:
        value = quote(column.name)
        if column.type == TEXT:
            value = self.database.forms.by_bytes(value)
        return compose("{value} ASC NULLS FIRST", value=value)

    def misfits(self, source: TableName | StagedFile, column: str, target: pa.DataType) -> Misfits:
        return self.database.misfits(source, column, target)

    def files_without_versions(self, records: Records, object_name: str) -> frozenset[str]:
        return history.files_without_versions(self.database, records, object_name)

    def compare(
        self, table: TableName, rows: SourceRows, *, key: str, cursor: str = ""
    ) -> AbstractContextManager[TableComparison]:
        return comparison(self.database, table, rows, key=key, cursor=cursor)
