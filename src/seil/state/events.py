"""The audit trail of a site whose bus is EventBridge: every event, by what it is looked up by."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Unpack

from seil.events.audit_trail import Numbered, Where, connected, file_keys, read_pages, storable
from seil.events.envelope import Event
from seil.state.database import Database, Transaction, stamp, write

_PRUNED_AT_ONCE = 1000

_LAST = "SELECT coalesce(max(number), 0) FROM events"
_NUMBER = "SELECT number FROM events WHERE id = :id"
# Writers take turns: no other gets the same number, nor a later one earlier.
_INSERT = """
INSERT INTO events (number, id, occurred_at, source, detail_type, object, state, body)
SELECT coalesce(max(number), 0) + 1, :id, :occurred_at, :source, :detail_type, :object, :state,
    :body FROM events WHERE 1 = 1 ON CONFLICT (id) DO NOTHING"""
_INSERT_FILE = "INSERT INTO event_files (key, number) VALUES (:key, :number)"
_ABOUT = """
SELECT number, body FROM event_files JOIN events USING (number)
WHERE key = :key ORDER BY number"""
# PostgreSQL plans with the values, so that a condition that is not set costs nothing.
_MATCHING = r"""
SELECT number, body FROM events WHERE number > :low AND number < :high
AND (:source = '' OR source = :source)
AND (:detail_type = '' OR detail_type = :detail_type)
AND (:object = '' OR object = :object)
AND (:state = '' OR state = :state)
AND (:since = '' OR occurred_at >= :since)
AND (:until = '' OR occurred_at < :until)
AND (:text = '' OR lower(body) LIKE :text ESCAPE '\')
"""
_FORWARD = _MATCHING + "ORDER BY number LIMIT :size"
_BACKWARD = _MATCHING + "ORDER BY number DESC LIMIT :size"
# The newest stays, so that no number is given twice.
_OLD = """
SELECT number FROM events WHERE occurred_at < :before
AND number < (SELECT max(number) FROM events) ORDER BY number LIMIT :most"""
_DELETE = "DELETE FROM events WHERE number = :number"
_DELETE_FILES = "DELETE FROM event_files WHERE number = :number"


@dataclass(frozen=True)
class StoredEvents:
    """An `AuditTrail`, filled by `publish`, as a `Bus` is."""

    database: Database

    def publish(self, events: Sequence[Event]) -> None:
        if events:
            write(self.database, lambda transaction: _store(transaction, events))

    def last(self) -> int:
        return int(self.database.rows(_LAST)[0][0])

    def read(
        self,
        after: int = 0,
        *,
        limit: int | None = None,
        newest_first: bool = False,
        **where: Unpack[Where],
    ) -> Iterator[tuple[int, Event]]:
        parameters = _parameters(where)
        sql = _BACKWARD if newest_first else _FORWARD

        def page(low: int, high: int, size: int) -> list[Numbered]:
            return self.database.rows(sql, low=low, high=high, size=size, **parameters)

        return read_pages(page, after, limit=limit, newest_first=newest_first)

    def history(self, key: str) -> list[tuple[int, Event]]:
        return connected(lambda key: self.database.rows(_ABOUT, key=key), key)

    def prune(self, keep: timedelta, *, now: datetime | None = None) -> int:
        before = stamp((now or datetime.now(UTC)) - keep)
        total = 0
        while pruned := write(self.database, lambda transaction: _prune_some(transaction, before)):
            total += pruned
        return total


def _store(transaction: Transaction, events: Sequence[Event]) -> None:
    for event in events:
        if transaction.execute(_INSERT, **_row(event)):
            number = transaction.rows(_NUMBER, id=event.id)[0][0]
            keys = sorted(file_keys(event))
            transaction.execute_many(_INSERT_FILE, [{"key": k, "number": number} for k in keys])


def _row(event: Event) -> dict[str, str]:
    name = event.detail.get("object")
    state = event.detail.get("state")
    return {
        "id": event.id,
        "occurred_at": stamp(event.time),
        "source": event.source,
        "detail_type": event.detail_type,
        "object": storable(name).lower() if isinstance(name, str) else "",
        "state": storable(state) if isinstance(state, str) else "",
        "body": storable(event.to_json()),
    }


def _parameters(where: Where) -> dict[str, str]:
    """Empty where a condition is not set."""
    since, until = where.get("since"), where.get("until")
    text = storable(where.get("text") or "").lower()
    escaped = text.translate({ord(sign): f"\\{sign}" for sign in "\\%_"})
    return {
        "source": where.get("source") or "",
        "detail_type": where.get("detail_type") or "",
        "object": storable(where.get("object") or "").lower(),
        "state": storable(where.get("state") or ""),
        "since": stamp(since) if since else "",
        "until": stamp(until) if until else "",
        "text": f"%{escaped}%" if text else "",
    }


def _prune_some(transaction: Transaction, before: str) -> int:
    numbers = [
        {"number": number}
        for (number,) in transaction.rows(_OLD, before=before, most=_PRUNED_AT_ONCE)
    ]
    transaction.execute_many(_DELETE_FILES, numbers)
    transaction.execute_many(_DELETE, numbers)
    return len(numbers)
