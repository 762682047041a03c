"""Sending files that failed round again."""

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
    """`target` is its new key in in/; empty when it stays, for the reason in `refused`."""

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
    """Moves files back to in/, where the next ingest finds them.

    A key below error/ is that file; one below exceptions/ is the processed file whose records were
    set aside there; that of a clean copy is the processed file it was made from. The others are
    refused.
    """
    return [_retry(lake, bus, key, clock()) for key in keys]


def _retry(lake: Lake, bus: Bus, key: str, at: datetime) -> RetryResult:
    try:
        source, target = _way_back(lake, key)
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
    # Told first: a kill leaves at worst a retry that is told twice, never one that nobody knows of.
    bus.publish([retry_event(lake, entry, detail, at=at)])
    # It is a new delivery: with its old time, what becomes of it would count as told already.
    drop_reason(lake.landing, source)
    lake.landing.touch(source)
    lake.landing.move(source, target)
    if moved := lake.landing.head(target):
        bus.publish([landed_event(lake.landing, moved)])
    return RetryResult(key, target)


def _way_back(lake: Lake, key: str) -> tuple[str, str]:
    """Raises LookupError with the reason why there is none."""
    if key.endswith(".reason.json") and lake.landing.head(key.removesuffix(".reason.json")):
        raise LookupError("says why the file beside it was rejected: retry that one")
    if key.startswith(UNRECOGNISED_PREFIX):
        return key, LANDING_PREFIX + key.removeprefix(UNRECOGNISED_PREFIX)
    if key.startswith(EXCEPTIONS_PREFIX):
        return _landed_behind(lake.curated, key)
    if made := find_source(lake, key):
        return made
    archived = archived_file(key)
    if archived is None or archived.state != "error":
        raise LookupError(
            "only files below error/ or exceptions/, and clean copies, can be retried"
        )
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
