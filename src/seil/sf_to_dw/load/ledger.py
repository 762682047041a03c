"""The ledger: what was reported, landed, curated, set aside and merged, per object and flow run.

It lives in the warehouse's schema `seil`: `loads` has a row per curated file, written in the same
transaction as the file's rows; `runs` what each flow run said of itself; the view `ledger` compares
the two. `builds` and `schema_changes` are the history of the tables. `changes`, `built` and
`watched` say what changed since each table was built: see seil.sf_to_dw.load.changes. `outbox`
holds events until they are published: see seil.sf_to_dw.load.outbox. `layout` holds the fingerprint
of these tables, so that a warehouse made by an earlier version gets what it lacks.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from seil.sf_to_dw.load.earlier_values import refuse_earlier_values
from seil.warehouse.protocol import TableName
from seil.warehouse.sql import Sql, compose, joined, literal, translated

if TYPE_CHECKING:
    import pyarrow as pa

    from seil.warehouse.protocol import Warehouse

LOADS = TableName("seil", "loads")
RUNS = TableName("seil", "runs")
BUILDS = TableName("seil", "builds")
SCHEMA_CHANGES = TableName("seil", "schema_changes")
CHANGES = TableName("seil", "changes")
BUILT = TableName("seil", "built")
WATCHED = TableName("seil", "watched")
OUTBOX = TableName("seil", "outbox")
LAYOUT = TableName("seil", "layout")
POSITIONS = TableName("seil", "positions")
WAITING = TableName("seil", "waiting")
UNBALANCED = TableName("seil", "unbalanced")

_TEXT, _COUNT, _TIME, _FLAG = "text", "count", "time", "flag"

_COLUMNS: dict[TableName, dict[str, str]] = {
    LOADS: {
        "curated_key": _TEXT,
        "curated_at": _TIME,
        "object": _TEXT,
        "table_name": _TEXT,
        "flow_run_id": _TEXT,
        "mode": _TEXT,
        "window_start": _TIME,
        "window_end": _TIME,
        "landed_key": _TEXT,
        "landed_rows": _COUNT,
        "curated_rows": _COUNT,
        "rejected_rows": _COUNT,
        "merged_rows": _COUNT,
        "inserted": _COUNT,
        "updated": _COUNT,
        "deleted": _COUNT,
        "unchanged": _COUNT,
        "superseded": _COUNT,
        "without_key": _COUNT,
        "columns_curated": _COUNT,
        "columns_merged": _COUNT,
        "columns_left_out": _TEXT,
        "columns_lost": _TEXT,
        "loaded_at": _TIME,
    },
    RUNS: {
        "object": _TEXT,
        "flow_run_id": _TEXT,
        "mode": _TEXT,
        "window_start": _TIME,
        "window_end": _TIME,
        "job_id": _TEXT,
        "reported": _COUNT,
        "landed": _COUNT,
        "pages": _COUNT,
        "columns_read": _COUNT,
        "started_at": _TIME,
        "finished_at": _TIME,
    },
    BUILDS: {
        "build_id": _TEXT,
        "table_name": _TEXT,
        "state": _TEXT,
        "row_count": _COUNT,
        "message": _TEXT,
        "loads": _COUNT,
        "last_loaded_at": _TIME,
        "started_at": _TIME,
        "finished_at": _TIME,
    },
    SCHEMA_CHANGES: {
        "table_name": _TEXT,
        "column_name": _TEXT,
        "change": _TEXT,
        "old_type": _TEXT,
        "new_type": _TEXT,
        "provisional": _FLAG,
        "curated_key": _TEXT,
        "changed_at": _TIME,
    },
    CHANGES: {
        "sequence": _COUNT,
        "source_table": _TEXT,
        "is_whole": _FLAG,
        "row_count": _COUNT,
        "recorded_at": _TIME,
    },
    BUILT: {
        "table_name": _TEXT,
        "fingerprint": _TEXT,
        "sequence": _COUNT,
        "version": _TEXT,
        "checked": _TEXT,
        "built_at": _TIME,
    },
    WATCHED: {
        "table_name": _TEXT,
        "source_table": _TEXT,
        "column_name": _TEXT,
    },
    OUTBOX: {
        "event_id": _TEXT,
        "body": _TEXT,
        "written_at": _TIME,
    },
    POSITIONS: {
        "object": _TEXT,
        "list_from": _TIME,
        "all_at": _TIME,
    },
    UNBALANCED: {
        "object": _TEXT,
        "flow_run_id": _TEXT,
    },
    WAITING: {
        "object": _TEXT,
        "place": _TEXT,
        "key": _TEXT,
    },
    LAYOUT: {"fingerprint": _TEXT},
}

# A page that was rejected whole is in no load, so its rows are landed but not curated. Files that
# came without a manifest (AppFlow's, exported ones) report nothing and land what they hold.
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
    FROM seil.loads WHERE {among}
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
    FROM (SELECT * FROM seil.runs WHERE {among}) AS runs
    FULL JOIN files ON files.object = runs.object AND files.flow_run_id = runs.flow_run_id
)
SELECT *,
       (reported IS NULL OR reported = landed)
       AND landed = curated + set_aside
       AND curated = merged
       AND columns_lost = '' AS balanced
FROM counted
"""
_VIEW = f"CREATE OR REPLACE VIEW seil.ledger AS {_ROWS.format(among='true')}"


