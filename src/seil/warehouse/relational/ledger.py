"""The ledger: its tables, and the totals of each flow run."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import TYPE_CHECKING

from seil.warehouse.bookkeeping import LedgerRow
from seil.warehouse.bookkeeping_tables import COLUMNS, LAYOUT, LOADS, RUNS, UNBALANCED, table_schema
from seil.warehouse.relational.earlier_values import refuse_earlier_values
from seil.warehouse.sql import Sql, compose, join, literal
from seil.warehouse.tables import TableName

if TYPE_CHECKING:
    from seil.warehouse.relational.database import RelationalDatabase

# A page that was rejected as a whole has no load, so its rows are landed but not curated. Files
# without a manifest (AppFlow's, exports) have no reported count, and land the rows they hold.
_ROWS = """
WITH files AS (
    SELECT object, flow_run_id,
           max(mode) AS mode, min(window_start) AS window_start, max(window_end) AS window_end,
           sum(landed_rows) AS landed, sum(curated_rows) AS curated,
           sum(rejected_rows) AS set_aside, sum(merged_rows) AS merged,
           min(columns_curated) AS columns_curated, min(columns_merged) AS columns_merged,
           max(columns_left_out) AS columns_left_out,
           string_agg(DISTINCT nullif(columns_lost, ''), ', ') AS columns_lost,
           max(loaded_at) AS loaded_at
    FROM seil.loads WHERE {condition}
    GROUP BY object, flow_run_id
), counted AS (
    SELECT coalesce(runs.object, files.object) AS object,
           coalesce(runs.flow_run_id, files.flow_run_id) AS flow_run_id,
           coalesce(runs.mode, files.mode) AS mode,
           coalesce(runs.window_start, files.window_start) AS window_start,
           coalesce(runs.window_end, files.window_end) AS window_end,
           runs.reported,
           CAST(coalesce(runs.landed, files.landed, 0) AS BIGINT) AS landed,
           CAST(coalesce(files.curated, 0) AS BIGINT) AS curated,
           CAST(coalesce(files.set_aside, 0) AS BIGINT) AS set_aside,
           CAST(coalesce(files.merged, 0) AS BIGINT) AS merged,
           runs.columns_read,
           CAST(files.columns_curated AS BIGINT) AS columns_curated,
           CAST(files.columns_merged AS BIGINT) AS columns_merged,
           coalesce(files.columns_left_out, '') AS columns_left_out,
           coalesce(files.columns_lost, '') AS columns_lost,
           coalesce(files.loaded_at, runs.finished_at) AS last_at
    FROM (SELECT * FROM seil.runs WHERE {condition}) AS runs
    FULL JOIN files ON files.object = runs.object AND files.flow_run_id = runs.flow_run_id
)
SELECT *,
       (reported IS NULL OR reported = landed)
       AND landed = curated + set_aside
       AND curated = merged
       AND columns_lost = '' AS balanced
