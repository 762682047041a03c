"""A commit to a DuckDB file: one transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from seil.warehouse.duckdb import history
from seil.warehouse.duckdb.builds import EmbeddedBuilder
from seil.warehouse.duckdb.changes import watched_columns
from seil.warehouse.duckdb.gaps import log_new_columns
from seil.warehouse.duckdb.merged_records import show_merged_records
from seil.warehouse.duckdb.merging import OverlayCache, merge
from seil.warehouse.duckdb.recorder import EmbeddedRecorder
from seil.warehouse.duckdb.row_merge import qualify
from seil.warehouse.merges import FILE
from seil.warehouse.sql import literal, quote

if TYPE_CHECKING:
    import pyarrow as pa

    from seil.warehouse.duckdb.database import EmbeddedDatabase
    from seil.warehouse.merges import MergeOutcome, MergeSource, Records, StagedFile
    from seil.warehouse.tables import TableName
    from seil.warehouse.types import Column


@dataclass(frozen=True)
class EmbeddedCommit:
    """Within the transaction that the warehouse began."""

    id: str
    database: EmbeddedDatabase
    overlays: OverlayCache

    @property
    def tables(self) -> EmbeddedTableEditor:
        return EmbeddedTableEditor(self.database, self.overlays)

    @cached_property
    def merger(self) -> EmbeddedMerger:
        return EmbeddedMerger(self.database, self.overlays)

    @property
    def builder(self) -> EmbeddedBuilder:
        return EmbeddedBuilder(self.database)

    @property
    def recorder(self) -> EmbeddedRecorder:
        return EmbeddedRecorder(self.database)


@dataclass(frozen=True)
class EmbeddedTableEditor:
    database: EmbeddedDatabase
    overlays: OverlayCache

    def create_table(self, table: TableName, columns: pa.Schema, *, key: str) -> None:
        # An index on the key would slow merges down by more than it saves in joins.
        self.database.create_table(table, columns)

    def replace(self, table: TableName, rows: pa.Table, *, key: str) -> None:
        self.database.drop(table)
        self.database.create_table(table, rows.schema)
        self.database.append(table, rows)

    def add_columns(self, table: TableName, columns: pa.Schema) -> None:
        existing = self.database.existing_columns(table)
        new = [column for column in columns if column.name not in existing.names]
        for column in new:
            self.database.add_column(table, column)
        if new and FILE in existing.names:
            log_new_columns(self.database, table, [column.name for column in new])
            self.overlays.invalidate()

    def change_type(self, table: TableName, column: Column) -> None:
        self.database.change_type(table, column)

    def drop(self, table: TableName) -> None:
        self.database.drop(table)

    def drop_view(self, view: TableName) -> None:
        is_there = self.database.columns(view) is not None
        if is_there and view.name not in self.database.tables(view.schema):
            self.database.execute(f"DROP VIEW {qualify(view)}")

    def comment(self, table: TableName, text: str, columns: Mapping[str, str]) -> None:
        execute = self.database.execute
        execute(f"COMMENT ON TABLE {qualify(table)} IS {literal(text)}")
        for name, description in columns.items():
            place = f"{qualify(table)}.{quote(name)}"
            execute(f"COMMENT ON COLUMN {place} IS {literal(description)}")


@dataclass(frozen=True)
class EmbeddedMerger:
    database: EmbeddedDatabase
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
