"""Files, records set aside, changed fields: `seil files`, `seil schema`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from seil.app.documents.base import JsonDocument, optional
from seil.app.documents.events import EventPart
from seil.app.review import SchemaChanges
from seil.sf_to_dw.ingest.files import FileInfo, FileTrace
from seil.sf_to_dw.ingest.retry import RetryResult
from seil.sf_to_dw.ingest.set_aside import SetAside
from seil.sf_to_dw.schema.diff import ColumnChange, ObjectDiff
from seil.state.decisions import Decision


@dataclass(frozen=True)
class FilesDocument(JsonDocument, schema="seil.files/1", command="seil files"):
    files: Sequence[FileInfo]


@dataclass(frozen=True)
class FileDocument(JsonDocument, schema="seil.file/1", command="seil files why"):
    key: str
    state: str | None
    reason: str
    events: Sequence[EventPart]

    @classmethod
    def of(cls, trace: FileTrace) -> Self:
        events = [EventPart.of(number, event) for number, event in trace.events]
        state = trace.file.state if trace.file else None
        return cls(trace.key, state, trace.reason, events)


@dataclass(frozen=True)
class FilesShowDocument(JsonDocument, schema="seil.files-show/1", command="seil files show"):
    records: Sequence[SetAside]


@dataclass(frozen=True)
class FilesRetryDocument(JsonDocument, schema="seil.files-retry/1", command="seil files retry"):
    files: Sequence[RetryResult]


@dataclass(frozen=True)
class ObjectDiffPart:
    """`stops`: nothing of it is read until somebody decides. `history` with --history."""

    object: str
    is_read: bool
    stops: bool
    changes: Sequence[ColumnChange]
    history: Sequence[Any] | None = optional()

    @classmethod
    def of(cls, diff: ObjectDiff, *, history: bool) -> Self:
        entries = diff.history if history else None
        return cls(diff.object, diff.is_read, diff.stops, diff.changes, entries)


@dataclass(frozen=True)
class SchemaDiffDocument(JsonDocument, schema="seil.schema-diff/1", command="seil schema diff"):
    objects: Sequence[ObjectDiffPart]
    errors: Mapping[str, str]

    @classmethod
    def of(cls, changes: SchemaChanges, *, history: bool) -> Self:
        objects = [ObjectDiffPart.of(entry, history=history) for entry in changes.objects]
        return cls(objects, changes.failed)


@dataclass(frozen=True)
class SchemaAcceptDocument(
    JsonDocument, schema="seil.schema-accept/1", command="seil schema accept"
):
    object: str
    decisions: Sequence[Decision]
