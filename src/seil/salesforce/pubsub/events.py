"""Events as they arrive, decoded with the schema that each of them names."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock
from typing import Any

import fastavro

from seil.errors import UnexpectedAnswerError
from seil.salesforce.pubsub.faults import SERVICE

_HEADER = "ChangeEventHeader"
_GAP = "GAP_"
_OVERFLOW = "GAP_OVERFLOW"
_DELETE = "DELETE"


@dataclass(frozen=True)
class StreamEvent:
    """`id` stays the same where an event is delivered again under another replay id."""

    topic: str
    id: str
    replay_id: bytes
    schema_id: str
    fields: Mapping[str, Any]


@dataclass(frozen=True)
class ChangeHeader:
    """Which records changed, and when; the values are read from the org."""

    entity: str
    record_ids: tuple[str, ...]
    change_type: str
    committed_at: datetime

    @property
    def is_deletion(self) -> bool:
        return self.change_type.removeprefix(_GAP) == _DELETE

    @property
    def is_overflow(self) -> bool:
        """More changes in one transaction than are listed: it names no record."""
        return self.change_type == _OVERFLOW


def change_header(event: StreamEvent) -> ChangeHeader:
    """Raises UnexpectedAnswerError for an event without a readable one."""
    header = event.fields.get(_HEADER)
    try:
        if header is None:
            raise KeyError(_HEADER)
        return ChangeHeader(
            str(header["entityName"]),
            tuple(map(str, header["recordIds"])),
            str(header["changeType"]),
            datetime.fromtimestamp(header["commitTimestamp"] / 1000, UTC),
        )
    except (KeyError, TypeError, ValueError) as error:
        reason = f"event {event.id} of {event.topic} has no readable {_HEADER}: {error}"
        raise UnexpectedAnswerError(SERVICE, reason) from error


class Schemas:
    """Avro schemas by id, as a topic's may change in the middle of a stream. Thread-safe."""

    def __init__(self, fetch: Callable[[str], str]) -> None:
        self._fetch = fetch
        self._lock = Lock()
        self._parsed: dict[str, Any] = {}

    def decode(self, schema_id: str, payload: bytes) -> Mapping[str, Any]:
        """Raises UnexpectedAnswerError for a payload that is not of the schema."""
        schema = self._schema(schema_id)
        try:
            record = fastavro.schemaless_reader(io.BytesIO(payload), schema, None)
        except (EOFError, ValueError, IndexError, StopIteration) as error:
            reason = f"a payload is not of its schema {schema_id}: {type(error).__name__}"
            raise UnexpectedAnswerError(SERVICE, reason) from error
        if not isinstance(record, Mapping):
            raise UnexpectedAnswerError(SERVICE, f"the schema {schema_id} is of no record")
        return record

    def _schema(self, schema_id: str) -> Any:
        with self._lock:
            if schema_id not in self._parsed:
                text = self._fetch(schema_id)
                try:
                    self._parsed[schema_id] = fastavro.parse_schema(json.loads(text))
                except (ValueError, fastavro.schema.SchemaParseException) as error:
                    reason = f"the schema {schema_id} is unreadable: {error}"
                    raise UnexpectedAnswerError(SERVICE, reason) from error
            return self._parsed[schema_id]
