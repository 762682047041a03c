"""How far each stream of events has been committed to the warehouse."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from seil.state.database import Database, moment_or_none, stamp, write

_ALL = "SELECT topic, replay_id, gap, gap_until, changed_at FROM stream_positions ORDER BY topic"
_PUT = """
INSERT INTO stream_positions (topic, replay_id, gap, gap_until, changed_at)
VALUES (:topic, :replay_id, :gap, :gap_until, :changed_at)
ON CONFLICT (topic) DO UPDATE SET replay_id = excluded.replay_id, gap = excluded.gap,
    gap_until = excluded.gap_until, changed_at = excluded.changed_at"""


@dataclass(frozen=True)
class StreamPosition:
    """`replay_id` is of the last event whose records were committed; empty: none yet.

    `gap` says why events are missing. It is closed once the object's watermark is past `gap_until`
    on the org's clock; None: the stream is not open again yet. Of a platform event, whose past no
    window reads, `gap_until` is the moment from which on its events are wanted. `placed_at` is when
    `replay_id` was stored, on this machine's clock.
    """

    topic: str
    replay_id: bytes = b""
    gap: str = ""
    gap_until: datetime | None = None
    placed_at: datetime | None = None


@dataclass(frozen=True)
class StreamPositions:
    database: Database

    def all(self) -> dict[str, StreamPosition]:
        """By topic."""
        return {
            topic: StreamPosition(
                topic, bytes.fromhex(replay), gap, moment_or_none(until), moment_or_none(at)
            )
            for topic, replay, gap, until, at in self.database.rows(_ALL)
        }

    def store(self, positions: Iterable[StreamPosition]) -> None:
        """All of them or none."""
        rows = [
            {
                "topic": position.topic,
                "replay_id": position.replay_id.hex(),
                "gap": position.gap,
                "gap_until": stamp(position.gap_until) if position.gap_until else "",
                "changed_at": stamp(position.placed_at) if position.placed_at else "",
            }
            for position in positions
        ]
        write(self.database, lambda transaction: transaction.execute_many(_PUT, rows))
