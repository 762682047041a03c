"""The deadline of the current request: set at the entry point, observed by every outgoing call.

An outgoing call waits for its own limit or the remaining time, whichever is shorter.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["deadline", "remaining", "unlimited"]

_deadline: ContextVar[float | None] = ContextVar("deadline", default=None)


@contextmanager
def deadline(seconds: float | None) -> Iterator[None]:
    """Limits the block to `seconds`; an earlier deadline of an outer block stays in force."""
    if seconds is None:
        yield
        return
    outer = _deadline.get()
    ends_at = time.monotonic() + seconds
    token = _deadline.set(ends_at if outer is None else min(ends_at, outer))
    try:
        yield
    finally:
        _deadline.reset(token)


@contextmanager
def unlimited() -> Iterator[None]:
    """Suspends outer deadlines: for work that other callers wait for, too."""
    token = _deadline.set(None)
    try:
        yield
    finally:
        _deadline.reset(token)


def remaining(limit: float) -> float:
    """Seconds that a call may take: the smaller of `limit` and the remaining time, at least 0."""
    ends_at = _deadline.get()
    return limit if ends_at is None else max(0.0, min(limit, ends_at - time.monotonic()))
