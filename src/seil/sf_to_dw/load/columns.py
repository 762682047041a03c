"""The ledger's columns: every field that a run read is in curated and in the table, or left out
with a reason.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from seil.sf_to_dw.extract.flows import find_manifest
from seil.sf_to_dw.schema.column_names import missing_columns, table_column
from seil.sf_to_dw.schema.registry import EXCLUDED
from seil.sf_to_dw.schema.review import DROPPED
from seil.warehouse.bookkeeping import ColumnCounts

if TYPE_CHECKING:
    from seil.catalog import SyncedObject
    from seil.lake import Lake
    from seil.sf_to_dw.load.files import CuratedFile
    from seil.state.decisions import Decision


def manifest_columns(lake: Lake, obj: SyncedObject, flow_run_id: str) -> Sequence[str]:
    """The fields that the run read; empty without a manifest that lists them."""
    stored = find_manifest(lake, obj.landing_name, flow_run_id)
    try:
        return list(json.loads(stored).get("columns") or ()) if stored else ()
    except (ValueError, AttributeError):
        return ()


def count_columns(
    read: Sequence[str],
    file: CuratedFile,
    table: Collection[str],
    *,
    excluded: Collection[str],
    decisions: Mapping[str, Decision],
) -> ColumnCounts:
    """Of the fields `read` by the file's run. `table` are the table's columns, `excluded` those of
    the catalog; `decisions` are in force, by column.
    """
    missing = missing_columns(file.metadata)
    not_read = {name.lower() for name in excluded}
    left_out: dict[str, str] = {}
    lost: list[str] = []
    curated = merged = 0
    for name in read:
        decision = decisions.get(table_column(name))
        names = {table_column(name), decision.target if decision else ""}
        if in_file := (names & file.columns.keys()) - missing:
            curated += 1
            in_table = not in_file.isdisjoint(table)
            merged += in_table
            lost += [] if in_table else [name]
        elif name.lower() in not_read:
            left_out[name] = EXCLUDED
        elif decision and decision.policy == "drop":
            left_out[name] = DROPPED
        else:
            lost.append(name)
    reasons = "; ".join(f"{name}: {why}" for name, why in left_out.items())
    return ColumnCounts(curated, merged, reasons, ", ".join(lost))
