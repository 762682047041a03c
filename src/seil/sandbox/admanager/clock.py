"""The stand-in's adjustable clock: line items start, deliver and complete by it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from seil.sandbox.admanager.store import NetworkStore

_FACT = "clock ahead"
ZONE = "Australia/Sydney"


class Clock:
    def __init__(self, store: NetworkStore, real: Callable[[], datetime]) -> None:
        self._store = store
        self._real = real
        self.zone = ZoneInfo(ZONE)

    def now(self) -> datetime:
        ahead = float(self._store.fact(_FACT) or 0)
        return (self._real() + timedelta(seconds=ahead)).astimezone(UTC)

    def set_ahead(self, by: timedelta) -> None:
        self._store.set_fact(_FACT, str(by.total_seconds()))

    def set_now(self, moment: datetime) -> None:
        self.set_ahead(moment - self._real())


def moment(text: str) -> datetime:
    """RFC 3339. Raises ValueError; a time without an offset is UTC."""
    parsed = datetime.fromisoformat(text)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


def stamp(when: datetime) -> str:
    """RFC 3339 as protobuf's JSON writes it."""
    return when.astimezone(UTC).isoformat().replace("+00:00", "Z")
