"""A subscriber's cursor and dead letters, in the journal's file."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime

from seil.events.envelope import Event
from seil.events.journal import Journal


@dataclass(frozen=True)
class DeadLetter:
    """An event that `subscriber` failed on; `waiting` if it is queued for redelivery."""

    subscriber: str
    seq: int
    event: Event
    reason: str
    attempts: int
    died_at: datetime
    waiting: bool


@dataclass(frozen=True)
class SubscriberState:
    """`behind` counts the events after the cursor."""

    subscriber: str
    cursor: int
    behind: int
    seen_at: datetime


class DispatchCursor:
    """One subscriber's cursor in the journal. Every method is one durable transaction."""

    def __init__(self, journal: Journal, subscriber: str, *, replay: bool) -> None:
        self._journal = journal
        self._file = journal.file
        self._name = subscriber
        with self._file.transaction() as connection:
            connection.execute(
                "INSERT INTO subscribers (name, cursor, seen_at)"
                " VALUES (?, iif(?, 0, (SELECT coalesce(max(seq), 0) FROM events)), ?)"
                " ON CONFLICT (name) DO UPDATE SET seen_at = excluded.seen_at",
                [subscriber, replay, _now()],
            )

    def position(self) -> int:
        rows = self._file.rows("SELECT cursor FROM subscribers WHERE name = ?", [self._name])
        return int(rows[0][0])

    def count_attempt(self, seq: int) -> int:
        """Counts an attempt before it starts, so that one that kills the process counts, too."""
        with self._file.transaction() as connection:
            row = connection.execute(
                "UPDATE subscribers SET attempts = iif(trying = :seq, attempts, 0) + 1,"
                " trying = :seq, seen_at = :now WHERE name = :name RETURNING attempts",
                {"seq": seq, "now": _now(), "name": self._name},
            ).fetchone()
        return int(row[0])

    def advance(self, seq: int) -> None:
        """Marks all events up to `seq` as delivered. The cursor never moves back."""
        with self._file.transaction() as connection:
            self._advance(connection, seq)

    def dead_letter(self, seq: int, reason: str, attempts: int) -> None:
        """Dead-letters the event and advances the cursor atomically."""
        with self._file.transaction() as connection:
            connection.execute(
                "INSERT INTO dead_letters (subscriber, seq, reason, attempts, died_at)"
                " VALUES (?, ?, ?, ?, ?) ON CONFLICT (subscriber, seq) DO UPDATE SET"
                " reason = excluded.reason, attempts = attempts + excluded.attempts,"
                " died_at = excluded.died_at, redeliver = 0",
                [self._name, seq, reason, attempts, _now()],
            )
            self._advance(connection, seq)

    def cancel_attempt(self) -> None:
        """Uncounts an attempt that was interrupted from outside."""
        with self._file.transaction() as connection:
            self._advance(connection, 0)

    def redeliveries(self) -> list[DeadLetter]:
        """The dead letters queued for redelivery."""
        return [letter for letter in dead_letters(self._journal, self._name) if letter.waiting]

    def delete_dead_letter(self, seq: int) -> None:
        """After a successful redelivery."""
        with self._file.transaction() as connection:
            connection.execute(
                "DELETE FROM dead_letters WHERE subscriber = ? AND seq = ?", [self._name, seq]
            )

    def _advance(self, connection: sqlite3.Connection, seq: int) -> None:
        connection.execute(
            "UPDATE subscribers SET cursor = max(cursor, ?), trying = 0, attempts = 0, seen_at = ?"
            " WHERE name = ?",
            [seq, _now(), self._name],
        )


def dead_letters(journal: Journal, subscriber: str | None = None) -> list[DeadLetter]:
    """Oldest first."""
    rows = journal.file.rows(
        "SELECT subscriber, seq, body, reason, attempts, died_at, redeliver"
        " FROM dead_letters JOIN events USING (seq) WHERE :name IS NULL OR subscriber = :name"
        " ORDER BY seq, subscriber",
        {"name": subscriber},
    )
    return [
        DeadLetter(
            name,
            seq,
            Event.from_dict(json.loads(body)),
            reason,
            attempts,
            datetime.fromisoformat(died_at),
            bool(is_queued),
        )
        for name, seq, body, reason, attempts, died_at, is_queued in rows
    ]


def redeliver(journal: Journal, *, subscriber: str | None = None, seq: int | None = None) -> int:
    """Queues dead letters for redelivery, and returns how many.

    They are delivered first when their subscriber runs next.
    """
    with journal.file.transaction() as connection:
        return connection.execute(
            "UPDATE dead_letters SET redeliver = 1 WHERE (:name IS NULL OR subscriber = :name)"
            " AND (:seq IS NULL OR seq = :seq)",
            {"name": subscriber, "seq": seq},
        ).rowcount


def subscriber_states(journal: Journal) -> list[SubscriberState]:
    rows = journal.file.rows(
        "SELECT name, cursor, (SELECT count(*) FROM events WHERE seq > cursor), seen_at"
        " FROM subscribers ORDER BY name"
    )
    return [
        SubscriberState(name, cursor, behind, datetime.fromisoformat(seen_at))
        for name, cursor, behind, seen_at in rows
    ]


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
