"""Which files lie where in the lake, and why. Reads keys and events only, no file's content."""

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
    """What the journal remembers of a file, by any key that it has or had."""

    def history(self, key: str) -> Sequence[tuple[int, Event]]: ...


@dataclass(frozen=True)
class FileTrace:
    """`file` is None when there is no such file any more; `events` are numbered, oldest first."""

    key: str
    file: FileInfo | None
    reason: str
    events: Sequence[tuple[int, Event]] = ()


def list_files(
    lake: Lake, state: FileState | None = None, obj: SyncedObject | None = None
) -> Iterator[FileInfo]:
    for wanted in [state] if state else STATES:
        bucket, prefix = _place(lake, wanted, obj)
        entries = list(bucket.list(prefix))
        keys = {entry.key for entry in entries} if wanted == "error" else set()
        for entry in entries:
            if wanted == "curated" and entry.key.startswith(EXCEPTIONS_PREFIX):
                continue
            if not is_reason(entry.key, keys):
                yield _info(wanted, entry, bucket)


def why(lake: Lake, history: FileHistory | None, key: str) -> FileTrace:
    """Why the file lies where it does, from the events that tell of it, or what is beside it."""
    file = _find(lake, key)
    events = history.history(key) if history else ()
    told = [event for _, event in events if event.detail_type in FILE_EVENTS]
    if told:
        hint = told[-1].detail.get("hint")
        reason = str(told[-1].detail["message"]) + (f". {hint}" if hint else "")
    elif file and (kept := read_reason(lake.landing, key)):
        hint = kept.get("hint")
        reason = str(kept["message"]) + (f". {hint}" if hint else "")
    elif file and file.state == "in":
        reason = "it waits for the next ingest"
    elif file is None:
        reason = "there is no such file, and no event tells of one"
    else:
        reason = "no event tells of it" if history else "there is no journal that could tell"
    return FileTrace(key, file, reason, events)


def place(bucket: Bucket, key: str) -> str:
    """The path on this machine, or the URL where it is not on this machine."""
    return str(bucket.path(key) or bucket.uri(key))


def key_of(lake: Lake, name: str) -> str:
    """The key that a key, a path on this machine or a URL stands for."""
    for bucket in (lake.landing, lake.curated):
        if name.startswith(f"{bucket.url}/"):
            return name.removeprefix(f"{bucket.url}/")
        root = bucket.path("")
        path = Path(name).absolute()
        if root and path.is_relative_to(root):
            return path.relative_to(root).as_posix()
    return name


def _place(lake: Lake, state: FileState, obj: SyncedObject | None) -> tuple[Bucket, str]:
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
    known = landed_file(entry.key) or archived_file(entry.key)
    name = _NAME.search(entry.key)
    return FileInfo(
        state,
        entry.key,
        entry.size,
        entry.modified,
        landing_name=name[1] if name else "",
        flow_run_id=known.flow_run_id if known else "",
        place=place(bucket, entry.key),
    )


def _find(lake: Lake, key: str) -> FileInfo | None:
    top = key.partition("/")[0]
    state: FileState = next((state for state in STATES if state == top), "curated")
    bucket = lake.curated if state in ("curated", "exceptions") else lake.landing
    entry = bucket.head(key)
    return _info(state, entry, bucket) if entry else None
