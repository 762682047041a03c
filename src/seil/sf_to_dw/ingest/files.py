"""Files of the lake by state, and why each is there; from keys and events, not from contents."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, get_args

from seil.events.file_events import FILE_EVENTS
from seil.lake.keys import (
    ERROR_PREFIX,
    EXCEPTIONS_PREFIX,
    LANDING_PREFIX,
    PROCESSED_PREFIX,
    archived_file,
    landed_file,
)
from seil.sf_to_dw.ingest.reasons import is_reason, read_reason

if TYPE_CHECKING:
    from seil.catalog import SyncedObject
    from seil.events.envelope import Event
    from seil.lake import Bucket, Entry, Lake

FileState = Literal["in", "processed", "error", "curated", "exceptions"]
STATES: tuple[FileState, ...] = get_args(FileState)
_NAME = re.compile(r"Salesforce-([^/]+)/")


@dataclass(frozen=True)
class FileInfo:
    """A file of the lake. `landing_name` and `flow_run_id` are empty where its key has none.

    `place` is its path on this machine, or its URL.
    """

    state: FileState
    key: str
    size: int
    modified: datetime
    landing_name: str = ""
    flow_run_id: str = ""
    place: str = ""


class FileHistory(Protocol):
    def history(self, key: str) -> Sequence[tuple[int, Event]]:
        """A file's events in the journal, by any key that it has or had."""
        ...


@dataclass(frozen=True)
class FileTrace:
    """`file` is None where it no longer exists; `events` are numbered, oldest first."""

    key: str
    file: FileInfo | None
    reason: str
    events: Sequence[tuple[int, Event]] = ()


def list_files(
    lake: Lake, state: FileState | None = None, obj: SyncedObject | None = None
) -> Iterator[FileInfo]:
    """By state, then by key; all states and objects by default."""
    for each in [state] if state else STATES:
        bucket, prefix = _bucket_and_prefix(lake, each, obj)
        entries = list(bucket.list(prefix))
        keys = {entry.key for entry in entries} if each == "error" else set()
        for entry in entries:
            if each == "curated" and entry.key.startswith(EXCEPTIONS_PREFIX):
                continue
            if not is_reason(entry.key, keys):
                yield _info(each, entry, bucket)


def why(lake: Lake, history: FileHistory | None, key: str) -> FileTrace:
    """Traces a file by its last event, else by the reason that was written beside it."""
    file = _find(lake, key)
    events = history.history(key) if history else ()
    last = next((e for _, e in reversed(events) if e.detail_type in FILE_EVENTS), None)
    if detail := last.detail if last else file and read_reason(lake.landing, key):
        hint = detail.get("hint")
        reason = str(detail["message"]) + (f". {hint}" if hint else "")
    elif file and file.state == "in":
        reason = "it waits for the next ingest"
    elif file is None:
        reason = "there is no such file, and no event about one"
    else:
        reason = "there is no event about it" if history else "there is no journal to look it up in"
    return FileTrace(key, file, reason, events)


def key_of(lake: Lake, name: str) -> str:
    """The key for a key, a path on this machine or a URL."""
    for bucket in (lake.landing, lake.curated):
        if name.startswith(f"{bucket.url}/"):
            return name.removeprefix(f"{bucket.url}/")
        root = bucket.path("")
        path = Path(name).absolute()
        if root and path.is_relative_to(root):
            return path.relative_to(root).as_posix()
    return name


def _bucket_and_prefix(
    lake: Lake, state: FileState, obj: SyncedObject | None
) -> tuple[Bucket, str]:
    name = f"Salesforce-{obj.landing_name}/" if obj else ""
    landing = f"{lake.env}-{name}" if obj else ""
    return {
        "in": (lake.landing, LANDING_PREFIX + landing),
        "processed": (lake.landing, PROCESSED_PREFIX + name),
        "error": (lake.landing, ERROR_PREFIX + name),
        "curated": (lake.curated, name),
        "exceptions": (lake.curated, EXCEPTIONS_PREFIX + name),
    }[state]


def _info(state: FileState, entry: Entry, bucket: Bucket) -> FileInfo:
    parsed = landed_file(entry.key) or archived_file(entry.key)
    name = _NAME.search(entry.key)
    return FileInfo(
        state,
        entry.key,
        entry.size,
        entry.modified,
        landing_name=name[1] if name else "",
        flow_run_id=parsed.flow_run_id if parsed else "",
        place=str(bucket.path(entry.key) or bucket.uri(entry.key)),
    )


def _find(lake: Lake, key: str) -> FileInfo | None:
    top = key.partition("/")[0]
    state: FileState = next((state for state in STATES if state == top), "curated")
    bucket = lake.curated if state in ("curated", "exceptions") else lake.landing
    entry = bucket.head(key)
    return _info(state, entry, bucket) if entry else None
