"""The reason of a rejected file, beside it in error/: `<file>.reason.json` (docs/ingest.md).

It is derived from the rejection's event: idempotent.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING, Any

from seil.events.file_events import INGESTION

if TYPE_CHECKING:
    from seil.events.envelope import Event
    from seil.lake import Bucket

SCHEMA = "seil.reason/1"
_SUFFIX = ".reason.json"
_FIELDS = ("key", "archived_key", "object", "flow_run_id", "check", "message", "hint", "bytes")


def reason_key(key: str) -> str:
    return f"{key}{_SUFFIX}"


def is_reason(key: str, keys: Collection[str]) -> bool:
    """Whether `key` is the reason of a file among `keys`, and not a rejected file of that name."""
    return key.endswith(_SUFFIX) and key.removesuffix(_SUFFIX) in keys


def write_reasons(landing: Bucket, events: Iterable[Event]) -> None:
    """For the rejections among `events` whose file is still where its event says."""
    for event in events:
        detail = event.detail
        if event.detail_type != INGESTION or detail.get("state") != "error":
            continue
        key = str(detail["archived_key"])
        if landing.head(key):
            landing.put(reason_key(key), json.dumps(_document(event), indent=1).encode())


def read_reason(landing: Bucket, key: str) -> dict[str, Any] | None:
    """The reason of the rejected file at `key`; None where there is none."""
    stored = landing.find(reason_key(key))
    return json.loads(stored) if stored else None


def drop_reason(landing: Bucket, key: str) -> None:
    landing.delete(reason_key(key))


def _document(event: Event) -> dict[str, Any]:
    detail = {name: event.detail[name] for name in _FIELDS if name in event.detail}
    retry = f"seil files retry {event.detail['archived_key']}"
    at = event.time.isoformat()
    return {"schema": SCHEMA, **detail, "at": at, "event_id": event.id, "retry": retry}
