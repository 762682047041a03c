"""Merges files into current records: versions, columns that they lack, and overlays."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from seil.warehouse.relational.changes import change_log, record_change
from seil.warehouse.relational.gaps import Gaps
from seil.warehouse.relational.history import store_versions
from seil.warehouse.relational.overlays import (
    Overlay,
    OverlayTables,
    overlay_tables,
    store_overlays,
)
from seil.warehouse.relational.row_merge import merge_rows

if TYPE_CHECKING:
    from seil.warehouse.merges import MergeOutcome, Records, StagedFile
    from seil.warehouse.relational.database import RelationalDatabase


class OverlayCache:
    """The overlay tables, listed once: there is no other writer. `invalidate` it when such a table
    is created or a transaction is rolled back.
    """

    def __init__(self, database: RelationalDatabase) -> None:
        self._database = database
        self._tables: OverlayTables | None = None

    def invalidate(self) -> None:
        self._tables = None

    @property
    def tables(self) -> OverlayTables:
        if self._tables is None:
            self._tables = overlay_tables(self._database)
        return self._tables


def merge(
    database: RelationalDatabase,
    overlays: OverlayCache,
    records: Records,
    files: Sequence[StagedFile],
    *,
    watched: Collection[str],
) -> Mapping[str, MergeOutcome]:
    """`watched` are the columns that built tables read: their changes are logged."""
    database.existing_columns(records.table)
    log = change_log(database, records.table, records.key, watched=watched)
    versions = [file for file in files if file.holds == "versions"]
    parts = [file for file in files if file.holds != "versions"]
    if records.history:
        store_versions(database, records, files)
    outcomes: dict[str, MergeOutcome] = {}
    if versions:
        gaps = Gaps(database, records)
        if gaps.store_values(versions):
            overlays.invalidate()
        outcomes |= merge_rows(database, records.table, versions, key=records.key, log=log)
        gaps.store_losers(versions, outcomes)
    if parts:
        outcomes |= store_overlays(database, records, parts)
        overlays.invalidate()
    Overlay(database, records, log).apply(overlays.tables, [file.file for file in files])
    if log:
        record_change(database, records.table, log)
    return outcomes
