"""How long what is under way may still take: set where a request comes in, kept by every call out.

A call on the way out waits for its own limit or for what is left, whichever is shorter.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["deadline", "remaining", "unlimited"]

_ends: ContextVar[float | None] = ContextVar("deadline", default=None)


@contextmanager
def deadline(seconds: float | None) -> Iterator[None]:
    """Within the block `seconds` are left, or fewer where an outer block says so."""
    if seconds is None:
        yield
        return
    outer = _ends.get()
    ends = time.monotonic() + seconds
    token = _ends.set(ends if outer is None else min(ends, outer))
    try:
        yield
    finally:
        _ends.reset(token)


@contextmanager
def unlimited() -> Iterator[None]:
    """Within the block outer blocks do not count: for what others than the caller wait for, too."""
    token = _ends.set(None)
    try:
        yield
    finally:
        _ends.reset(token)


def remaining(limit: float) -> float:
    """Seconds that a call may take: `limit`, or what is left; 0 where nothing is."""
    ends = _ends.get()
    return limit if ends is None else max(0.0, min(limit, ends - time.monotonic()))
