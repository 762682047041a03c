"""Keeps published tables small: rewrites files, expires snapshots, removes files of neither.

The caller holds the publisher's lock: a delta that is committed meanwhile would make the rewriting
fail, and files of a commit under way look like files of none.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pyarrow.fs as pa_fs
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.manifest import ManifestFile
from pyiceberg.table.refs import MAIN_BRANCH
from pyiceberg.table.snapshots import Operation
from pyiceberg.table.update import AssertRefSnapshotId, AssertTableUUID, RemoveSnapshotsUpdate

from seil.errors import IcebergError, SeilError
from seil.iceberg.catalog import CommitDoubtError, CommitRefusedError, IcebergCatalog
from seil.iceberg.data_files import write_rows
from seil.iceberg.live_rows import LiveRows
from seil.iceberg.published import published_state
from seil.iceberg.snapshot import COMMIT, VERSION, NextContent, StagedCommit, stage_snapshot
from seil.warehouse.sql import compose, join, quote

if TYPE_CHECKING:
    from pyiceberg.table import Table

    from seil.iceberg.engine import EmbeddedEngine

log = logging.getLogger(__name__)

# Each expiry is a commit, too.
_LEAST_EXPIRED = 10


@dataclass(frozen=True)
class UpkeepRules:
    """`compact_after` is a number of delete files."""

    compact_after: int = 50
    keep_snapshots: timedelta = timedelta(days=7)
    keep_orphans: timedelta = timedelta(days=3)


@dataclass(frozen=True)
class UpkeepOutcome:
    """`compacted` is the number of files that became `files`; `message` is why it failed."""

    table: str
    compacted: int = 0
    files: int = 0
    expired: int = 0
    removed_files: int = 0
    removed_bytes: int = 0
    message: str = ""

    @property
    def did_something(self) -> bool:
        return bool(self.compacted or self.expired or self.removed_files or self.message)


@dataclass(frozen=True)
class Upkeep:
    """`check` raises once this process has lost the publisher's lock."""

    catalog: IcebergCatalog
    engine: EmbeddedEngine
    rules: UpkeepRules = UpkeepRules()
    check: Callable[[], None] = lambda: None
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def run(self, identifier: tuple[str, str], *, only_due: bool) -> UpkeepOutcome:
        """`only_due`: what is worth a commit of its own; otherwise everything that can be done."""
        name = ".".join(identifier)
        try:
            with self.catalog.translated(name):
                return self._run(identifier, name, only_due=only_due)
        except SeilError as error:
            return UpkeepOutcome(name, message=error.without(name))
        except (CommitRefusedError, CommitDoubtError) as error:
            return UpkeepOutcome(name, message=f"the commit was not confirmed: {error}")

    def _run(self, identifier: tuple[str, str], name: str, *, only_due: bool) -> UpkeepOutcome:
        compacted = files = 0
        table = self._table(identifier, name)
        live = LiveRows(table)
        if len(live.delete_files) >= (self.rules.compact_after if only_due else 1):
            compacted = len(live.files) + len(live.delete_files)
            files = self._compact(table, live)
            table = self._table(identifier, name)
        expired = self._expire(table, least=_LEAST_EXPIRED if only_due else 1)
        removed: list[pa_fs.FileInfo] = []
        if expired or compacted or not only_due:
            removed = list(self._remove_orphans(self._table(identifier, name)))
        return UpkeepOutcome(
            name, compacted, files, expired, len(removed), sum(file.size for file in removed)
        )

    def _table(self, identifier: tuple[str, str], name: str) -> Table:
        table = self.catalog.find(identifier)
        if table is None:
            hint = "Publish it first: `seil publish iceberg`"
            raise IcebergError(name, f"is not in {self.catalog.url}", hint=hint)
        return table

    def _compact(self, table: Table, live: LiveRows) -> int:
        """Under the last commit's id and version: the rows stay."""
        state = published_state(table)
        schema = table.schema()
        with live.relation(self.engine, schema) as rows:
            columns = join(", ", [quote(field.name) for field in schema.fields])
            select = compose("SELECT {columns} FROM ({rows}) AS r", columns=columns, rows=rows)
            added = write_rows(self.engine, table, schema, select)
        content = NextContent(added=added, keeps=False, operation=Operation.REPLACE)
        summary = {COMMIT: state.commit, VERSION: state.version} if state.commit else {}
        staged = stage_snapshot(table, content, summary)
        self.check()
        self.catalog.commit(staged)
        log.info("%s: %d files became %d", table.name(), len(live.files), len(added))
        return len(added)

    def _expire(self, table: Table, *, least: int) -> int:
        metadata = table.metadata
        heads = {ref.snapshot_id for ref in metadata.refs.values()}
        before = (self.now() - self.rules.keep_snapshots).timestamp() * 1000
        expired = [
            snapshot.snapshot_id
            for snapshot in metadata.snapshots
            if snapshot.timestamp_ms < before and snapshot.snapshot_id not in heads
        ]
        if len(expired) < least:
            return 0
        requirements = (
            AssertTableUUID(uuid=metadata.table_uuid),
            AssertRefSnapshotId(ref=MAIN_BRANCH, snapshot_id=metadata.current_snapshot_id),
        )
        updates = (RemoveSnapshotsUpdate(snapshot_ids=expired),)
        self.check()
        self.catalog.commit(StagedCommit(table, "", 0, updates, requirements))
        return len(expired)

    def _remove_orphans(self, table: Table) -> Iterator[pa_fs.FileInfo]:
        """Files below the table's location that no snapshot reaches, older than the margin."""
        io = table.io
        if not isinstance(io, PyArrowFileIO):
            return
        before = self.now() - self.rules.keep_orphans
        needed = set(_reachable(table))
        scheme, netloc, path = PyArrowFileIO.parse_location(table.location(), io.properties)
        files = io.fs_by_scheme(scheme, netloc)
        for info in files.get_file_info(pa_fs.FileSelector(path, recursive=True)):
            is_old = info.mtime is not None and info.mtime.astimezone(UTC) < before
            if info.type != pa_fs.FileType.File or _bare(info.path) in needed or not is_old:
                continue
            if not (isinstance(files, pa_fs.LocalFileSystem) and _is_linked(path, info.path)):
                self.check()
                files.delete_file(info.path)
                yield info


def _is_linked(folder: str, file: str) -> bool:
    """Whether the file, or a folder on the way to it, is a link: the target is not the table's."""
    return Path(file).resolve() != Path(folder).resolve() / Path(file).relative_to(folder)


def _reachable(table: Table) -> Iterator[str]:
    metadata = table.metadata
    yield _path(table.metadata_location)
    for entry in metadata.metadata_log:
        yield _path(entry.metadata_file)
    for statistics in (*metadata.statistics, *metadata.partition_statistics):
        yield _path(statistics.statistics_path)
    yield _path(f"{table.location()}/metadata/version-hint.text")
    manifests: dict[str, ManifestFile] = {}
    for snapshot in metadata.snapshots:
        yield _path(snapshot.manifest_list)
        manifests |= {one.manifest_path: one for one in snapshot.manifests(table.io)}
    for path, manifest in manifests.items():
        yield _path(path)
        for data in manifest.fetch_manifest_entry(table.io, discard_deleted=False):
            yield _path(data.data_file.file_path)


def _path(url: str) -> str:
    """Without its scheme: Spark writes file:/x where others write file:///x."""
    parts = urlsplit(url)
    return _bare(f"{parts.netloc}{parts.path}" if parts.scheme else url)


def _bare(path: str) -> str:
    return path.lstrip("/")
