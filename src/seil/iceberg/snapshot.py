"""Builds a table's next snapshot: its manifests, its summary, and what the catalog is to check.

Row deltas need a manifest of delete files, which pyiceberg cannot write: hence the one class below
that overrides a private property. Everything else is pyiceberg's public interface.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal
from uuid import uuid4

from pyiceberg.manifest import (
    DataFile,
    DataFileContent,
    ManifestContent,
    ManifestEntry,
    ManifestEntryStatus,
    ManifestFile,
    ManifestWriter,
    ManifestWriterV2,
    write_manifest_list,
)
from pyiceberg.table.refs import MAIN_BRANCH, SnapshotRefType
from pyiceberg.table.snapshots import Operation, Snapshot, Summary
from pyiceberg.table.update import (
    AddSchemaUpdate,
    AddSnapshotUpdate,
    AssertCurrentSchemaId,
    AssertRefSnapshotId,
    AssertTableUUID,
    SetCurrentSchemaUpdate,
    SetPropertiesUpdate,
    SetSnapshotRefUpdate,
    TableRequirement,
    TableUpdate,
)

if TYPE_CHECKING:
    from pyiceberg.schema import Schema
    from pyiceberg.table import Table

COMMIT, VERSION = "seil.commit", "seil.version"
_CODEC: Literal["deflate"] = "deflate"


@dataclass(frozen=True)
class NextContent:
    """`keeps` is False where `added` replaces all files. `schema` is None where it stays."""

    added: Sequence[DataFile] = ()
    deletes: Sequence[DataFile] = ()
    keeps: bool = True
    schema: Schema | None = None
    operation: Operation = Operation.OVERWRITE
    properties: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class StagedCommit:
    """A commit whose files are written; the catalog has not been asked yet."""

    table: Table
    id: str
    snapshot_id: int
    updates: tuple[TableUpdate, ...]
    requirements: tuple[TableRequirement, ...]


class _DeleteManifestWriter(ManifestWriterV2):
    def content(self) -> ManifestContent:
        return ManifestContent.DELETES

    @property
    def _meta(self) -> dict[str, str]:
        return {**super()._meta, "content": "deletes"}


def stage_snapshot(table: Table, content: NextContent, summary: Mapping[str, str]) -> StagedCommit:
    """Writes the manifests. The catalog refuses the commit if the table has changed meanwhile:
    positions hold for one snapshot only.
    """
    metadata = table.metadata
    parent = metadata.current_snapshot()
    snapshot_id = metadata.new_snapshot_id()
    manifests = _manifests(table, content, snapshot_id)
    schema = content.schema or metadata.schema()
    name = f"snap-{snapshot_id}-0-{uuid4()}.avro"
    path = table.location_provider().new_metadata_location(name)
    sequence = metadata.next_sequence_number()
    with write_manifest_list(
        format_version=2,
        output_file=table.io.new_output(path),
        snapshot_id=snapshot_id,
        parent_snapshot_id=parent.snapshot_id if parent else None,
        sequence_number=sequence,
        avro_compression=_CODEC,
    ) as writer:
        writer.add_manifests(manifests)
    snapshot = Snapshot(
        snapshot_id=snapshot_id,
        parent_snapshot_id=parent.snapshot_id if parent else None,
        manifest_list=path,
        sequence_number=sequence,
        summary=Summary(content.operation, **_totals(parent, content), **summary),
        schema_id=schema.schema_id,
    )
    return StagedCommit(
        table,
        summary.get(COMMIT, ""),
        snapshot_id,
        tuple(_updates(table, content, snapshot)),
        (
            AssertTableUUID(uuid=metadata.table_uuid),
            AssertCurrentSchemaId(current_schema_id=metadata.current_schema_id),
            AssertRefSnapshotId(
                ref=MAIN_BRANCH, snapshot_id=parent.snapshot_id if parent else None
            ),
        ),
    )


def _updates(table: Table, content: NextContent, snapshot: Snapshot) -> Iterable[TableUpdate]:
    if content.schema is not None:
        if content.schema.schema_id not in {schema.schema_id for schema in table.metadata.schemas}:
            yield AddSchemaUpdate(schema_=content.schema)
        yield SetCurrentSchemaUpdate(schema_id=content.schema.schema_id)
    if content.properties:
        yield SetPropertiesUpdate(updates=dict(content.properties))
    yield AddSnapshotUpdate(snapshot=snapshot)
    yield SetSnapshotRefUpdate(
        ref_name=MAIN_BRANCH,
        type=SnapshotRefType.BRANCH,
        snapshot_id=snapshot.snapshot_id,
        max_ref_age_ms=None,
        max_snapshot_age_ms=None,
        min_snapshots_to_keep=None,
    )


def _manifests(table: Table, content: NextContent, snapshot_id: int) -> list[ManifestFile]:
    parent = table.metadata.current_snapshot()
    previous = list(parent.manifests(table.io)) if parent and content.keeps else []
    schema = content.schema or table.metadata.schema()
    new = [
        _write_manifest(table, schema, files, snapshot_id=snapshot_id)
        for files in (content.added, content.deletes)
        if files
    ]
    return [*new, *previous]


def _write_manifest(
    table: Table, schema: Schema, files: Sequence[DataFile], *, snapshot_id: int
) -> ManifestFile:
    is_data = files[0].content == DataFileContent.DATA
    kind: type[ManifestWriter] = ManifestWriterV2 if is_data else _DeleteManifestWriter
    path = table.location_provider().new_metadata_location(f"{uuid4()}-m0.avro")
    output = table.io.new_output(path)
    with kind(table.metadata.spec(), schema, output, snapshot_id, _CODEC) as writer:
        for file in files:
            entry = ManifestEntry.from_args(
                status=ManifestEntryStatus.ADDED,
                snapshot_id=snapshot_id,
                sequence_number=None,
                file_sequence_number=None,
                data_file=file,
            )
            writer.add_entry(entry)
    return writer.to_manifest_file()


def _totals(parent: Snapshot | None, content: NextContent) -> dict[str, str]:
    """The counts of the summary (Iceberg table spec, appendix "Optional Snapshot Summary
    Fields").
    """
    added = {
        "data-files": len(content.added),
        "records": sum(file.record_count for file in content.added),
        "delete-files": len(content.deletes),
        "position-deletes": sum(file.record_count for file in content.deletes),
        "equality-deletes": 0,
        "files-size": sum(f.file_size_in_bytes for f in (*content.added, *content.deletes)),
    }
    before = parent.summary if parent and parent.summary and content.keeps else None
    totals = {
        f"total-{name}": str(count + int((before and before.get(f"total-{name}")) or 0))
        for name, count in added.items()
    }
    return {**totals, **{f"added-{name}": str(count) for name, count in added.items() if count}}
