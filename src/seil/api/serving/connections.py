"""The open connections, and their limit."""

from __future__ import annotations

import logging
import resource
import time
from collections.abc import Callable
from typing import Protocol

from seil.errors import ConfigurationError, Problem

__all__ = ["Connection", "Connections", "connection_limit"]

_log = logging.getLogger(__name__)

# Descriptors of files, SQLite, the event loop, the log, and connections being closed.
_BASE = 80
_FEWEST = 16
# Each takes some 20 kB: with a million descriptors memory would run out first.
_MOST = 10_000
_SYSTEMS = 2
# A new connection has this long to send its request before it may be closed for another.
_IDLE_SECONDS = 1.0


def connection_limit(setting: int | None, *, workers: int, sandbox: bool = False) -> int:
    """`[api] connections`, or what the process's descriptor limit allows beside downstream calls.

    Each of `workers` calls per system takes a descriptor, or two if a stand-in in this process
    answers it. Raises ConfigurationError where there are too few.
    """
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    reserve = _BASE + workers * _SYSTEMS * (2 if sandbox else 1)
    if descriptors == resource.RLIM_INFINITY:
        return setting or _MOST
    free = descriptors - reserve
    if free < (setting or _FEWEST):
        raise _too_few(descriptors, reserve, setting)
    return setting or min(free, _MOST)


def _too_few(descriptors: int, reserve: int, setting: int | None) -> ConfigurationError:
    needed = reserve + (setting or _FEWEST)
    reason = (
        f"the process may have {descriptors} descriptors, but needs {needed}: {reserve} are for "
        "calls and files"
    )
    cure = f"run `ulimit -n {needed}` first, or lower [api] connections or workers"
    value = "default" if setting is None else str(setting)
    return ConfigurationError([Problem(f"[api] connections = {value}", reason, cure)])


class Connection(Protocol):
    def leave(self) -> None:
        """Closes it. Called only while it has no request."""
        ...


class Connections:
    """At most `limit`. A new connection replaces the longest idle one, so that clients that hold
    connections without a request lock nobody out.
    """

    def __init__(self, limit: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self._clock = clock
        self._open: set[Connection] = set()
        # Idle since, longest first.
        self._idle: dict[Connection, float] = {}
        # How many were closed for a new one.
        self.replaced = 0

    @property
    def full(self) -> bool:
        return len(self._open) >= self.limit

    def admit(self, connection: Connection) -> bool:
        """Whether there is room for it. It counts as busy until `idle` is called."""
        if self.full and not self._replace():
            return False
        self._open.add(connection)
        return True

    def release(self, connection: Connection) -> None:
        self._open.discard(connection)
        self._idle.pop(connection, None)

    def idle(self, connection: Connection) -> None:
        """Marks it as without a request; repeated calls keep the first time."""
        if connection in self._open:
            self._idle.setdefault(connection, self._clock())

    def busy(self, connection: Connection) -> None:
        self._idle.pop(connection, None)

    def _replace(self) -> bool:
        connection, since = next(iter(self._idle.items()), (None, 0.0))
        if connection is None or self._clock() - since < _IDLE_SECONDS:
            return False
        self.release(connection)
        connection.leave()
        self.replaced += 1
        return True
