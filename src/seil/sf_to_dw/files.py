"""Which files lie where in the lake, why, and sending those that failed round again."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, Protocol, get_args

import pyarrow as pa
import pyarrow.parquet as pq

from seil.catalog import SyncedObject
from seil.events.bus import Bus
from seil.events.envelope import Event
from seil.lake import Bucket, Entry, Lake, archived_file, landed_file
from seil.lake.keys import ERROR_PREFIX, LANDING_PREFIX, PROCESSED_PREFIX
from seil.sf_to_dw.curated import EXCEPTIONS_PREFIX
from seil.sf_to_dw.deliveries import free_key
from seil.sf_to_dw.file_events import FILE_EVENTS, retry_event
from seil.sf_to_dw.ingest import UNRECOGNISED_PREFIX
from seil.sf_to_dw.landing import landed_event

State = Literal["in", "processed", "error", "curated", "exceptions"]
STATES: tuple[State, ...] = get_args(State)
_NAME = re.compile(r"Salesforce-([^/]+)/")


@dataclass(frozen=True)
class FileInfo:
    """A file of the lake. `landing_name` and `flow_run_id` are empty where its key has none."""

    state: State
    key: str
    size: int
    modified: datetime
    landing_name: str = ""
    flow_run_id: str = ""


class FileHistory(Protocol):
    """What the journal remembers of a file, by any key that it has or had."""

    def history(self, key: str) -> Sequence[tuple[int, Event]]: ...


@dataclass(frozen=True)
class FileStory:
    """`file` is None when there is no such file any more; `events` are numbered, oldest first."""

    key: str
    file: FileInfo | None
    reason: str
    events: Sequence[tuple[int, Event]] = ()


@dataclass(frozen=True)
class Retried:
    """`target` is its new key in in/; empty when it stays, for the reason in `refused`."""

    key: str
    target: str = ""
    refused: str = ""


def list_files(
    lake: Lake, state: State | None = None, obj: SyncedObject | None = None
) -> Iterator[FileInfo]:
    for wanted in [state] if state else STATES:
        bucket, prefix = _place(lake, wanted, obj)
        for entry in bucket.list(prefix):
            if wanted != "curated" or not entry.key.startswith(EXCEPTIONS_PREFIX):
                yield _info(wanted, entry)


def why(lake: Lake, history: FileHistory | None, key: str) -> FileStory:
    """Why the file lies where it does, from the events that tell of it."""
    file = _found(lake, key)
    events = history.history(key) if history else ()
    told = [event for _, event in events if event.detail_type in FILE_EVENTS]
    if told:
        hint = told[-1].detail.get("hint")
        reason = str(told[-1].detail["message"]) + (f". {hint}" if hint else "")
    elif file and file.state == "in":
        reason = "it waits for the next ingest"
    elif file is None:
        reason = "there is no such file, and no event tells of one"
    else:
        reason = "no event tells of it" if history else "there is no journal that could tell"
    return FileStory(key, file, reason, events)


def retry(
    lake: Lake,
    bus: Bus,
    keys: Iterable[str],
    *,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> list[Retried]:
    """Moves files back to in/, where the next ingest finds them.

    A key below error/ is that file; one below exceptions/ is the processed file whose records were
    set aside there. The others are refused.
    """
    return [_retried(lake, bus, key, clock()) for key in keys]


def _retried(lake: Lake, bus: Bus, key: str, at: datetime) -> Retried:
    try:
        source, target = _way_back(lake, key)
    except LookupError as error:
        return Retried(key, refused=str(error.args[0]))
    entry = lake.landing.head(source)
    if entry is None:
        return Retried(key, refused=f"there is no {source}")
    target = free_key(lake.landing, source, target)
    landed = landed_file(target)
    detail = {
        "key": target,
        "archived_key": source,
        "flow_run_id": landed.flow_run_id if landed else "",
        "object": landed.landing_name if landed else "",
        "message": f"moved back from {source}",
    }
    # Told first: a kill leaves at worst a retry that is told twice, never one that nobody knows of.
    bus.publish([retry_event(lake, entry, detail, at=at)])
    # It is a new delivery: with its old time, what becomes of it would count as told already.
    lake.landing.touch(source)
    lake.landing.move(source, target)
    if moved := lake.landing.head(target):
        bus.publish([landed_event(lake.landing, moved)])
    return Retried(key, target)


def _way_back(lake: Lake, key: str) -> tuple[str, str]:
    """Raises LookupError with the reason why there is none."""
    if key.startswith(UNRECOGNISED_PREFIX):
        return key, LANDING_PREFIX + key.removeprefix(UNRECOGNISED_PREFIX)
    if key.startswith(EXCEPTIONS_PREFIX):
        return _landed_behind(lake.curated, key)
    archived = archived_file(key)
    if archived is None or archived.state != "error":
        raise LookupError("only files below error/ or exceptions/ can be retried")
    return key, archived.landed(lake.env).key


def _landed_behind(bucket: Bucket, key: str) -> tuple[str, str]:
    if bucket.head(key) is None:
        raise LookupError(f"there is no {key}")
    with bucket.reader(key) as file:
        try:
            metadata = pq.read_metadata(file).metadata or {}
            return metadata[b"seil.archived_key"].decode(), metadata[b"seil.landed_key"].decode()
        except (pa.ArrowException, KeyError) as error:
            raise LookupError("it does not say which landed file it comes from") from error


def _place(lake: Lake, state: State, obj: SyncedObject | None) -> tuple[Bucket, str]:
    name = f"Salesforce-{obj.landing_name}/" if obj else ""
    landing = f"{lake.env}-{name}" if obj else ""
    return {
        "in": (lake.landing, LANDING_PREFIX + landing),
        "processed": (lake.landing, PROCESSED_PREFIX + name),
        "error": (lake.landing, ERROR_PREFIX + name),
        "curated": (lake.curated, name),
        "exceptions": (lake.curated, EXCEPTIONS_PREFIX + name),
    }[state]


def _info(state: State, entry: Entry) -> FileInfo:
    known = landed_file(entry.key) or archived_file(entry.key)
    name = _NAME.search(entry.key)
    return FileInfo(
        state,
        entry.key,
        entry.size,
        entry.modified,
        landing_name=name[1] if name else "",
        flow_run_id=known.flow_run_id if known else "",
    )


def _found(lake: Lake, key: str) -> FileInfo | None:
    top = key.partition("/")[0]
    state: State = next((state for state in STATES if state == top), "curated")
    bucket = lake.curated if state in ("curated", "exceptions") else lake.landing
    entry = bucket.head(key)
    return _info(state, entry) if entry else None
