"""Events and dead letters: `seil events`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Self

from seil.app.documents.base import JsonDocument, TimeText
from seil.events.dispatch_state import DeadLetter
from seil.events.envelope import Event


@dataclass(frozen=True)
class EventPart:
    """An event (docs/events.md) with its number."""

    json_keys: ClassVar[Mapping[str, str]] = {"detail_type": "detail-type"}

    number: int
    version: str
    id: str
    detail_type: str
    source: str
    account: str
    time: TimeText
    region: str
    resources: Sequence[str]
    detail: Mapping[str, Any]

    @classmethod
    def of(cls, number: int, event: Event) -> Self:
        return cls(number, **_envelope(event))


@dataclass(frozen=True)
class EventDocument(
    EventPart, JsonDocument, schema="seil.event/1", command="seil events --follow, a line each"
): ...


@dataclass(frozen=True)
class DeadLetterPart(EventPart):
    """An event that a subscriber could not handle; `waiting`: it is to be delivered again."""

    subscriber: str
    reason: str
    attempts: int
    died_at: datetime
    waiting: bool

    @classmethod
    def of_letter(cls, letter: DeadLetter) -> Self:
        return cls(
            letter.seq,
            **_envelope(letter.event),
            subscriber=letter.subscriber,
            reason=letter.reason,
            attempts=letter.attempts,
            died_at=letter.died_at,
            waiting=letter.waiting,
        )


@dataclass(frozen=True)
class EventsDocument(JsonDocument, schema="seil.events/1", command="seil events"):
    events: Sequence[EventPart]

    @classmethod
    def of(cls, events: Sequence[tuple[int, Event]]) -> Self:
        return cls([EventPart.of(number, event) for number, event in events])


@dataclass(frozen=True)
class DeadLettersDocument(JsonDocument, schema="seil.dead-letters/1", command="seil events dead"):
    dead_letters: Sequence[DeadLetterPart]

    @classmethod
    def of(cls, letters: Sequence[DeadLetter]) -> Self:
        return cls([DeadLetterPart.of_letter(letter) for letter in letters])


@dataclass(frozen=True)
class RedeliverDocument(JsonDocument, schema="seil.redeliver/1", command="seil events redeliver"):
    redelivered: int


def _envelope(event: Event) -> dict[str, Any]:
    return {name.replace("-", "_"): value for name, value in event.to_dict().items()}
