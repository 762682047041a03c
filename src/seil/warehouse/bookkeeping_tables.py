"""The tables of schema `seil`, the same in every engine.

`loads` has a row per curated file, `runs` one per flow run, from its manifest; the view `ledger`
compares the two. `builds` and `schema_changes` are the history of the tables. `changes`, `built`
and `watched` track what changed since each table was built, `changed_keys` which rows builds
changed. `outbox` holds events until they are
published. `outcomes` copies the outcomes of writes into Salesforce. `layout` holds the fingerprint
of these tables, by which a warehouse of an earlier version is recognised and completed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from seil.warehouse.tables import TableName

if TYPE_CHECKING:
    import pyarrow as pa

LOADS = TableName("seil", "loads")
RUNS = TableName("seil", "runs")
BUILDS = TableName("seil", "builds")
SCHEMA_CHANGES = TableName("seil", "schema_changes")
CHANGES = TableName("seil", "changes")
BUILT = TableName("seil", "built")
WATCHED = TableName("seil", "watched")
CHANGED_KEYS = TableName("seil", "changed_keys")
OUTBOX = TableName("seil", "outbox")
LAYOUT = TableName("seil", "layout")
POSITIONS = TableName("seil", "positions")
WAITING = TableName("seil", "waiting")
UNBALANCED = TableName("seil", "unbalanced")
OUTCOMES = TableName("seil", "outcomes")

KEY_PARTS = 4
"""Of a key in CHANGED_KEYS, at most."""

_TEXT, _COUNT, _TIME, _FLAG = "text", "count", "time", "flag"

COLUMNS: dict[TableName, dict[str, str]] = {
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
        "run_id": _TEXT,
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
        "run_id": _TEXT,
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
        "run_id": _TEXT,
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
    CHANGED_KEYS: {
        "table_name": _TEXT,
        "version": _TEXT,
        "previous": _TEXT,
        **{f"part_{number}": _TEXT for number in range(1, KEY_PARTS + 1)},
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
    OUTCOMES: {
        "flow": _TEXT,
        "object": _TEXT,
        "key": _TEXT,
        "run_id": _TEXT,
        "operation": _TEXT,
        "fields": _TEXT,
        "image_before": _TEXT,
        "state": _TEXT,
        "record_id": _TEXT,
        "created": _FLAG,
        "code": _TEXT,
        "reason": _TEXT,
        "attempts": _COUNT,
        "changed_at": _TIME,
    },
    LAYOUT: {"fingerprint": _TEXT},
}

KEYS: dict[TableName, tuple[str, ...]] = {
    LOADS: ("curated_key",),
    RUNS: ("object", "flow_run_id"),
    BUILDS: ("build_id", "table_name"),
    BUILT: ("table_name",),
    OUTBOX: ("event_id",),
    POSITIONS: ("object",),
    OUTCOMES: ("flow", "object", "key", "operation", "run_id"),
}
"""Of the tables whose rows are replaced by key."""


OUTCOME_COLUMNS = {
    "flow": "Who wrote the record, such as push:rating.",
    "object": "API name of the object.",
    "key": "What identifies the row: an Id, or the value of the push's key.",
    "run_id": "The run that sent the row last.",
    "operation": "insert, update, upsert or delete.",
    "fields": "JSON: the values that were sent, by field; null where a field was cleared.",
    "image_before": "JSON: the values that they replaced, by field.",
    "state": "in_doubt, written, unchanged, rejected, missing, retrying or undone.",
    "record_id": "The record's Id; empty where it is unknown.",
    "created": "Whether this write created the record.",
    "code": "Salesforce's error code; empty without an error.",
    "reason": "Salesforce's message.",
    "attempts": "How often the row was sent, over all runs.",
    "changed_at": "When the outcome changed last.",
}


def table_schema(table: TableName) -> pa.Schema:
    import pyarrow as pa

    types = {
        _TEXT: pa.string(),
        _COUNT: pa.int64(),
        _TIME: pa.timestamp("us", tz="UTC"),
        _FLAG: pa.bool_(),
    }
    return pa.schema([pa.field(name, types[kind]) for name, kind in COLUMNS[table].items()])
