"""How long a caller still waits, for every call made on its behalf."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from seil.errors import TooSlowError

_ends: ContextVar[float | None] = ContextVar("seil_admanager_ends", default=None)


@contextmanager
def within(seconds: float | None) -> Iterator[None]:
    """Calls made inside are given up after so many seconds; None leaves the limit as it is."""
    ends = _ends.get()
    if seconds is not None:
        mine = time.monotonic() + seconds
        ends = mine if ends is None else min(ends, mine)
    token = _ends.set(ends)
    try:
        yield
    finally:
        _ends.reset(token)


def remaining(limit: float) -> float:
    """Seconds that a call may take: `limit`, or less where the caller waits less long."""
    ends = _ends.get()
    return limit if ends is None else min(limit, ends - time.monotonic())


def time_for_call(service: str, limit: float) -> float:
    """The same. Raises TooSlowError, not `reached`, where there is no time left."""
    seconds = remaining(limit)
    if seconds <= 0:
        error = TooSlowError(service, limit)
        error.reached = False
        raise error
    return seconds
