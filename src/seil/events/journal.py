"""The embedded bus: all events in order, in one SQLite file that any process can read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Unpack

from seil.closing import Closing
from seil.events.audit_trail import Numbered, Where, connected, file_keys, read_pages, storable
from seil.events.envelope import Event
from seil.events.journal_file import JournalFile

__all__ = ["Journal"]

_PRUNED_AT_ONCE = 1000

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


class Journal(Closing):
    """A durable `Bus`, and its `AuditTrail`.

    Threads and processes may publish and read at the same time.
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
                        [(key, stored[0]) for key in file_keys(event)],
                    )

    def last(self) -> int:
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
        parameters = _parameters(where)
        sql = _BACKWARD if newest_first else _FORWARD

        def page(low: int, high: int, size: int) -> list[Numbered]:
            return self.file.rows(sql, {**parameters, "low": low, "high": high, "page": size})

        return read_pages(page, after, limit=limit, newest_first=newest_first)

    def history(self, key: str) -> list[tuple[int, Event]]:
        sql = "SELECT seq, body FROM files JOIN events USING (seq) WHERE key = ?"
        return connected(lambda key: self.file.rows(sql, [key]), key)

    def prune(self, keep: timedelta, *, now: datetime | None = None) -> int:
        """Dead letters stay until they are that old themselves; undelivered events, too, unless
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
        storable(name) if isinstance(name, str) else None,
        storable(state) if isinstance(state, str) else None,
        storable(event.to_json()),
    )


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
