"""What a load writes down beside the data, and reads back the next time: schema `seil`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from seil.sf_to_dw.load.ledger import LOADS, RUNS, SCHEMA_CHANGES, ledger_schema, note_balance
from seil.warehouse.sql import compose, joined, literal, translated

if TYPE_CHECKING:
    from seil.catalog import SyncedObject
    from seil.lake import Entry, Lake
    from seil.sf_to_dw.load.columns import ColumnCount
    from seil.sf_to_dw.load.drift import SchemaChange
    from seil.sf_to_dw.load.files import CuratedFile
    from seil.warehouse.protocol import Outcome, TableName, Warehouse


@dataclass
class KnownTables:
    """What the ledger says of all tables, read once for a whole load.

    `provisional` are columns that are text only because nothing described them when they came;
    `watched` those that built tables read. Both by table.
    """

    provisional: Mapping[str, frozenset[str]]
    watched: Mapping[str, frozenset[str]]


def known_tables(warehouse: Warehouse) -> KnownTables:
    provisional = """
        SELECT DISTINCT table_name, column_name FROM seil.schema_changes AS c
        WHERE provisional AND NOT EXISTS (
            SELECT 1 FROM seil.schema_changes AS later
            WHERE later.table_name = c.table_name AND later.column_name = c.column_name
            AND later.changed_at > c.changed_at AND NOT later.provisional)"""
    return KnownTables(
        _columns_by_table(warehouse, provisional),
        _columns_by_table(warehouse, "SELECT DISTINCT source_table, column_name FROM seil.watched"),
    )


def _columns_by_table(warehouse: Warehouse, select: str) -> dict[str, frozenset[str]]:
    found = warehouse.query(translated(select, warehouse.dialect))
    columns: dict[str, set[str]] = {}
    for table, column in zip(*(values.to_pylist() for values in found.columns), strict=True):
        columns.setdefault(table, set()).add(column)
    return {table: frozenset(names) for table, names in columns.items()}


@dataclass(frozen=True)
class MergedFile:
    """`again`: an earlier copy of the file has been merged before. `columns` is None where nobody
    said which there should be.
    """

    object: SyncedObject
    file: CuratedFile
    outcome: Outcome
    again: bool
    columns: ColumnCount | None = None


def read_manifests(
    lake: Lake, entries: Iterable[Entry]
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Their rows of seil.runs, and by key why some cannot be read."""
    rows: list[dict[str, Any]] = []
    unreadable: dict[str, str] = {}
    for entry in entries:
        try:
            rows.append(_run(json.loads(lake.staging.get(entry.key))))
        except (ValueError, KeyError, TypeError) as error:
            unreadable[entry.key] = f"{entry.key} is not the manifest of a run: {error!r}"
    return rows, unreadable


def append_runs(warehouse: Warehouse, rows: Sequence[Mapping[str, Any]]) -> None:
    _append(warehouse, RUNS, rows)
    note_balance(warehouse, {str(row["flow_run_id"]) for row in rows})


def record_loads(warehouse: Warehouse, merged: Sequence[MergedFile]) -> None:
    """One row a file; a file merged again replaces what was said of it before."""
    if again := [literal(entry.file.key) for entry in merged if entry.again]:
        keys = joined(", ", again)
        delete = compose("DELETE FROM seil.loads WHERE curated_key IN ({keys})", keys=keys)
        warehouse.execute(translated(delete, warehouse.dialect))
    now = datetime.now(UTC)
    rows = [_load_row(entry, now) for entry in merged]
    _append(warehouse, LOADS, rows)
    note_balance(warehouse, {str(row["flow_run_id"]) for row in rows})


def _load_row(entry: MergedFile, now: datetime) -> dict[str, Any]:
    file, outcome = entry.file, entry.outcome
    return {
        "curated_key": file.key,
        "curated_at": file.written_at,
        "object": entry.object.api_name,
        "table_name": f"salesforce.{entry.object.table}",
        "flow_run_id": file.flow_run_id,
        "mode": file.mode,
        "window_start": file.window_start,
        "window_end": file.window_end,
        "landed_key": file.metadata.get("seil.landed_key", ""),
        "landed_rows": file.count("landed_rows"),
        "curated_rows": file.rows,
        "rejected_rows": file.count("rejected_rows"),
        "merged_rows": outcome.merged,
        **asdict(outcome),
        **(entry.columns.row() if entry.columns else {}),
        "loaded_at": now,
    }


def append_changes(warehouse: Warehouse, changes: Iterable[SchemaChange]) -> None:
    now = datetime.now(UTC)
    rows = []
    for change in changes:
        row = asdict(change)
        names = {"table_name": row.pop("table"), "column_name": row.pop("column")}
        rows.append({**names, **row, "changed_at": now})
    _append(warehouse, SCHEMA_CHANGES, rows)


def _append(warehouse: Warehouse, table: TableName, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        warehouse.append(table, pa.Table.from_pylist(list(rows), schema=ledger_schema(table)))


def _run(body: dict[str, Any]) -> dict[str, Any]:
    def time(name: str) -> datetime | None:
        return datetime.fromisoformat(body[name]) if body.get(name) else None

    return {
        "object": str(body["object"]),
        "flow_run_id": str(body["flow_run_id"]),
        "mode": str(body["mode"]),
        "window_start": time("window_start"),
        "window_end": time("window_end"),
        "job_id": str(body.get("job_id", "")),
        "reported": int(body["reported"]),
        "landed": int(body["landed"]),
        "pages": len(body.get("pages", [])),
        "columns_read": len(body["columns"]) if body.get("columns") else None,
        "started_at": time("started_at"),
        "finished_at": time("finished_at"),
    }
