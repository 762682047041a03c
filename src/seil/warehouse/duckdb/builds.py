"""Staging and publishing of built tables in DuckDB."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from seil.warehouse.builds import RowChange, StagedBuild, keys_relation
from seil.warehouse.sql import Sql, SqlName, compose, join, quote
from seil.warehouse.tables import TableName

if TYPE_CHECKING:
    from seil.warehouse.builds import TableAccess
    from seil.warehouse.relational.database import RelationalDatabase

# rowid identifies a table's rows until the transaction ends. Rows that do not change are in neither
# part, however often they repeat. A row to delete has its rowid, a row to insert has none.
_DIFFERENCE = """
    CREATE OR REPLACE TEMP TABLE {rows} AS
    SELECT {columns}, unnest(
        CASE WHEN _surplus > 0 THEN list_resize(CAST([] AS BIGINT[]), _surplus)
             ELSE _ids[:-_surplus] END
    ) AS {row}
    FROM (
        SELECT {columns}, CAST(sum(_one) AS BIGINT) AS _surplus,
               list({row}) FILTER ({row} IS NOT NULL) AS _ids
        FROM (
            SELECT {columns}, 1 AS _one, CAST(NULL AS BIGINT) AS {row} FROM {candidate}
            UNION ALL
            SELECT {columns}, -1, rowid FROM {table} WHERE {scope} IN (SELECT scope FROM {keys})
        ) AS versions
        GROUP BY {columns} HAVING sum(_one) <> 0
    ) AS differing"""
_NEXT = """
    CREATE OR REPLACE TEMP VIEW {next} AS
    SELECT {columns} FROM {table} AS t ANTI JOIN {rows} AS r ON r.{row} = t.rowid
    UNION ALL SELECT {columns} FROM {rows} WHERE {row} IS NULL"""
_ADDED = "CREATE OR REPLACE TEMP VIEW {added} AS SELECT {columns} FROM {rows} WHERE {row} IS NULL"
_REMOVED = """
    CREATE OR REPLACE TEMP VIEW {removed} AS SELECT {columns} FROM {rows} WHERE {row} IS NOT NULL"""
_COUNTS = """
    SELECT (SELECT count(*) FROM {table}) AS before, count({row}) AS removed,
           count(*) - count({row}) AS added
    FROM {rows}"""
_DELETE = "DELETE FROM {table} WHERE rowid IN (SELECT {row} FROM {rows})"
_INSERT = "INSERT INTO {table} ({columns}) SELECT {columns} FROM {rows} WHERE {row} IS NULL"
_ROW = "_seil_row"
# DuckDB turns a LEFT JOIN whose left side is smaller into a RIGHT JOIN; of several such in one
# statement not all can spill (1.5.5). Of whole tables it takes as long either way (docs/scale.md).
_JOIN_AS_WRITTEN = "SET disabled_optimizers = 'build_side_probe_side'"


class EmbeddedBuilder:
    """Within a transaction of the warehouse."""

    def __init__(self, database: RelationalDatabase) -> None:
        self._database = database

    def hold_keys(self, table: TableName, select: str) -> int:
        keys = SqlName(keys_relation(table))
        hold = "CREATE OR REPLACE TEMP TABLE {keys} AS {select}"
        self._run(hold, keys=keys, select=Sql(select))
        return self._count(keys)

    def stage_table(self, table: TableName, select: str) -> StagedBuild:
        relation = _next(table)
        self._run(_JOIN_AS_WRITTEN)
        self._run(
            "CREATE OR REPLACE TABLE {t} AS {select}", t=SqlName(relation), select=Sql(select)
        )
        self._run("RESET disabled_optimizers")
        rows = self._count(SqlName(relation))
        return StagedBuild(table, relation, rows, inserted=rows)

    def stage_change(self, table: TableName, select: str, *, scope: str) -> StagedBuild:
        names = self._names(table)
        self._run(
            "CREATE OR REPLACE TEMP TABLE {candidate} AS {select}", **names, select=Sql(select)
        )
        self._run(_DIFFERENCE, **names, scope=SqlName(scope))
        self._run("DROP TABLE {candidate}", **names)
        self._run("DROP TABLE {keys}", **names)
        for view in (_NEXT, _ADDED, _REMOVED):
            self._run(view, **names)
        (counts,) = self._database.query(compose(_COUNTS, **names)).to_pylist()
        before, removed, added = (int(counts[n]) for n in ("before", "removed", "added"))
        relation = _next(table) if removed or added else table.name
        change = RowChange(str(names["added"]), str(names["removed"]))
        return StagedBuild(table, relation, before - removed + added, removed, added, change)

    def publish(self, staged: Sequence[StagedBuild]) -> None:
        for entry in staged:
            names = self._names(entry.table)
            if entry.change is None:
                self._run("DROP TABLE IF EXISTS {table}", **names)
                self._run("ALTER TABLE {next} RENAME TO {name}", **names)
                continue
            if entry.deleted:
                self._run(_DELETE, **names)
            if entry.inserted:
                self._run(_INSERT, **names)
            self._drop_change(names)

    def discard(self, staged: Sequence[StagedBuild]) -> None:
        for entry in staged:
            names = self._names(entry.table)
            if entry.change is None:
                self._run("DROP TABLE {next}", **names)
            else:
                self._drop_change(names)

    def arrange(self, tables: Mapping[TableName, TableAccess]) -> None:
        """Columns of row groups with their least and greatest values need no indexes."""

    def _drop_change(self, names: dict[str, str | TableName]) -> None:
        for view in ("added", "removed", "next"):
            self._run("DROP VIEW {view}", view=names[view])
        self._run("DROP TABLE {rows}", **names)

    def _names(self, table: TableName) -> dict[str, str | TableName]:
        schema = self._database.columns(table)
        return {
            "table": table,
            "name": SqlName(table.name),
            "next": SqlName(_next(table)),
            "candidate": SqlName(f"{table.name}__candidate"),
            "rows": SqlName(f"{table.name}__rows"),
            "added": SqlName(f"{table.name}__added"),
            "removed": SqlName(f"{table.name}__removed"),
            "row": SqlName(_ROW),
            "keys": SqlName(keys_relation(table)),
            "columns": join(", ", map(quote, schema.names if schema is not None else [])),
        }

    def _count(self, relation: SqlName) -> int:
        count = self._database.query(compose("SELECT count(*) AS n FROM {t}", t=relation))
        return int(count["n"][0].as_py())

    def _run(self, template: str, **parts: str | TableName) -> None:
        self._database.execute(compose(template, **parts))


def _next(table: TableName) -> str:
    return f"{table.name}__new"
