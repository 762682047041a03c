"""A commit: one transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from seil.warehouse.merges import FILE
from seil.warehouse.relational import history
from seil.warehouse.relational.changes import watched_columns
from seil.warehouse.relational.gaps import log_new_columns
from seil.warehouse.relational.merged_records import show_merged_records
from seil.warehouse.relational.merging import OverlayCache, merge
from seil.warehouse.relational.recorder import RelationalRecorder

if TYPE_CHECKING:
    import pyarrow as pa

    from seil.warehouse.builds import Builder
    from seil.warehouse.merges import MergeOutcome, MergeSource, Records, StagedFile
    from seil.warehouse.relational.database import RelationalDatabase
    from seil.warehouse.tables import TableName
    from seil.warehouse.types import Column


@dataclass(frozen=True)
class RelationalCommit:
    """Within the transaction that the warehouse began."""

    id: str
    database: RelationalDatabase
    overlays: OverlayCache
    builder: Builder

    @property
    def tables(self) -> RelationalTableEditor:
        return RelationalTableEditor(self.database, self.overlays)

    @cached_property
    def merger(self) -> RelationalMerger:
        return RelationalMerger(self.database, self.overlays)

    @property
    def recorder(self) -> RelationalRecorder:
        return RelationalRecorder(self.database)


@dataclass(frozen=True)
class RelationalTableEditor:
    database: RelationalDatabase
    overlays: OverlayCache

    def create_table(self, table: TableName, columns: pa.Schema, *, key: str) -> None:
        self.database.create_table(table, columns, key=key)

    def replace(self, table: TableName, rows: pa.Table, *, key: str) -> None:
        with self.database.replaced_table(table, rows.schema, key=key):
            self.database.append(table, rows)

    def add_columns(self, table: TableName, columns: pa.Schema) -> None:
        existing = self.database.existing_columns(table)
        new = [column for column in columns if column.name not in existing.names]
        if new and FILE in existing.names:
            # Before the table has them: a repeat of a commit that was killed cannot tell.
            log_new_columns(self.database, table, [column.name for column in new])
            self.overlays.invalidate()
        for column in new:
            self.database.add_column(table, column)

    def change_type(self, table: TableName, column: Column) -> None:
        self.database.change_type(table, column)

    def drop(self, table: TableName) -> None:
        self.database.drop(table)

    def drop_view(self, view: TableName) -> None:
        self.database.drop_view(view)

    def comment(self, table: TableName, text: str, columns: Mapping[str, str]) -> None:
        self.database.comment(table, text, columns)


@dataclass(frozen=True)
class RelationalMerger:
    database: RelationalDatabase
    overlays: OverlayCache

    def merge(self, records: Records, files: Sequence[StagedFile]) -> Mapping[str, MergeOutcome]:
        watched = self._watched.get(str(records.table), frozenset())
        return merge(self.database, self.overlays, records, files, watched=watched)

    def store_versions(self, records: Records, files: Sequence[StagedFile]) -> None:
        history.store_versions(self.database, records, files)

    def store_current_versions(self, records: Records, files: Collection[str]) -> None:
        history.store_current_versions(self.database, records, files)

    def show_merged_records(self, view: TableName, sources: Sequence[MergeSource]) -> None:
        show_merged_records(self.database, view, sources)

    @cached_property
    def _watched(self) -> Mapping[str, frozenset[str]]:
        """Read once per commit, which may merge into many tables."""
        return watched_columns(self.database)
