"""Builds in PostgreSQL: staged in temporary tables, published by DELETE and INSERT.

Neither waits for a reader's transaction, which a changed or renamed table would.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from seil.warehouse.builds import RowChange, StagedBuild, keys_relation
from seil.warehouse.postgresql.indexes import Indexes, insert_rows
from seil.warehouse.sql import Sql, SqlName, compose, join, quote

if TYPE_CHECKING:
    import pyarrow as pa

    from seil.warehouse.builds import TableAccess
    from seil.warehouse.postgresql.connection import PostgresConnection
    from seil.warehouse.tables import TableName

_MANY = 300
# Rows that do not change are in neither part, however often they repeat.
_ADDED = """
    SELECT {columns} FROM {candidate}
    EXCEPT ALL SELECT {columns} FROM {table} WHERE {scope} IN (SELECT scope FROM {keys})"""
_REMOVED = """
    SELECT {columns} FROM {table} WHERE {scope} IN (SELECT scope FROM {keys})
    EXCEPT ALL SELECT {columns} FROM {candidate}"""
_NEXT = """
    SELECT {columns} FROM {table} AS t
    WHERE NOT EXISTS (SELECT 1 FROM {keys} AS k WHERE k.scope = t.{scope})
    UNION ALL SELECT {columns} FROM {candidate}"""
_COUNTS = """
    SELECT (SELECT count(*) FROM {table}) AS before, (SELECT count(*) FROM {removed}) AS removed,
           (SELECT count(*) FROM {added}) AS added"""
_DIFFERING = "SELECT {scope} FROM {removed} UNION SELECT {scope} FROM {added}"
_DELETE = "DELETE FROM {table} WHERE {scope} IN ({differing})"
_INSERT_WHOLE = "INSERT INTO {table} ({c}) SELECT {c} FROM {staged}"
_INSERT = """
    INSERT INTO {table} ({columns})
    SELECT {columns} FROM {candidate} WHERE {scope} IN ({differing}) OR {scope} IS NULL"""


class PostgresBuilder:
    """Within a transaction of the warehouse."""

    def __init__(self, database: PostgresConnection) -> None:
        self._database = database
        self._scopes: dict[TableName, str] = {}
        self._key_counts: dict[TableName, int] = {}

    def hold_keys(self, table: TableName, select: str) -> int:
        self._database.create_temporary(keys_relation(table), Sql(select))
        self._key_counts[table] = self._count(keys_relation(table))
        return self._key_counts[table]

    def stage_table(self, table: TableName, select: str) -> StagedBuild:
        relation = _next(table)
        self._database.check_name(table)
        self._database.create_temporary(relation, Sql(select))
        rows = self._count(relation)
        return StagedBuild(table, relation, rows, inserted=rows)

    def stage_change(self, table: TableName, select: str, *, scope: str) -> StagedBuild:
        names = self._names(table, scope)
        database = self._database
        with self._planned_for_many(self._key_counts[table]):
            database.create_temporary(_candidate(table), Sql(select))
        added, removed = f"{table.name}__added", f"{table.name}__removed"
        database.create_temporary(added, compose(_ADDED, **names))
        database.create_temporary(removed, compose(_REMOVED, **names))
        database.create_temporary_view(_next(table), compose(_NEXT, **names))
        (counts,) = database.query(compose(_COUNTS, **names)).to_pylist()
        before, removals, additions = (int(counts[n]) for n in ("before", "removed", "added"))
        self._scopes[table] = scope
        relation = _next(table) if removals or additions else table.name
        return StagedBuild(
            table,
            relation,
            before - removals + additions,
            removals,
            additions,
            RowChange(added, removed),
        )

    @contextmanager
    def _planned_for_many(self, keys: int) -> Iterator[None]:
        """The planner has no statistics of a CTE, takes it for some rows, and compares each of one
        with each of the other: 54 s at 5,800 keys. Below `_MANY`, indexes are worth more.
        """
        if keys <= _MANY:
            yield
            return
        self._database.execute("SET LOCAL enable_nestloop = off")
        yield
        self._database.execute("SET LOCAL enable_nestloop TO DEFAULT")

    def publish(self, staged: Sequence[StagedBuild]) -> None:
        for entry in staged:
            if entry.change is None:
                self._publish_whole(entry.table)
                continue
            names = self._names(entry.table, self._scopes[entry.table])
            if entry.deleted or entry.inserted:
                self._run(_DELETE, **names)
                insert_rows(self._database, entry.table, compose(_INSERT, **names))
            self._drop_change(entry.table)

    def discard(self, staged: Sequence[StagedBuild]) -> None:
        for entry in staged:
            if entry.change is None:
                self._database.drop_temporary(_next(entry.table))
            else:
                self._drop_change(entry.table)

    def arrange(self, tables: Mapping[TableName, TableAccess]) -> None:
        Indexes(self._database).arrange(tables)

    def _publish_whole(self, table: TableName) -> None:
        database, relation = self._database, _next(table)
        place = database.forms.temporary(relation)
        columns = self._columns_of(place)
        names = {"table": database.qualify(table), "staged": place}
        names_list = join(", ", map(quote, columns.names))
        with database.replaced_table(table, columns):
            insert_rows(database, table, compose(_INSERT_WHOLE, **names, c=names_list))
        database.drop_temporary(relation)

    def _drop_change(self, table: TableName) -> None:
        self._database.drop_temporary_view(_next(table))
        for name in (
            f"{table.name}__added",
            f"{table.name}__removed",
            _candidate(table),
            keys_relation(table),
        ):
            self._database.drop_temporary(name)

    def _names(self, table: TableName, scope: str) -> dict[str, str | TableName]:
        temporary = self._database.forms.temporary
        columns = self._database.existing_columns(table)
        names: dict[str, str | TableName] = {
            "table": self._database.qualify(table),
            "candidate": temporary(_candidate(table)),
            "added": temporary(f"{table.name}__added"),
            "removed": temporary(f"{table.name}__removed"),
            "keys": temporary(keys_relation(table)),
            "scope": SqlName(scope),
            "columns": join(", ", map(quote, columns.names)),
        }
        return {**names, "differing": compose(_DIFFERING, **names)}

    def _columns_of(self, place: Sql) -> pa.Schema:
        return self._database.query(compose("SELECT * FROM {place} LIMIT 0", place=place)).schema

    def _count(self, relation: str) -> int:
        place = self._database.forms.temporary(relation)
        count = self._database.query(compose("SELECT count(*) AS n FROM {t}", t=place))
        return int(count["n"][0].as_py())

    def _run(self, template: str, **parts: str | TableName) -> None:
        self._database.execute(compose(template, **parts))


def _next(table: TableName) -> str:
    return f"{table.name}__new"


def _candidate(table: TableName) -> str:
    return f"{table.name}__candidate"
