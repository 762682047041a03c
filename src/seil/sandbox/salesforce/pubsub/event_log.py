"""The org's events, in its database: what is committed survives a restart."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

import pyarrow as pa

from seil.sandbox.salesforce.pubsub.schemas import ALL_CHANGES, EventSchema
from seil.sandbox.salesforce.store import OrgStore

_SCHEMA = """
CREATE TABLE IF NOT EXISTS seil.events (
    replay BIGINT, topic VARCHAR, event_id VARCHAR, schema_id VARCHAR, payload BLOB,
    published_at TIMESTAMP
);
CREATE TABLE IF NOT EXISTS seil.event_schemas (id VARCHAR PRIMARY KEY, json VARCHAR)
"""
_COLUMNS = ("replay", "topic", "event_id", "schema_id", "payload", "published_at")
_INCOMING = "seil_incoming_events"
RETENTION = timedelta(hours=72)
_LAST, _PRUNED = "last_replay", "pruned_replay"
_FIRST = 1_000
# Ids are not contiguous: other tenants' events lie in between.
_STEPS = (3, 1, 7, 2, 11)

ReplayProblem = Literal["", "corrupted", "gone"]


@dataclass(frozen=True)
class NewEvent:
    topic: str
    event_id: str
    schema_id: str
    payload: bytes


@dataclass(frozen=True)
class StoredEvent(NewEvent):
    replay: int

    @property
    def replay_id(self) -> bytes:
        return encode_replay(self.replay)


def encode_replay(replay: int) -> bytes:
    return replay.to_bytes(8, "big")


class EventLog:
    """Thread-safe. `arrival` is notified after each commit of events."""

    def __init__(self, store: OrgStore) -> None:
        self._store = store
        self.arrival = threading.Condition()
        with store.write() as cursor:
            cursor.execute(_SCHEMA)

    def append(self, events: Sequence[NewEvent], now: datetime) -> list[int]:
        """Returns their replay numbers. Within a write of the store, part of it."""
        if not events:
            return []
        with self._store.write() as cursor:
            last, numbers = self.last(), []
            for event in events:
                last += _STEPS[(last + len(event.payload)) % len(_STEPS)]
                numbers.append(last)
            at = [now.astimezone(UTC).replace(tzinfo=None)] * len(events)
            columns = [
                pa.array(numbers, pa.int64()),
                *(pa.array([getattr(event, name) for event in events]) for name in _COLUMNS[1:5]),
                pa.array(at, pa.timestamp("us")),
            ]
            cursor.register(_INCOMING, pa.table(columns, names=list(_COLUMNS)))
            try:
                cursor.execute(f"INSERT INTO seil.events BY NAME FROM {_INCOMING}")
            finally:
                cursor.unregister(_INCOMING)
            self._store.keep_setting(_LAST, str(last))
        return numbers

    def announce(self) -> None:
        """Wakes the subscribers."""
        with self.arrival:
            self.arrival.notify_all()

    def last(self) -> int:
        return int(self._store.setting(_LAST, str(_FIRST)))

    def after(self, topic: str, replay: int, limit: int) -> list[StoredEvent]:
        many = topic == ALL_CHANGES
        condition = "topic LIKE '/data/%ChangeEvent'" if many else "topic = ?"
        rows = self._store.cursor().execute(
            "SELECT topic, event_id, schema_id, payload, replay FROM seil.events"  # noqa: S608
            f" WHERE replay > ? AND {condition} ORDER BY replay LIMIT {limit}",
            [replay, *([] if many else [topic])],
        )
        return [StoredEvent(*row) for row in rows.fetchall()]

    def check(self, replay_id: bytes) -> ReplayProblem:
        if len(replay_id) != len(encode_replay(0)):
            return "corrupted"
        replay = int.from_bytes(replay_id, "big")
        if replay > self.last() or replay < 0:
            return "corrupted"
        return "gone" if replay < int(self._store.setting(_PRUNED, "0")) else ""

    def prune(self, now: datetime) -> None:
        before = now.astimezone(UTC).replace(tzinfo=None) - RETENTION
        with self._store.write() as cursor:
            rows = cursor.execute(
                "SELECT max(replay) FROM seil.events WHERE published_at < ?", [before]
            ).fetchall()
            if (last := rows[0][0]) is not None:
                cursor.execute("DELETE FROM seil.events WHERE replay <= ?", [last])
                self._store.keep_setting(_PRUNED, str(last))

    def store_schemas(self, schemas: Iterable[EventSchema]) -> None:
        with self._store.write() as cursor:
            for schema in schemas:
                values = [schema.id, schema.json]
                cursor.execute("INSERT OR IGNORE INTO seil.event_schemas VALUES (?, ?)", values)

    def schema(self, schema_id: str) -> str | None:
        sql = "SELECT json FROM seil.event_schemas WHERE id = ?"
        row = self._store.cursor().execute(sql, [schema_id]).fetchone()
        return str(row[0]) if row else None
