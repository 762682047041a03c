"""Compares rows of the source with those of a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from seil.errors import StatementError, WarehouseError
from seil.warehouse.duckdb.merge_sql import column_list
from seil.warehouse.sql import Sql, SqlName, compose, join
from seil.warehouse.types import TEXT, stored_type

if TYPE_CHECKING:
    from seil.warehouse.duckdb.database import EmbeddedDatabase
    from seil.warehouse.merges import SourceRows
    from seil.warehouse.tables import TableName

READ = Sql("temp.main._seil_read")
"""The source's rows: a temporary table, so that a kill leaves none behind."""
_IS_DELETED = "isdeleted"


@dataclass(frozen=True)
class TableComparison:
    """Compares the rows in READ, whose columns are `read`, with `table`."""

    database: EmbeddedDatabase
    table: TableName
    columns: pa.Schema
    read: pa.Schema
    key: str
    cursor: str

    def living(self) -> int:
        count = compose(
            "SELECT count(*) AS n FROM {table} AS t WHERE {lives}",
            table=self.table,
            lives=_lives(self.columns, "t"),
        )
        return int(self.database.query(count)["n"][0].as_py())

    def ids_not_in_source(self, before: datetime) -> list[str]:
        ids = compose(
            """
            SELECT t.{key} AS id FROM {table} AS t LEFT JOIN {read} AS i ON i.{key} = t.{key}
            WHERE i.{key} IS NULL AND t.{key} IS NOT NULL AND {lives} AND {before} ORDER BY 1""",
            key=self._key,
            table=self.table,
            read=READ,
            lives=_lives(self.columns, "t"),
            before=self._before("t", before),
        )
        return [str(value) for value in self.database.query(ids)["id"].to_pylist()]

    def missing(self, before: datetime) -> list[tuple[str, Any]]:
        return self._of_source(before, compose("t.{key} IS NULL", key=self._key))

    def hidden(self, before: datetime) -> list[str]:
        condition = compose(
            "t.{key} IS NOT NULL AND NOT ({lives}) AND {lives_in_source}",
            key=self._key,
            lives=_lives(self.columns, "t"),
            lives_in_source=_lives(self.read, "i"),
        )
        return [id_ for id_, _ in self._of_source(before, condition)]

    def deleted(self, before: datetime) -> list[str]:
        query = compose(
            "t.{key} IS NOT NULL AND {lives} AND NOT ({seen})",
            key=self._key,
            lives=_lives(self.columns, "t"),
            seen=_lives(self.read, "i"),
        )
        return [id_ for id_, _ in self._of_source(before, query)]

    @contextmanager
    def differing(self, columns: Sequence[str]) -> Iterator[tuple[int, pa.RecordBatchReader]]:
        rows = compose(
            """
            SELECT {values} FROM {read} AS n JOIN {table} AS t ON t.{key} = n.{key}
            WHERE {differs}""",
            values=join(", ", (compose("n.{c}", c=SqlName(c)) for c in (self.key, *columns))),
            read=READ,
            table=self.table,
            key=self._key,
            differs=join(" OR ", map(self._differs, columns)),
        )
        count = self.database.query(compose("SELECT count(*) AS n FROM ({rows})", rows=rows))
        with self.database.stream(rows) as batches:
            yield int(count["n"][0].as_py()), batches

    @property
    def _key(self) -> SqlName:
        return SqlName(self.key.lower())

    def _differs(self, name: str) -> Sql:
        kinds = (self.columns.field(name.lower()).type, stored_type(self.read.field(name).type))
        # Compared as text where either side is text.
        template = "t.{old} IS DISTINCT FROM n.{new}"
        if TEXT in kinds:
            template = "CAST(t.{old} AS VARCHAR) IS DISTINCT FROM CAST(n.{new} AS VARCHAR)"
        return compose(template, old=SqlName(name.lower()), new=SqlName(name))

    def _of_source(self, before: datetime, condition: Sql) -> list[tuple[str, Any]]:
        rows = compose(
            """
            SELECT i.{key} AS id, {stamp} AS stamp
            FROM {read} AS i LEFT JOIN {table} AS t ON t.{key} = i.{key}
            WHERE {condition} AND {before} ORDER BY 1""",
            key=self._key,
            stamp=compose("i.{c}", c=SqlName(self.cursor)) if self.cursor else Sql("NULL"),
            table=self.table,
            read=READ,
            condition=condition,
            before=self._before("i", before),
        )
        return [(row["id"], row["stamp"]) for row in self.database.query(rows).to_pylist()]

    def _before(self, alias: str, moment: datetime) -> Sql:
        if not self.cursor:
            return Sql("true")
        return compose(
            "coalesce(TRY_CAST({alias}.{cursor} AS TIMESTAMPTZ) < CAST({at} AS TIMESTAMPTZ), true)",
            alias=Sql(alias),
            cursor=SqlName(self.cursor.lower()),
            at=moment.isoformat(),
        )


def _lives(columns: pa.Schema, alias: str) -> Sql:
    if _IS_DELETED not in map(str.lower, columns.names):
        return Sql("true")
    return Sql(f"coalesce(TRY_CAST({alias}.isdeleted AS BOOLEAN), false) = false")


@contextmanager
def comparison(
    database: EmbeddedDatabase, table: TableName, rows: SourceRows, *, key: str, cursor: str
) -> Iterator[TableComparison]:
    columns = database.columns(table)
    if columns is None:
        raise StatementError(database.url, f"there is no table {table}")
    create = "CREATE OR REPLACE TEMP TABLE _seil_read ({columns})"
    database.execute(compose(create, columns=column_list(rows.columns)))
    try:
        for batch in rows.batches:
            with database.registration("_seil_rows", pa.Table.from_batches([batch])):
                insert = "INSERT INTO {read} BY NAME SELECT * FROM _seil_rows"
                database.execute(compose(insert, read=READ))
        yield TableComparison(database, table, columns, rows.columns, key, cursor)
    finally:
        with suppress(WarehouseError):
            database.execute(compose("DROP TABLE {read}", read=READ))
