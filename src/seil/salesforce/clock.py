"""The org's clock between two looks at it."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta


class OrgClock:
    """Goes on by this machine's monotonic clock: what its time of day says does not count.

    `ask` is a call to the org.
    """

    def __init__(self, ask: Callable[[], datetime]) -> None:
        self._ask = ask
        self._last: tuple[datetime, float] | None = None

    def read(self) -> datetime:
        """Asks. Raises as `ask` does."""
        now = self._ask()
        self._last = (now, time.monotonic())
        return now

    def estimate(self) -> datetime:
        """At most a second late; asks the first time only."""
        if self._last is None:
            return self.read()
        now, at = self._last
        return now + timedelta(seconds=time.monotonic() - at)
