"""Events about landed files, with deterministic ids."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from seil.events.envelope import Event
from seil.lake import Entry, Lake

SOURCE = "seil.sf-to-dw"
INGESTION = "file-ingestion"
RETRY = "file-retry"
FILE_EVENTS = (INGESTION, RETRY)
_NAMESPACE = uuid.UUID("5c8a64f3-5c0f-5d0c-9d43-3d2e4f1d7a52")
# EventBridge accepts 256 KB per request.
_LONGEST = 2000


def file_event(
    lake: Lake, entry: Entry, state: str, detail: Mapping[str, Any], *, at: datetime
) -> Event:
    """`file-ingestion`. Re-publishing a delivery's state yields the same event id."""
    body = {"state": state, "key": entry.key, "bytes": entry.size, **detail}
    body["message"] = str(body.get("message", ""))[:_LONGEST]
    return Event(
        SOURCE,
        INGESTION,
        body,
        resources=(lake.landing.uri(entry.key),),
        id=event_id(INGESTION, state, entry.key, entry.modified.isoformat(), entry.size),
        time=at,
    )


def drift_event(
    entry: Entry, object_name: str, detail: Mapping[str, Any], *, at: datetime
) -> Event:
    """`schema-drift` in a landed file."""
    return Event(
        SOURCE,
        "schema-drift",
        {"object": object_name, "key": entry.key, **detail},
        id=event_id("schema-drift", entry.key, entry.modified.isoformat(), entry.size),
        time=at,
    )


def retry_event(lake: Lake, entry: Entry, detail: Mapping[str, Any], *, at: datetime) -> Event:
    """`file-retry`: a file was moved back to in/ from `entry`."""
    return Event(
        SOURCE,
        RETRY,
        {"state": "retry", **detail},
        resources=(lake.landing.uri(entry.key),),
        id=event_id(RETRY, entry.key, entry.modified.isoformat()),
        time=at,
    )


def event_id(*facts: object) -> str:
    return str(uuid.uuid5(_NAMESPACE, "\n".join(map(str, facts))))
