"""The warehouse in Iceberg tables, by Spark."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

import pyarrow as pa

from seil.warehouse.protocol import EngineTraits
from seil.warehouse.relational.commits import RelationalCommit
from seil.warehouse.relational.warehouse import RelationalWarehouse
from seil.warehouse.spark.builds import SparkBuilder
from seil.warehouse.spark.connection import SparkConnection
from seil.warehouse.spark.layout import TableLayouts
from seil.warehouse.spark.rows import with_times
from seil.warehouse.spark.session import close_session, open_session

if TYPE_CHECKING:
    from seil.settings import WarehouseSettings
    from seil.warehouse.fencing import Fence
    from seil.warehouse.merges import OpenUrl
    from seil.warehouse.tables import TableName


class SparkWarehouse(RelationalWarehouse[SparkConnection]):
    dialect = "spark"
    traits = EngineTraits(atomic_across_tables=False, follows_changes=True)

    def close(self) -> None:
        try:
            super().close()
        finally:
            close_session(self.database.session)

    def prepare(self) -> None:
        self.database.recover()
        super().prepare()

    @contextmanager
    def commit(self, commit_id: str) -> Iterator[RelationalCommit]:
        try:
            with self.database.transaction(commit_id):
                yield RelationalCommit(commit_id, self.database, self._overlays, self._builder())
        except BaseException:
            self._overlays.invalidate()
            raise

    @contextmanager
    def one_moment(self) -> Iterator[None]:
        yield

    def query(self, sql: str) -> pa.Table:
        return self.database.collect(self.database.native_frame(sql))

    def stream(self, sql: str) -> AbstractContextManager[pa.RecordBatchReader]:
        return self.database.stream_frame(self.database.native_frame(sql))

    @contextmanager
    def sorted_rows(
        self, table: TableName, columns: Sequence[str], *, order: Sequence[str]
    ) -> Iterator[pa.RecordBatchReader]:
        types = self.database.existing_columns(table)
        schema = pa.schema([types.field(name) for name in columns])
        with super().sorted_rows(table, columns, order=order) as rows:
            yield pa.RecordBatchReader.from_batches(schema, (with_times(b, schema) for b in rows))

    def _builder(self) -> SparkBuilder:
        return SparkBuilder(self.database)


def connect(
    settings: WarehouseSettings,
    *,
    read_only: bool = False,
    suffix: str = "",
    fence: Fence | None = None,
    open_url: OpenUrl | None = None,
) -> SparkWarehouse:
    session = open_session(settings)
    try:
        database = SparkConnection(
            session,
            settings.url,
            schema=settings.schema_name,
            suffix=suffix,
            read_only=read_only,
            fence=fence,
            open_url=open_url,
            layouts=TableLayouts.of(settings.spark),
        )
    except BaseException:
        close_session(session)
        raise
    return SparkWarehouse(database)
