"""A rate limit per caller, over a sliding minute, in this process."""

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
    """A caller's requests in a clock minute, and in the one before."""

    minute: float
    before: int
    now: int = 0


class RateLimit:
    """`a_minute` requests per caller; only the latest 10,000 callers are tracked.

    The sliding window is approximated from two clock minutes: the previous one counts by the share
    that lies within the last sixty seconds.
    """

    def __init__(self, a_minute: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = a_minute
        self._clock = clock
        self._counts: OrderedDict[Hashable, _Count] = OrderedDict()

    def wait(self, caller: Hashable) -> float | None:
        """Seconds until the caller may retry; None: the request passes, and is counted."""
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
        # Free in the next minute, or once the previous one's share has shrunk enough.
        free_at = _MINUTE * (1 - free / count.before) if free > 0 else _MINUTE
        return max(1.0, free_at - passed)

    def _count(self, caller: Hashable, minute: float) -> _Count:
        count = self._counts.get(caller)
        if count is None or count.minute != minute:
            before = count.now if count and count.minute == minute - 1 else 0
            count = self._counts[caller] = _Count(minute, before)
        self._counts.move_to_end(caller)
        if len(self._counts) > _MOST_CALLERS:
            self._counts.popitem(last=False)
        return count
