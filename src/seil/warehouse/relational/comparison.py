"""Compares rows of the source with those of a table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from seil.errors import StatementError, WarehouseError
from seil.warehouse.sql import Sql, SqlName, compose, join
from seil.warehouse.types import TEXT, TIMESTAMP, stored_type

if TYPE_CHECKING:
    from seil.warehouse.merges import SourceRows
    from seil.warehouse.relational.database import RelationalDatabase
    from seil.warehouse.tables import TableName

READ = "_seil_read"
"""The source's rows: a temporary table, so that a kill leaves none behind."""
_IS_DELETED = "isdeleted"


@dataclass(frozen=True)
class TableComparison:
    """Compares the rows in READ, whose columns are `read`, with `table`."""

    database: RelationalDatabase
    table: TableName
    columns: pa.Schema
    read: pa.Schema
    key: str
    cursor: str

    def living(self) -> int:
        count = compose(
            "SELECT count(*) AS n FROM {table} AS t WHERE {lives}",
            table=self.table,
            lives=self._lives(self.columns, "t"),
        )
        return int(self.database.query(count)["n"][0].as_py())

    def ids_not_in_source(self, before: datetime) -> list[str]:
        ids = compose(
            """
            SELECT t.{key} AS id FROM {table} AS t LEFT JOIN {read} AS i ON i.{key} = t.{key}
            WHERE i.{key} IS NULL AND t.{key} IS NOT NULL AND {lives} AND {before} ORDER BY 1""",
            key=self._key,
            table=self.table,
            read=self.database.forms.temporary(READ),
            lives=self._lives(self.columns, "t"),
            before=self._before("t", before),
        )
        return [str(value) for value in self.database.query(ids)["id"].to_pylist()]

    def missing(self, before: datetime) -> list[tuple[str, Any]]:
        return self._of_source(before, compose("t.{key} IS NULL", key=self._key))

    def hidden(self, before: datetime) -> list[str]:
        condition = compose(
            "t.{key} IS NOT NULL AND NOT ({lives}) AND {lives_in_source}",
            key=self._key,
            lives=self._lives(self.columns, "t"),
            lives_in_source=self._lives(self.read, "i"),
        )
        return [id_ for id_, _ in self._of_source(before, condition)]

    def deleted(self, before: datetime) -> list[str]:
        query = compose(
            "t.{key} IS NOT NULL AND {lives} AND NOT ({seen})",
            key=self._key,
            lives=self._lives(self.columns, "t"),
            seen=self._lives(self.read, "i"),
        )
        return [id_ for id_, _ in self._of_source(before, query)]

    @contextmanager
    def differing(self, columns: Sequence[str]) -> Iterator[tuple[int, pa.RecordBatchReader]]:
        rows = compose(
            """
            SELECT {values} FROM {read} AS n JOIN {table} AS t ON t.{key} = n.{key}
            WHERE {differs}""",
            values=join(
                ", ",
                (
                    compose("n.{lower} AS {c}", lower=SqlName(c.lower()), c=SqlName(c))
                    for c in (self.key, *columns)
                ),
            ),
            read=self.database.forms.temporary(READ),
            table=self.table,
            key=self._key,
            differs=join(" OR ", map(self._differs, columns)),
        )
        count = self.database.query(
            compose("SELECT count(*) AS n FROM ({rows}) AS differing", rows=rows)
        )
        with self.database.stream(rows) as batches:
            yield int(count["n"][0].as_py()), batches

    def _lives(self, columns: pa.Schema, alias: str) -> Sql:
        if _IS_DELETED not in map(str.lower, columns.names):
            return Sql("true")
        flag = self.database.forms.try_cast(Sql(f"{alias}.isdeleted"), pa.bool_())
        return compose("coalesce({flag}, false) = false", flag=flag)

    @property
    def _key(self) -> SqlName:
        return SqlName(self.key.lower())

    def _differs(self, name: str) -> Sql:
        kinds = (self.columns.field(name.lower()).type, stored_type(self.read.field(name).type))
        # Compared as text where either side is text.
        template = "t.{old} IS DISTINCT FROM n.{new}"
        if TEXT in kinds:
            template = "CAST(t.{old} AS VARCHAR) IS DISTINCT FROM CAST(n.{new} AS VARCHAR)"
        return compose(template, old=SqlName(name.lower()), new=SqlName(name.lower()))

    def _of_source(self, before: datetime, condition: Sql) -> list[tuple[str, Any]]:
        rows = compose(
            """
            SELECT i.{key} AS id, {stamp} AS stamp
            FROM {read} AS i LEFT JOIN {table} AS t ON t.{key} = i.{key}
            WHERE {condition} AND {before} ORDER BY 1""",
            key=self._key,
            stamp=compose("i.{c}", c=SqlName(self.cursor.lower())) if self.cursor else Sql("NULL"),
            table=self.table,
            read=self.database.forms.temporary(READ),
            condition=condition,
            before=self._before("i", before),
        )
        return [(row["id"], row["stamp"]) for row in self.database.query(rows).to_pylist()]

    def _before(self, alias: str, moment: datetime) -> Sql:
        if not self.cursor:
            return Sql("true")
        return compose(
            "coalesce({cursor} < CAST({at} AS TIMESTAMPTZ), true)",
            cursor=self.database.forms.try_cast(
                compose("{t}.{c}", t=Sql(alias), c=SqlName(self.cursor.lower())), TIMESTAMP
            ),
            at=moment.isoformat(),
        )


@contextmanager
def comparison(
    database: RelationalDatabase, table: TableName, rows: SourceRows, *, key: str, cursor: str
) -> Iterator[TableComparison]:
    columns = database.columns(table)
    if columns is None:
        raise StatementError(database.url, f"there is no table {table}")
    types = {c.name.lower(): stored_type(c.type) or TEXT for c in rows.columns}
    database.create_temporary(READ, pa.schema(types))
    try:
        for batch in rows.batches:
            names = [name.lower() for name in batch.schema.names]
            lower = pa.Table.from_batches([batch]).rename_columns(names)
            database.append(database.forms.temporary(READ), lower)
        yield TableComparison(database, table, columns, rows.columns, key, cursor)
    finally:
        with suppress(WarehouseError):
            database.drop_temporary(READ)
