"""The embedded bus: all events in order, in one SQLite file that any process can read."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypedDict, Unpack

from seil.closing import Closing
from seil.events.envelope import Event
from seil.events.journal_file import JournalFile

__all__ = ["Journal", "Where"]

_PAGE = 500
_PRUNED_AT_ONCE = 1000
# The entries of a detail that name the file an event is about.
_FILE_KEYS = ("key", "landed_key", "archived_key", "curated_key", "exceptions_key")

_MATCHING = """
SELECT seq, body FROM events WHERE seq > :low AND seq < :high
AND (:source IS NULL OR source = :source)
AND (:detail_type IS NULL OR detail_type = :detail_type)
AND (:object IS NULL OR object = :object)
AND (:state IS NULL OR state = :state)
AND (:since IS NULL OR time >= :since)
AND (:until IS NULL OR time < :until)
AND (:text IS NULL OR instr(lower(body), lower(:text)))
"""
_FORWARD = _MATCHING + "ORDER BY seq LIMIT :page"
_BACKWARD = _MATCHING + "ORDER BY seq DESC LIMIT :page"


class Where(TypedDict, total=False):
    """Conditions on events, ANDed. Times are aware, `until` is exclusive.

    `object` is case-insensitive; `text` is searched for in the whole envelope.
    """

    source: str | None
    detail_type: str | None
    object: str | None
    state: str | None
    since: datetime | None
    until: datetime | None
    text: str | None


class Journal(Closing):
    """A durable `Bus`. Threads and processes may publish and read at the same time.

    Every event gets a sequence number; numbers grow in commit order, so that a reader who
    resumes after the last one it read misses nothing.
    """

    def __init__(self, path: Path) -> None:
        self.file = JournalFile(path)

    @property
    def path(self) -> Path:
        return self.file.path

    def close(self) -> None:
        self.file.close()

    def publish(self, events: Sequence[Event]) -> None:
        if not events:
            return
        rows = [_row(event) for event in events]
        with self.file.transaction() as connection:
            for event, row in zip(events, rows, strict=True):
                stored = connection.execute(
                    "INSERT INTO events (id, time, source, detail_type, object, state, body)"
                    " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING RETURNING seq",
                    row,
                ).fetchone()
                if stored:
                    connection.executemany(
                        "INSERT INTO files (key, seq) VALUES (?, ?)",
                        [(key, stored[0]) for key in _file_keys(event)],
                    )

    def last(self) -> int:
        """The newest event's number, 0 in an empty journal."""
        rows = self.file.rows("SELECT max(seq) FROM events")
        return int(rows[0][0] or 0)

    def read(
        self,
        after: int = 0,
        *,
        limit: int | None = None,
        newest_first: bool = False,
        **where: Unpack[Where],
    ) -> Iterator[tuple[int, Event]]:
        """Events with a number above `after`, paged: no lock is held while the caller works."""
        parameters = _parameters(where)
        sql = _BACKWARD if newest_first else _FORWARD
        remaining = limit
        low, high = after, 2**63 - 1
        while remaining is None or remaining > 0:
            page = _PAGE if remaining is None else min(remaining, _PAGE)
            rows = self.file.rows(sql, {**parameters, "low": low, "high": high, "page": page})
            for seq, body in rows:
                yield seq, Event.from_dict(json.loads(body))
            if len(rows) < page:
                return
            remaining = None if remaining is None else remaining - len(rows)
            low, high = (low, rows[-1][0]) if newest_first else (rows[-1][0], high)

    def follow(
        self,
        after: int | None = None,
        *,
        poll: float = 0.25,
        stop: threading.Event | None = None,
        **where: Unpack[Where],
    ) -> Iterator[tuple[int, Event]]:
        """New events as they arrive, until `stop` is set; those from now on if `after` is None."""
        stop = stop or threading.Event()
        position = self.last() if after is None else after
        while not stop.is_set():
            newest = self.last()
            for seq, event in self.read(position, **where):
                yield seq, event
                position = seq
            # Skips the events that did not match.
            position = max(position, newest)
            stop.wait(poll)

    def history(self, key: str) -> list[tuple[int, Event]]:
        """All events about the file with this landing, archived or curated key.

        A moved file keeps its history: its other keys are followed, too.
        """
        events: dict[int, Event] = {}
        queue = [_storable(key)]
        visited = set(queue)
        while queue:
            rows = self.file.rows(
                "SELECT seq, body FROM files JOIN events USING (seq) WHERE key = ?",
                [queue.pop()],
            )
            for seq, body in rows:
                events[seq] = Event.from_dict(json.loads(body))
                others = _file_keys(events[seq]) - visited
                queue += others
                visited |= others
        return sorted(events.items())

    def prune(self, keep: timedelta, *, now: datetime | None = None) -> int:
        """Deletes events older than `keep`, and returns how many.

        Dead letters stay until they are that old themselves. Undelivered events stay, too, unless
        their subscriber has not run for that long: an abandoned one must not fill the disk.
        """
        before = _stamp((now or datetime.now(UTC)) - keep)
        total = 0
        while pruned := self._prune_some(before):
            total += pruned
        self.file.shrink()
        return total

    def _prune_some(self, before: str) -> int:
        with self.file.transaction() as connection:
            connection.execute("DELETE FROM dead_letters WHERE died_at < ?", [before])
            return connection.execute(
                "DELETE FROM events WHERE seq IN (SELECT seq FROM events WHERE time < ?"
                " AND seq <= (SELECT coalesce(min(cursor), 9e18) FROM subscribers"
                " WHERE seen_at >= ?) AND seq NOT IN (SELECT seq FROM dead_letters) LIMIT ?)",
                [before, before, _PRUNED_AT_ONCE],
            ).rowcount


def _row(event: Event) -> tuple[str | None, ...]:
    name = event.detail.get("object")
    state = event.detail.get("state")
    return (
        event.id,
        _stamp(event.time),
        event.source,
        event.detail_type,
        _storable(name) if isinstance(name, str) else None,
        _storable(state) if isinstance(state, str) else None,
        _storable(event.to_json()),
    )


def _file_keys(event: Event) -> set[str]:
    """Also of S3's own events: https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html."""
    keys: list[Any] = [event.detail.get(name) for name in _FILE_KEYS]
    stored = event.detail.get("object")
    if isinstance(stored, dict):
        keys.append(stored.get("key"))
    return {_storable(key) for key in keys if isinstance(key, str) and key}


def _storable(text: str) -> str:
    """File names that are not UTF-8 have lone surrogates here, which SQLite refuses."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _stamp(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _parameters(where: Where) -> dict[str, Any]:
    since, until = where.get("since"), where.get("until")
    return {
        **{name: where.get(name) or None for name in ("source", "detail_type", "object", "state")},
        "text": where.get("text") or None,
        "since": _stamp(since) if since else None,
        "until": _stamp(until) if until else None,
    }
