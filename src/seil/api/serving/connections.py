"""The connections there are, and how many there may be."""

from __future__ import annotations

import logging
import resource
import time
from collections.abc import Callable
from typing import Protocol

from seil.errors import ConfigurationError, Problem

__all__ = ["Connection", "Connections", "connection_limit"]

_log = logging.getLogger(__name__)

# Descriptors that are no connections: files, sqlite, the loop, log, connections on their way out.
_BASE = 80
_FEWEST = 16
# Each takes some 20 kB; on a machine with a million descriptors memory would end first.
_MOST = 10_000
_SYSTEMS = 2
# A newcomer has this long to send its request before another may take its place.
_IDLE_SECONDS = 1.0


def connection_limit(setting: int | None, *, workers: int, sandbox: bool = False) -> int:
    """`[api] connections`, or what the process's descriptors leave beside calls to the systems.

    `workers` calls to each system hold a connection each; to a stand-in in this process, both ends.
    Raises ConfigurationError where the descriptors do not suffice.
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
        f"the process may have {descriptors} descriptors; {reserve} are for calls and files, "
        f"so that {needed} are needed"
    )
    cure = f"run `ulimit -n {needed}` before, or lower [api] connections or workers"
    given = "default" if setting is None else str(setting)
    return ConfigurationError([Problem(f"[api] connections = {given}", reason, cure)])


class Connection(Protocol):
    def leave(self) -> None:
        """Closes it, while no request is under way."""
        ...


class Connections:
    """At most `limit`. When they are all taken, the one that is idle for longest gives way to a
    newcomer: clients that hold connections without a request lock nobody out.
    """

    def __init__(self, limit: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.limit = limit
        self._clock = clock
        self._open: set[Connection] = set()
        # Since when, longest first.
        self._idle: dict[Connection, float] = {}
        # How many gave way.
        self.replaced = 0

    @property
    def full(self) -> bool:
        return len(self._open) >= self.limit

    def admit(self, connection: Connection) -> bool:
        """Whether there is room for it. Until `idle` is called it is not taken for idle."""
        if self.full and not self._replace():
            return False
        self._open.add(connection)
        return True

    def release(self, connection: Connection) -> None:
        self._open.discard(connection)
        self._idle.pop(connection, None)

    def idle(self, connection: Connection) -> None:
        """It has no request under way; said again, it is still idle since the first time."""
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
