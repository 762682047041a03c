"""So many a minute, over a sliding window, in this process."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

__all__ = ["RateLimit"]

_MINUTE = 60.0
_MOST_CALLERS = 10_000


@dataclass(slots=True)
class _Count:
    """A caller's requests in a minute of the clock, and in the one before it."""

    minute: float
    before: int
    now: int = 0


class RateLimit:
    """So many requests a minute and caller; of more than 10,000 callers the latest are remembered.

    Each minute of the clock is counted. The one before counts as far as it still lies within the
    last sixty seconds, as if its requests had come evenly.
    """

    def __init__(self, a_minute: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = a_minute
        self._clock = clock
        self._counts: OrderedDict[Hashable, _Count] = OrderedDict()

    def wait(self, caller: Hashable) -> float | None:
        """Seconds until the caller may come again; None: this one passes, and is counted."""
        if (seconds := self.peek(caller)) is None:
            self._counts[caller].now += 1
        return seconds

    def peek(self, caller: Hashable) -> float | None:
        """Like `wait`, but counts nothing."""
        minute, passed = divmod(self._clock(), _MINUTE)
        count = self._count(caller, minute)
        free = self._most - count.now
        if free > count.before * (1 - passed / _MINUTE):
            return None
        # Nothing is free before the next minute, or before enough of the last one is behind.
        until = _MINUTE * (1 - free / count.before) if free > 0 else _MINUTE
        return max(1.0, until - passed)

    def _count(self, caller: Hashable, minute: float) -> _Count:
        count = self._counts.get(caller)
        if count is None or count.minute != minute:
            before = count.now if count and count.minute == minute - 1 else 0
            count = self._counts[caller] = _Count(minute, before)
        self._counts.move_to_end(caller)
        if len(self._counts) > _MOST_CALLERS:
            self._counts.popitem(last=False)
        return count
