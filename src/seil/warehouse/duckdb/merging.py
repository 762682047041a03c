"""A merge of files into current records: versions, what they lack, and what is laid over them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from seil.errors import StatementError
from seil.warehouse.duckdb.gaps import Gaps
from seil.warehouse.duckdb.history import store_versions
from seil.warehouse.duckdb.overlays import Overlay, OverlayTables, overlay_tables, store_overlays

if TYPE_CHECKING:
    import pyarrow as pa

    from seil.warehouse.duckdb.database import EmbeddedDatabase
    from seil.warehouse.merges import ChangeLog, MergeOutcome, Records, StagedFile


class Merging:
    """Which tables there are to lay over is listed once, as nobody else writes meanwhile: after a
    rollback, `forget` it.
    """

    def __init__(self, database: EmbeddedDatabase) -> None:
        self._database = database
        self._overlays: OverlayTables | None = None

    def forget(self) -> None:
        self._overlays = None

    def merge(
        self, records: Records, files: Sequence[StagedFile], log: ChangeLog | None
    ) -> Mapping[str, MergeOutcome]:
        database = self._database
        if database.columns(records.table) is None:
            raise StatementError(database.url, f"there is no table {records.table}")
        versions = [file for file in files if file.holds == "versions"]
        parts = [file for file in files if file.holds != "versions"]
        if records.history:
            store_versions(database, records, files)
        outcomes: dict[str, MergeOutcome] = {}
        if versions:
            gaps = Gaps(database, records)
            if gaps.store_values(versions):
                self.forget()
            outcomes |= database.merge_rows(records.table, versions, key=records.key, log=log)
            gaps.store_losers(versions, outcomes)
        if parts:
            outcomes |= store_overlays(database, records, parts)
            self.forget()
        if self._overlays is None:
            self._overlays = overlay_tables(database)
        Overlay(database, records, log).lay(self._overlays, [file.file for file in files])
        return outcomes

    def add_columns(self, records: Records, columns: pa.Schema) -> None:
        for column in columns:
            self._database.add_column(records.table, column)
        Gaps(self._database, records).note_new_columns(columns.names)
        self.forget()
