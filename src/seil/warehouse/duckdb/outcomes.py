"""Outcomes of writes, copied into a DuckDB file."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from seil.warehouse.bookkeeping import OPEN_OUTCOMES
from seil.warehouse.bookkeeping_tables import COLUMNS, OUTCOMES
from seil.warehouse.sql import SqlName, compose, join, literal, quote
from seil.warehouse.tables import TableName

if TYPE_CHECKING:
    import pyarrow as pa

    from seil.warehouse.duckdb.database import EmbeddedDatabase

_STAGE = """
CREATE TEMP TABLE {staged} AS SELECT {columns} FROM _seil_new
QUALIFY row_number() OVER (
    PARTITION BY flow, object, key, run_id, operation ORDER BY changed_at DESC) = 1
"""
_REPLACED = """
DELETE FROM {table} AS t USING {staged} AS n
WHERE t.flow = n.flow AND t.object = n.object AND t.key = n.key AND t.operation = n.operation
    AND (t.run_id = n.run_id OR (t.state IN ({open}) AND t.changed_at < n.changed_at))
"""
_SUPERSEDED = """
DELETE FROM {staged} AS t USING {staged} AS n
WHERE t.flow = n.flow AND t.object = n.object AND t.key = n.key AND t.operation = n.operation
    AND t.run_id <> n.run_id AND t.state IN ({open}) AND t.changed_at < n.changed_at
"""
_PRUNE = """
DELETE FROM {table} WHERE changed_at < CAST({before} AS TIMESTAMPTZ)
    AND (state IN ('unchanged', 'undone') OR (state = 'written' AND flow NOT LIKE 'push:%'))
"""
_INSERT = "INSERT INTO {table} BY NAME SELECT {columns} FROM {staged}"


def record_outcomes(database: EmbeddedDatabase, outcomes: pa.RecordBatchReader) -> None:
    parts: dict[str, str | TableName] = {
        "table": OUTCOMES,
        "staged": SqlName("_seil_new_outcomes"),
        "columns": join(", ", (quote(name) for name in COLUMNS[OUTCOMES])),
        "open": join(", ", (literal(state) for state in OPEN_OUTCOMES)),
    }
    with database.registration("_seil_new", outcomes):
        database.execute(compose(_STAGE, **parts))
    for statement in (_REPLACED, _SUPERSEDED, _INSERT, "DROP TABLE {staged}"):
        database.execute(compose(statement, **parts))


def prune_outcomes(database: EmbeddedDatabase, before: datetime) -> None:
    database.execute(compose(_PRUNE, table=OUTCOMES, before=before.isoformat()))
