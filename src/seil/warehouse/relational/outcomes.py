"""Outcomes of writes, copied into the warehouse."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from seil.warehouse.bookkeeping import OPEN_OUTCOMES
from seil.warehouse.bookkeeping_tables import COLUMNS, OUTCOMES, table_schema
from seil.warehouse.sql import compose, join, literal, quote
from seil.warehouse.tables import TableName

if TYPE_CHECKING:
    import pyarrow as pa

    from seil.warehouse.relational.database import RelationalDatabase

_NEW, _STAGED = "_seil_new", "_seil_new_outcomes"
_LAST = """
SELECT {columns} FROM (
    SELECT *, row_number() OVER (
        PARTITION BY flow, object, key, run_id, operation ORDER BY changed_at DESC) AS _place
    FROM {new}) AS placed
WHERE _place = 1
"""
_REPLACED = """
DELETE FROM {table} AS t USING {staged} AS n
WHERE t.flow = n.flow AND t.object = n.object AND t.key = n.key AND t.operation = n.operation
    AND (t.run_id = n.run_id OR (t.state IN ({open}) AND t.changed_at < n.changed_at))
"""
_PRUNE = """
DELETE FROM {table} WHERE changed_at < CAST({before} AS TIMESTAMPTZ)
    AND (state IN ('unchanged', 'undone') OR (state = 'written' AND flow NOT LIKE 'push:%'))
"""
_INSERT = """
INSERT INTO {table} ({columns}) SELECT {columns} FROM {staged} AS t
WHERE NOT EXISTS (
    SELECT 1 FROM {staged} AS n
    WHERE t.flow = n.flow AND t.object = n.object AND t.key = n.key AND t.operation = n.operation
    AND t.run_id <> n.run_id AND t.state IN ({open}) AND t.changed_at < n.changed_at)
"""


def record_outcomes(database: RelationalDatabase, outcomes: pa.RecordBatchReader) -> None:
    parts: dict[str, str | TableName] = {
        "table": OUTCOMES,
        "new": database.forms.temporary(_NEW),
        "staged": database.forms.temporary(_STAGED),
        "columns": join(", ", (quote(name) for name in COLUMNS[OUTCOMES])),
        "open": join(", ", (literal(state) for state in OPEN_OUTCOMES)),
    }
    database.create_temporary(_NEW, table_schema(OUTCOMES))
    database.append(database.forms.temporary(_NEW), outcomes)
    database.create_temporary(_STAGED, compose(_LAST, **parts))
    for statement in (_REPLACED, _INSERT):
        database.execute(compose(statement, **parts))
    database.drop_temporary(_NEW)
    database.drop_temporary(_STAGED)


def prune_outcomes(database: RelationalDatabase, before: datetime) -> None:
    database.execute(compose(_PRUNE, table=OUTCOMES, before=before.isoformat()))
