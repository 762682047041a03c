"""Merged files and flow runs as rows of the warehouse's bookkeeping."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from seil.warehouse.bookkeeping import ColumnCounts, FileLoad, FlowRunRow
from seil.warehouse.tables import TableName

if TYPE_CHECKING:
    from seil.catalog import SyncedObject
    from seil.lake import Entry, Lake
    from seil.sf_to_dw.load.files import CuratedFile
    from seil.warehouse.merges import MergeOutcome


@dataclass(frozen=True)
class MergedFile:
    """`columns` is None where no manifest lists the fields that were read."""

    object: SyncedObject
    file: CuratedFile
    outcome: MergeOutcome
    columns: ColumnCounts | None = None


def read_manifests(lake: Lake, entries: Iterable[Entry]) -> tuple[list[FlowRunRow], dict[str, str]]:
    """The flow runs of readable manifests; by key, why others cannot be read."""
    rows: list[FlowRunRow] = []
    unreadable: dict[str, str] = {}
    for entry in entries:
        try:
            rows.append(_flow_run(json.loads(lake.staging.get(entry.key))))
        except (ValueError, KeyError, TypeError) as error:
            unreadable[entry.key] = f"{entry.key} is not the manifest of a run: {error!r}"
    return rows, unreadable


def file_load(entry: MergedFile) -> FileLoad:
    file, obj = entry.file, entry.object
    return FileLoad(
        curated_key=file.key,
        curated_at=file.written_at,
        object=obj.api_name,
        table=TableName("salesforce", obj.table),
        flow_run_id=file.flow_run_id,
        mode=file.mode,
        window_start=file.window_start,
        window_end=file.window_end,
        landed_key=file.metadata.get("seil.landed_key", ""),
        landed_rows=file.count("landed_rows"),
        curated_rows=file.rows,
        rejected_rows=file.count("rejected_rows"),
        outcome=entry.outcome,
        columns=entry.columns,
    )


def _flow_run(body: dict[str, Any]) -> FlowRunRow:
    def time(name: str) -> datetime | None:
        return datetime.fromisoformat(body[name]) if body.get(name) else None

    return FlowRunRow(
        object=str(body["object"]),
        flow_run_id=str(body["flow_run_id"]),
        mode=str(body["mode"]),
        window_start=time("window_start"),
        window_end=time("window_end"),
        job_id=str(body.get("job_id", "")),
        reported=int(body["reported"]),
        landed=int(body["landed"]),
        pages=len(body.get("pages", [])),
        columns_read=len(body["columns"]) if body.get("columns") else None,
        started_at=time("started_at"),
        finished_at=time("finished_at"),
    )