_FINGERPRINT = hashlib.sha256(repr((_COLUMNS, _VIEW)).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class LedgerRow:
    """`reported` is None where nobody said how many there should be.

    Of columns: `columns_read` are the fields that the run read, None where nobody said; all of them
    are in curated and in the table, but for those left out (`name: reason; ...`). Those lost are
    named, and the row does not balance. Without a file there is nothing to count.
    """

    object: str
    flow_run_id: str
    mode: str
    window_start: datetime | None
    window_end: datetime | None
    reported: int | None
    landed: int
    curated: int
    set_aside: int
    merged: int
    balanced: bool
    columns_read: int | None = None
    columns_curated: int | None = None
    columns_merged: int | None = None
    columns_left_out: str = ""
    columns_lost: str = ""


def prepare_ledger(warehouse: Warehouse) -> None:
    """Makes the tables, columns and the view where they are missing: all of them, or none after a
    kill. A column that an earlier version did not have is null in its rows.

    Raises WarehouseError where the tables hold what an earlier version kept otherwise.
    """
    stored = _stored_fingerprint(warehouse)
    if stored == _FINGERPRINT:
        return
    if not stored and LOADS.name in warehouse.tables(LOADS.schema):
        refuse_earlier_values(warehouse)
    with warehouse.transaction():
        for table in _COLUMNS:
            _complete(warehouse, table)
        warehouse.execute(translated(_VIEW, warehouse.dialect))
        # What balances may be another question now.
        _run(warehouse, compose("DELETE FROM {table}", table=UNBALANCED))
        _note_unbalanced(warehouse, Sql("true"))
        fingerprint = compose("SELECT {now} AS fingerprint", now=_FINGERPRINT)
        warehouse.replace(LAYOUT, translated(fingerprint, warehouse.dialect))


def _stored_fingerprint(warehouse: Warehouse) -> str:
    if warehouse.columns(LAYOUT) is None:
        return ""
    stored = warehouse.query(compose("SELECT fingerprint FROM {table}", table=LAYOUT))
    return "".join(map(str, stored.column(0).to_pylist()))


def _complete(warehouse: Warehouse, table: TableName) -> None:
    existing = warehouse.columns(table)
    if existing is None:
        warehouse.create_table(table, ledger_schema(table))
        return
    for column in ledger_schema(table):
        if column.name not in existing.names:
            warehouse.add_column(table, column)


def ledger_schema(table: TableName) -> pa.Schema:
    import pyarrow as pa

    types = {
        _TEXT: pa.string(),
        _COUNT: pa.int64(),
        _TIME: pa.timestamp("us", tz="UTC"),
        _FLAG: pa.bool_(),
    }
    return pa.schema([pa.field(name, types[kind]) for name, kind in _COLUMNS[table].items()])


def note_balance(warehouse: Warehouse, flow_runs: Collection[str]) -> None:
    """After rows of these runs were written, in the same transaction: which of them do not balance.

    To ask all runs there ever were takes longer each hour.
    """
    if flow_runs:
        among = _among("flow_run_id", flow_runs)
        delete = "DELETE FROM {table} WHERE {among}"
        _run(warehouse, compose(delete, table=UNBALANCED, among=among))
        _note_unbalanced(warehouse, among)


def _note_unbalanced(warehouse: Warehouse, among: Sql) -> None:
    insert = """
        INSERT INTO {table} SELECT object, flow_run_id FROM ({rows}) AS ledger WHERE NOT balanced"""
    rows = Sql(_ROWS.format(among=among))
    _run(warehouse, compose(insert, table=UNBALANCED, rows=rows))


def telling_rows(warehouse: Warehouse, objects: Collection[str] = ()) -> list[LedgerRow]:
    """The last run of each object, and every one that does not balance; oldest first."""
    if LOADS.name not in warehouse.tables(LOADS.schema):
        return []
    is_current = _stored_fingerprint(warehouse) == _FINGERPRINT
    unbalanced = UNBALANCED if is_current else Sql(_UNBALANCED_OF_EARLIER)
    found = warehouse.query(translated(compose(_TELLING, unbalanced=unbalanced), warehouse.dialect))
    runs = {str(name) for name in found.column(0).to_pylist()}
    rows = ledger(warehouse, objects=objects, flow_runs=runs) if runs else []
    last = {row.object: row for row in rows}
    return [row for row in rows if not row.balanced or last[row.object] is row]


def _ledger_of(warehouse: Warehouse, flow_runs: Collection[str]) -> Sql:
    """The view would add up all runs there ever were before it leaves out all but these."""
    if not flow_runs or _stored_fingerprint(warehouse) != _FINGERPRINT:
        return Sql("seil.ledger")
    return Sql(f"({_ROWS.format(among=_among('flow_run_id', flow_runs))}) AS ledger")


def _run(warehouse: Warehouse, sql: Sql) -> None:
    warehouse.execute(translated(sql, warehouse.dialect))


# Before the first run of this version, the table is not there.
_UNBALANCED_OF_EARLIER = "(SELECT flow_run_id FROM seil.ledger WHERE NOT balanced)"
# Either may be the last one: a run without a file, or a file without a run of ours.
_TELLING = """
SELECT flow_run_id FROM {unbalanced} AS unbalanced
UNION SELECT max_by(flow_run_id, finished_at) FROM seil.runs GROUP BY object
UNION SELECT max_by(flow_run_id, loaded_at) FROM seil.loads GROUP BY object"""


def ledger(
    warehouse: Warehouse, *, objects: Collection[str] = (), flow_runs: Collection[str] = ()
) -> list[LedgerRow]:
    """Rows of the named objects and flow runs, all where none is named, oldest run first."""
    if LOADS.name not in warehouse.tables(LOADS.schema):
        return []
    wanted = compose(
        # All of its columns: a warehouse that no load has opened since an upgrade has fewer.
        "SELECT * EXCLUDE (last_at) FROM {ledger} WHERE {objects} AND {runs} "
        "ORDER BY last_at, flow_run_id, object",
        ledger=_ledger_of(warehouse, flow_runs),
        objects=_among("object", objects),
        runs=_among("flow_run_id", flow_runs),
    )
    rows = warehouse.query(translated(wanted, warehouse.dialect)).to_pylist()
    return [LedgerRow(**row) for row in rows]


def _among(column: str, values: Collection[str]) -> Sql:
    if not values:
        return Sql("true")
    return Sql(f"{column} IN ({joined(', ', map(literal, sorted(values)))})")
