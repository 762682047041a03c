"""Where events go. EventBridge and the embedded journal stand in for each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from seil.events.envelope import Event


class Bus(Protocol):
    def publish(self, events: Sequence[Event]) -> None:
        """Returns once all events are stored durably. Idempotent by event id."""
        ...
