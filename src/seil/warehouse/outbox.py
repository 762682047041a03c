"""Events of what the warehouse commits: recorded with it, published after it.

After a kill between the two, the next load or build publishes them. Event ids are deterministic, so
that a bus deduplicates them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from seil.events.bus import Bus
from seil.events.envelope import Event
from seil.warehouse.commits import commit_id

if TYPE_CHECKING:
    from seil.warehouse.bookkeeping import Recorder
    from seil.warehouse.protocol import Warehouse


class Outbox:
    """The events of one load or build. Without a bus nothing is recorded or published."""

    def __init__(self, warehouse: Warehouse, bus: Bus | None) -> None:
        self._warehouse = warehouse
        self._bus = bus
        self._published: set[str] = set()
        if bus is not None:
            self.publish(warehouse.bookkeeping.pending_events())

    def add(self, recorder: Recorder, events: Sequence[Event]) -> None:
        """Replaces recorded events with the same id."""
        if self._bus is not None and events:
            recorder.replace_events(events)

    def publish(self, events: Sequence[Event]) -> None:
        if self._bus is not None and events:
            self._bus.publish(events)
            self._published |= {event.id for event in events}

    def clear(self) -> None:
        """Removes published events. Call it once at the end: each commit waits for the disk."""
        if self._published:
            name = commit_id("published", *self._published)
            with self._warehouse.commit(name) as commit:
                commit.recorder.remove_events(self._published)
        self._published = set()
