"""Events of what the warehouse commits: written with it, published behind it.

A kill between the two leaves them in `seil.outbox`; the next load or build publishes them then.
Their ids are those of what happened, so that a bus which has them already takes them once.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pyarrow as pa

from seil.events.bus import Bus
from seil.events.envelope import Event
from seil.sf_to_dw.load.ledger import OUTBOX, ledger_schema
from seil.warehouse.sql import compose, joined, literal, translated

if TYPE_CHECKING:
    from seil.warehouse.protocol import Warehouse


class Outbox:
    """Of one load or build, from its start on. Without a bus nothing is written or published."""

    def __init__(self, warehouse: Warehouse, bus: Bus | None) -> None:
        self._warehouse = warehouse
        self._bus = bus
        self._published: set[str] = set()
        if bus is not None and OUTBOX.name in warehouse.tables(OUTBOX.schema):
            rows = warehouse.query("SELECT body FROM seil.outbox ORDER BY written_at")
            bodies = map(str, rows["body"].to_pylist())
            self.publish([Event.from_dict(json.loads(body)) for body in bodies])

    def put(self, events: Sequence[Event]) -> None:
        """In the caller's transaction. Takes the place of what was put under the same id."""
        if self._bus is None or not events:
            return
        self._delete({event.id for event in events})
        now = datetime.now(UTC)
        rows = [{"event_id": e.id, "body": e.to_json(), "written_at": now} for e in events]
        self._warehouse.append(OUTBOX, pa.Table.from_pylist(rows, schema=ledger_schema(OUTBOX)))

    def publish(self, events: Sequence[Event]) -> None:
        if self._bus is not None and events:
            self._bus.publish(events)
            self._published |= {event.id for event in events}

    def clear(self) -> None:
        """Of what has been published; once at the end, as each commit waits for the disk."""
        if self._published:
            with self._warehouse.transaction():
                self._delete(self._published)
        self._published = set()

    def _delete(self, ids: Collection[str]) -> None:
        if ids:
            listed = joined(", ", map(literal, sorted(ids)))
            delete = compose("DELETE FROM seil.outbox WHERE event_id IN ({ids})", ids=listed)
            self._warehouse.execute(translated(delete, self._warehouse.dialect))
