"""Builds in Spark: staged as checkpoints on the executors, published on the commit's branches.

A change is written merge-on-read, DELETE and INSERT; one that touches most rows replaces them all,
which is cheaper from about half on (docs/decisions.md has the figures).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from seil.warehouse.builds import RowChange, StagedBuild, keys_relation
from seil.warehouse.spark.columns import name_of
from seil.warehouse.sql import SqlName, compose, join, quote

if TYPE_CHECKING:
    from seil.warehouse.builds import TableAccess
    from seil.warehouse.spark.database import IcebergDatabase
    from seil.warehouse.tables import TableName

CROSSOVER = 0.5
"""The share of a table's rows from which on it is replaced whole."""

# Rows that do not change are in neither part, however often they repeat.
_DIFFERENCE = """
    SELECT {columns}, CAST(sum(_one) AS BIGINT) AS _surplus
    FROM (
        SELECT {columns}, 1 AS _one FROM {candidate}
        UNION ALL
        SELECT {columns}, -1 AS _one FROM {table} WHERE {scope} IN (SELECT scope FROM {keys})
    ) AS versions
    GROUP BY {columns} HAVING sum(_one) <> 0"""
# In Spark's dialect: as many rows as there are more of than before, or fewer.
_PART = """
    SELECT {columns} FROM (
        SELECT {columns}, explode(array_repeat(1, CAST({sign} * _surplus AS INT))) AS _one
        FROM {difference} WHERE {sign} * _surplus > 0
    )"""
_NEXT = """
    SELECT {columns} FROM {table} AS t
    WHERE NOT EXISTS (SELECT 1 FROM {keys} AS k WHERE k.scope = t.{scope})
    UNION ALL SELECT {columns} FROM {candidate}"""
_COUNTS = """
    SELECT (SELECT count(*) FROM {table}) AS before,
           coalesce(sum(CASE WHEN _surplus < 0 THEN -_surplus END), 0) AS removed,
           coalesce(sum(CASE WHEN _surplus > 0 THEN _surplus END), 0) AS added
    FROM {difference}"""
_DELETE = "DELETE FROM {table} WHERE {scope} IN (SELECT {scope} FROM {difference})"
_INSERT = """
    INSERT INTO {table} SELECT {columns} FROM {candidate}
    WHERE {scope} IN (SELECT {scope} FROM {difference}) OR {scope} IS NULL"""


class SparkBuilder:
    """Within a commit of the warehouse."""

    def __init__(self, database: IcebergDatabase) -> None:
        self._database = database
        self._scopes: dict[TableName, str] = {}

    def hold_keys(self, table: TableName, select: str) -> int:
        keys = keys_relation(table)
        self._database.hold(keys, self._database.native_frame(select))
        return self._count(keys)

    def stage_table(self, table: TableName, select: str) -> StagedBuild:
        relation = _next(table)
        self._database.hold(relation, self._database.native_frame(select))
        rows = self._count(relation)
        return StagedBuild(table, relation, rows, inserted=rows)

    def stage_change(self, table: TableName, select: str, *, scope: str) -> StagedBuild:
        database, names = self._database, self._names(table, scope)
        database.hold(_candidate(table), database.native_frame(select))
        database.hold(_difference(table), database.frame(compose(_DIFFERENCE, **names)))
        added, removed = self._show_parts(table)
        database.show(_next(table), database.frame(compose(_NEXT, **names)))
        (counts,) = database.query(compose(_COUNTS, **names)).to_pylist()
        before, removals, additions = (int(counts[n]) for n in ("before", "removed", "added"))
        self._scopes[table] = scope
        return StagedBuild(
            table,
            _next(table) if removals or additions else table.name,
            before - removals + additions,
            removals,
            additions,
            RowChange(added, removed),
        )

    def _show_parts(self, table: TableName) -> tuple[str, str]:
        columns = ", ".join(map(name_of, self._database.existing_columns(table).names))
        relations = f"{table.name}__added", f"{table.name}__removed"
        for relation, sign in zip(relations, (1, -1), strict=True):
            part = _PART.format(columns=columns, sign=sign, difference=name_of(_difference(table)))
            self._database.show(relation, self._database.native_frame(part))
        return relations

    def publish(self, staged: Sequence[StagedBuild]) -> None:
        for entry in staged:
            if entry.change is None:
                self._database.replace_content(entry.table, entry.relation)
                self._database.drop_temporary(entry.relation)
                continue
            if entry.deleted or entry.inserted:
                self._publish_change(entry)
            self._drop_change(entry.table)

    def _publish_change(self, entry: StagedBuild) -> None:
        before = entry.rows + entry.deleted - entry.inserted
        if max(entry.deleted, entry.inserted) > CROSSOVER * before:
            # As they are now: the table is emptied before.
            relation = _next(entry.table)
            rows = compose("SELECT * FROM {rows}", rows=SqlName(relation))
            self._database.hold(relation, self._database.frame(rows))
            self._database.replace_content(entry.table, relation)
            return
        names = self._names(entry.table, self._scopes[entry.table])
        if entry.deleted:
            self._database.execute(compose(_DELETE, **names))
        self._database.execute(compose(_INSERT, **names))

    def discard(self, staged: Sequence[StagedBuild]) -> None:
        for entry in staged:
            if entry.change is None:
                self._database.drop_temporary(entry.relation)
            else:
                self._drop_change(entry.table)

    def arrange(self, tables: Mapping[TableName, TableAccess]) -> None:
        """Iceberg finds files by the least and greatest values of their columns."""

    def _drop_change(self, table: TableName) -> None:
        for name in (
            _next(table),
            f"{table.name}__added",
            f"{table.name}__removed",
            _difference(table),
            _candidate(table),
            keys_relation(table),
        ):
            self._database.drop_temporary(name)

    def _names(self, table: TableName, scope: str) -> dict[str, str | TableName]:
        columns = self._database.existing_columns(table)
        return {
            "table": table,
            "candidate": SqlName(_candidate(table)),
            "difference": SqlName(_difference(table)),
            "keys": SqlName(keys_relation(table)),
            "scope": SqlName(scope),
            "columns": join(", ", map(quote, columns.names)),
        }

    def _count(self, relation: str) -> int:
        count = compose("SELECT count(*) AS n FROM {relation}", relation=SqlName(relation))
        return int(self._database.query(count)["n"][0].as_py())


def _next(table: TableName) -> str:
    return f"{table.name}__new"


def _candidate(table: TableName) -> str:
    return f"{table.name}__candidate"


def _difference(table: TableName) -> str:
    return f"{table.name}__difference"
