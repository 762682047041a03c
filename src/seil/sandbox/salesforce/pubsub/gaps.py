"""Change events that the service could not make, as faults."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace

from seil.sandbox.salesforce.pubsub.capture import decode, encode
from seil.sandbox.salesforce.pubsub.event_log import StoredEvent
from seil.sandbox.salesforce.pubsub.schemas import HEADER

FindSchema = Callable[[str], str | None]
_NO_RECORD = "000000000000000AAA"


def as_gaps(events: Sequence[StoredEvent], find_schema: FindSchema) -> list[StoredEvent]:
    """The header alone: which records changed, not how."""
    return [_changed(event, find_schema, "") for event in events]


def as_overflow(events: Sequence[StoredEvent], find_schema: FindSchema) -> list[StoredEvent]:
    """One event instead of all, which names no record; the last one's replay id."""
    return [_changed(events[-1], find_schema, "GAP_OVERFLOW")]


def _changed(event: StoredEvent, find_schema: FindSchema, kind: str) -> StoredEvent:
    schema = json.loads(find_schema(event.schema_id) or "{}")
    record = decode(schema, event.payload)
    header = record.get(HEADER)
    if header is None:
        return event
    names: dict[str, list[str]] = {"changedFields": [], "nulledFields": [], "diffFields": []}
    ids = [_NO_RECORD] if kind else header["recordIds"]
    change = kind or f"GAP_{header['changeType'].removeprefix('GAP_')}"
    header = {**header, **names, "recordIds": ids, "changeType": change}
    return replace(event, payload=encode(schema, {HEADER: header}))
