"""Retries rejected and processed files: moves them back to in/."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.parquet as pq

from seil.events.bus import Bus
from seil.events.file_events import retry_event
from seil.lake import Bucket, Lake, archived_file, landed_file
from seil.lake.keys import EXCEPTIONS_PREFIX, LANDING_PREFIX, UNRECOGNISED_PREFIX
from seil.sf_to_dw.extract.landing import landed_event
from seil.sf_to_dw.ingest.deliveries import find_source, free_key
from seil.sf_to_dw.ingest.reasons import drop_reason


@dataclass(frozen=True)
class RetryResult:
    """`target` is the new key in in/; empty where the file stays, for the reason `refused`."""

    key: str
    target: str = ""
    refused: str = ""


def retry(
    lake: Lake,
    bus: Bus,
    keys: Iterable[str],
    *,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> list[RetryResult]:
    """Moves files back to in/, for the next ingest.

    A key below error/ stands for that file; one below exceptions/, or of a clean copy, for the
    processed file that it came from. Other keys are refused.
    """
    return [_retry(lake, bus, key, clock()) for key in keys]


def _retry(lake: Lake, bus: Bus, key: str, at: datetime) -> RetryResult:
    try:
        source, target = _source_and_target(lake, key)
    except LookupError as error:
        return RetryResult(key, refused=str(error.args[0]))
    entry = lake.landing.head(source)
    if entry is None:
        return RetryResult(key, refused=f"there is no {source}")
    target = free_key(lake.landing, source, target)
    landed = landed_file(target)
    detail = {
        "key": target,
        "archived_key": source,
        "flow_run_id": landed.flow_run_id if landed else "",
        "object": landed.landing_name if landed else "",
        "message": f"moved back from {source}",
    }
    # Published first: a kill may leave an event without its retry, never a retry without an event.
    bus.publish([retry_event(lake, entry, detail, at=at)])
    # A new delivery: with the old time, its outcome would have the id of the event before.
    drop_reason(lake.landing, source)
    lake.landing.touch(source)
    lake.landing.move(source, target)
    if moved := lake.landing.head(target):
        bus.publish([landed_event(lake.landing, moved)])
    return RetryResult(key, target)


def _source_and_target(lake: Lake, key: str) -> tuple[str, str]:
    """Raises LookupError with the reason where the key cannot be retried."""
    if key.endswith(".reason.json") and lake.landing.head(key.removesuffix(".reason.json")):
        raise LookupError("says why the file beside it was rejected: retry that one")
    if key.startswith(UNRECOGNISED_PREFIX):
        return key, LANDING_PREFIX + key.removeprefix(UNRECOGNISED_PREFIX)
    if key.startswith(EXCEPTIONS_PREFIX):
        return _exceptions_source(lake.curated, key)
    if source := find_source(lake, key):
        return source
    archived = archived_file(key)
    if archived is None or archived.state != "error":
        raise LookupError(
            "only files below error/ or exceptions/, and clean copies, can be retried"
        )
    return key, archived.landed_file(lake.env).key


def _exceptions_source(bucket: Bucket, key: str) -> tuple[str, str]:
    if bucket.head(key) is None:
        raise LookupError(f"there is no {key}")
    with bucket.reader(key) as file:
        try:
            metadata = pq.read_metadata(file).metadata or {}
            return metadata[b"seil.archived_key"].decode(), metadata[b"seil.landed_key"].decode()
        except (pa.ArrowException, KeyError) as error:
            raise LookupError("its metadata does not name the landed file") from error