FROM counted
"""
_LEDGER = TableName("seil", "ledger")
_VIEW = Sql(_ROWS.format(condition="true"))
_FINGERPRINT = hashlib.sha256(repr((COLUMNS, _VIEW)).encode()).hexdigest()[:16]


def prepare_ledger(database: RelationalDatabase) -> None:
    stored = stored_fingerprint(database)
    if stored == _FINGERPRINT:
        return
    if not stored and has_ledger(database):
        refuse_earlier_values(database)
    with database.transaction():
        for table in COLUMNS:
            _complete(database, table)
        database.create_view(_LEDGER, _VIEW)
        # The rule for balance may have changed.
        database.execute(compose("DELETE FROM {table}", table=UNBALANCED))
        _record_unbalanced(database, Sql("true"))
        database.execute(compose("DELETE FROM {table}", table=LAYOUT))
        insert = "INSERT INTO {table} VALUES ({fingerprint})"
        database.execute(compose(insert, table=LAYOUT, fingerprint=_FINGERPRINT))


def has_ledger(database: RelationalDatabase) -> bool:
    # Called many times in a run: listing the tables takes four times as long.
    return database.columns(LOADS) is not None


def stored_fingerprint(database: RelationalDatabase) -> str:
    if database.columns(LAYOUT) is None:
        return ""
    stored = database.query(compose("SELECT fingerprint FROM {table}", table=LAYOUT))
    return "".join(map(str, stored.column(0).to_pylist()))


def _complete(database: RelationalDatabase, table: TableName) -> None:
    existing = database.columns(table)
    if existing is None:
        database.create_table(table, table_schema(table))
        return
    for column in table_schema(table):
        if column.name not in existing.names:
            database.add_column(table, column)


def record_balance(database: RelationalDatabase, flow_runs: Collection[str]) -> None:
    """Updates which of these runs do not balance; call it after writing rows of theirs, in the same
    transaction. Checking all runs would take longer with each run.
    """
    if flow_runs:
        condition = one_of("flow_run_id", flow_runs)
        delete = "DELETE FROM {table} WHERE {condition}"
        database.execute(compose(delete, table=UNBALANCED, condition=condition))
        _record_unbalanced(database, condition)


def _record_unbalanced(database: RelationalDatabase, condition: Sql) -> None:
    insert = """
        INSERT INTO {table} SELECT object, flow_run_id FROM ({rows}) AS ledger WHERE NOT balanced"""
    rows = Sql(_ROWS.format(condition=condition))
    database.execute(compose(insert, table=UNBALANCED, rows=rows))


def unbalanced_runs(database: RelationalDatabase) -> frozenset[str]:
    # Before the first load by this version, the table may be missing or follow other rules.
    is_current = stored_fingerprint(database) == _FINGERPRINT
    stored = "SELECT flow_run_id FROM seil.unbalanced"
    counted = "SELECT flow_run_id FROM seil.ledger WHERE NOT balanced"
    rows = database.query(stored if is_current else counted)
    return frozenset(map(str, rows.column(0).to_pylist()))


def flow_runs_of(database: RelationalDatabase, run_id: str) -> frozenset[str]:
    if stored_fingerprint(database) != _FINGERPRINT:
        return frozenset()
    select = """
        SELECT flow_run_id FROM {runs} WHERE run_id = {id}
        UNION SELECT flow_run_id FROM {loads} WHERE run_id = {id} AND flow_run_id <> ''"""
    rows = database.query(compose(select, runs=RUNS, loads=LOADS, id=literal(run_id)))
    return frozenset(map(str, rows.column(0).to_pylist()))


# A run may have no file, and a file no run of SEIL.
LAST_RUNS = """
SELECT flow_run_id FROM (
    SELECT flow_run_id, row_number() OVER (PARTITION BY object ORDER BY finished_at DESC) AS place
    FROM seil.runs WHERE finished_at IS NOT NULL) AS runs
WHERE place = 1
UNION SELECT flow_run_id FROM (
    SELECT flow_run_id, row_number() OVER (PARTITION BY object ORDER BY loaded_at DESC) AS place
    FROM seil.loads) AS loads
WHERE place = 1"""


def ledger_rows(
    database: RelationalDatabase, objects: Collection[str], flow_runs: Collection[str]
) -> list[LedgerRow]:
    select = compose(
        # A star: a warehouse that no load has opened since an upgrade has fewer columns.
        "SELECT * FROM {ledger} WHERE {objects} AND {runs} ORDER BY last_at, flow_run_id, object",
        ledger=_ledger_of(database, flow_runs),
        objects=one_of("object", objects) if objects else Sql("true"),
        runs=one_of("flow_run_id", flow_runs) if flow_runs else Sql("true"),
    )
    rows = database.query(select).drop_columns("last_at").to_pylist()
    return [LedgerRow(**row) for row in rows]


def _ledger_of(database: RelationalDatabase, flow_runs: Collection[str]) -> Sql:
    """Not the view for some runs: it would total all runs before it filters."""
    if not flow_runs or stored_fingerprint(database) != _FINGERPRINT:
        return Sql("seil.ledger")
    return Sql(f"({_ROWS.format(condition=one_of('flow_run_id', flow_runs))}) AS ledger")


def one_of(column: str, values: Collection[str]) -> Sql:
    return Sql(f"{column} IN ({join(', ', map(literal, sorted(values)))})")
