"""The ledger of columns: every field that a run read is in curated and in the table, or was left
out by name with a reason.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class ColumnCount:
    """Of the fields that a file's run read: how many are in curated, and in the table; which were
    left out, with the reason; and which were lost.
    """

    curated: int
    merged: int
    left_out: Mapping[str, str]
    lost: tuple[str, ...]

    def counts(self) -> ColumnCounts:
        return ColumnCounts(
            self.curated,
            self.merged,
            "; ".join(f"{name}: {why}" for name, why in self.left_out.items()),
            ", ".join(self.lost),
        )


def manifest_columns(lake: Lake, obj: SyncedObject, flow_run_id: str) -> Sequence[str]:
    """By the run's manifest; empty where nobody said."""
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
    decided: Mapping[str, Decision],
) -> ColumnCount:
    """`table` are the columns of the table; `excluded` those of the catalog."""
    missing = missing_columns(file.metadata)
    unread = {name.lower() for name in excluded}
    left_out: dict[str, str] = {}
    lost: list[str] = []
    curated = merged = 0
    for name in read:
        decision = decided.get(table_column(name))
        places = {table_column(name), decision.target if decision else ""}
        if found := (places & file.columns.keys()) - missing:
            curated += 1
            merged += bool(found & set(table))
            lost += [] if found & set(table) else [name]
        elif name.lower() in unread:
            left_out[name] = EXCLUDED
        elif decision and decision.policy == "drop":
            left_out[name] = DROPPED
        else:
            lost.append(name)
    return ColumnCount(curated, merged, left_out, tuple(lost))
