"""Receipts, claims and intents in staging: they make ingest idempotent.

ingested/<landing path>/<content>.json   receipt: the keys of this content of this landed file
claims/<curated key>                     claim: the landed file and content that own a curated key;
                                         empty where it was released
pending/<landing path>.json              intent: a move under way, with the events to publish

Receipts and claims are created by compare-and-swap. An intent is of one landed file, and its events
have deterministic ids, so that publishing them again is harmless.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from seil.errors import ConflictError
from seil.events.bus import Bus
from seil.events.envelope import Event
from seil.lake import Bucket, Entry, Lake, LandedFile, landed_file
from seil.lake.keys import LANDING_PREFIX
from seil.sf_to_dw.extract.flows import is_own_run
from seil.sf_to_dw.ingest.reasons import write_reasons

_SUFFIX = 8
_CHUNK = 1 << 20


@dataclass(frozen=True)
class Delivery:
    """One content (`digest`: SHA-256) of one landed file. `landed_at` is of its first delivery."""

    landed_key: str
    digest: str
    landed_at: datetime
    curated_key: str
    archived_key: str


def content_digest(bucket: Bucket, key: str) -> str:
    digest = hashlib.sha256()
    with bucket.reader(key) as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def delivery_of(lake: Lake, landed: LandedFile, entry: Entry, digest: str) -> Delivery:
    """Deterministic for one content under one landing key, however often it is delivered.

    The hour in its keys is that of the first delivery; a key that something else owns gets a suffix
    from the digest.
    """
    receipt = lake.document(_receipt(entry.key, digest))
    body = receipt.read()
    if not body:
        first = _first_receipt(lake, landed, entry, digest)
        body = receipt.change(lambda other: None if other else first)
    return Delivery(**{**body, "landed_at": datetime.fromisoformat(body["landed_at"])})


def _first_receipt(lake: Lake, landed: LandedFile, entry: Entry, digest: str) -> dict[str, str]:
    curated_key = _claim_key(lake, landed, entry, digest)
    archived_key = landed.archive_key("processed", entry.modified)
    if lake.landing.head(archived_key):
        archived_key = _with_suffix(archived_key, digest)
    return {
        "landed_key": entry.key,
        "digest": digest,
        "landed_at": entry.modified.isoformat(),
        "curated_key": curated_key,
        "archived_key": archived_key,
    }


def is_ingested(lake: Lake, landed_key: str, digest: str) -> bool:
    receipt = lake.document(_receipt(landed_key, digest)).read()
    return bool(receipt and lake.curated.head(receipt["curated_key"]))


def find_source(lake: Lake, curated_key: str) -> tuple[str, str] | None:
    """Archived key and landing key of the landed file behind a clean copy; None for other keys."""
    if (claim := lake.staging.find(f"claims/{curated_key}")) is None:
        return None
    landed_key, _, digest = claim.decode().rpartition(" ")
    receipt = lake.staging.find(_receipt(landed_key, digest))
    return (json.loads(receipt)["archived_key"], landed_key) if receipt else None


def release(lake: Lake, delivery: Delivery) -> None:
    """Releases the keys of a file that did not reach curated, for its corrected version."""
    if lake.curated.head(delivery.curated_key) is None:
        lake.document(_receipt(delivery.landed_key, delivery.digest)).change(lambda _: {})
        claim = f"claims/{delivery.curated_key}"
        stored = lake.staging.version(claim)
        if stored and stored.data == _owner(delivery.landed_key, delivery.digest):
            with suppress(ConflictError):
                lake.staging.put_if(claim, b"", stored.tag)


def _receipt(landed_key: str, digest: str) -> str:
    return f"ingested/{_path(landed_key)}/{digest[:16]}.json"


def _claim_key(lake: Lake, landed: LandedFile, entry: Entry, digest: str) -> str:
    owner = _owner(entry.key, digest)
    plain = landed.curated_key(entry.modified)
    for key in (plain, _with_suffix(plain, entry.key)):
        if _claim(lake, key, owner):
            return key
    return _with_suffix(plain, owner.decode())


def _claim(lake: Lake, key: str, owner: bytes) -> bool:
    """Whether `owner` now owns the curated key: it was free, or released with no file under it."""
    claim = f"claims/{key}"
    stored = lake.staging.version(claim)
    if stored and stored.data:
        return stored.data == owner
    if stored and lake.curated.head(key):
        return False
    try:
        lake.staging.put_if(claim, owner, stored.tag if stored else None)
    except ConflictError:
        return _claim(lake, key, owner)
    return True


def _owner(landed_key: str, digest: str) -> bytes:
    return f"{landed_key} {digest}".encode()


def _with_suffix(key: str, source: str) -> str:
    path = PurePosixPath(key)
    mark = hashlib.sha256(source.encode()).hexdigest()[:_SUFFIX]
    return str(path.with_name(f"{path.stem}-{mark}{path.suffix}"))


def free_key(bucket: Bucket, source: str, target: str) -> str:
    """`target`; with a suffix where a file of other content than `source` has that key."""
    if bucket.head(target) is None:
        return target
    digest = content_digest(bucket, source)
    return target if content_digest(bucket, target) == digest else _with_suffix(target, digest)


def settle(lake: Lake, bus: Bus, entry: Entry, *, target: str, events: Sequence[Event]) -> None:
    """Moves the landed file to `target`, writes the reason of a rejected one beside it, and
    publishes `events`. The intent, written first, lets the next run complete it after a kill.
    """
    intent = f"pending/{_path(entry.key)}.json"
    body: dict[str, Any] = {
        "source": entry.key,
        "modified": entry.modified.isoformat(),
        "target": target,
        "events": [event.to_dict() for event in events],
    }
    lake.staging.put(intent, json.dumps(body, default=str).encode())
    lake.landing.move(entry.key, target)
    landed = landed_file(entry.key)
    if landed and is_own_run(landed.flow_run_id):
        # Other tools' folders stay: they may be about to write the next file there.
        lake.landing.delete_empty_folder(entry.key)
    write_reasons(lake.landing, events)
    bus.publish(events)
    _delete_intent(lake, intent)


def settle_pending(lake: Lake, bus: Bus, key: str = "") -> int:
    """Completes moves of killed runs, of one landing key or all; returns how many."""
    if key:
        return int(_settle(lake, bus, f"pending/{_path(key)}.json"))
    return sum(_settle(lake, bus, intent.key) for intent in lake.staging.list("pending/"))


def _settle(lake: Lake, bus: Bus, intent: str) -> bool:
    stored = lake.staging.find(intent)
    if stored is None:
        return False
    body = json.loads(stored)
    landed = lake.landing.head(body["source"])
    if landed and landed.modified.isoformat() == body["modified"]:
        return False  # Not moved yet: the file is ingested again from the start.
    events = [Event.from_dict(event) for event in body["events"]]
    write_reasons(lake.landing, events)
    bus.publish(events)
    _delete_intent(lake, intent)
    return True


def _delete_intent(lake: Lake, intent: str) -> None:
    lake.staging.delete(intent)
    lake.staging.delete_empty_folder(intent)


def _path(landed_key: str) -> str:
    return landed_key.removeprefix(LANDING_PREFIX)
