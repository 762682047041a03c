"""Fencing: refuses the writes of a run that lost the lake's run lock.

Without it, a holder that was paused past its lease overwrites what its successor wrote:
https://martin.kleppmann.com/2016/02/08/how-to-do-distributed-locking.html
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from seil.errors import LeaseLostError


class FencedLock(Protocol):
    """The lock that a run holds. Fencing tokens grow from holder to holder."""

    @property
    def token(self) -> int: ...

    @property
    def name(self) -> str: ...

    def check(self) -> None:
        """Raises LeaseLostError once the lock is lost."""
        ...


class RunFence:
    """Outside `guard`, writes pass and keep the stored token."""

    def __init__(self) -> None:
        self._lock: FencedLock | None = None

    @property
    def token(self) -> int | None:
        return self._lock.token if self._lock else None

    @contextmanager
    def guard(self, lock: FencedLock) -> Iterator[None]:
        self._lock = lock
        try:
            yield
        finally:
            self._lock = None

    def check(self) -> None:
        """Raises LeaseLostError once the lock is lost."""
        if self._lock:
            self._lock.check()

    def admit(self, place: str, stored: int) -> int:
        """The token to write at `place`. Raises LeaseLostError if the `stored` one is newer than
        the holder's.
        """
        if self._lock is None:
            return stored
        self._lock.check()
        if stored > self._lock.token:
            reason = f"{place} was written under token {stored}, this run has {self._lock.token}"
            raise LeaseLostError(self._lock.name, reason)
        return self._lock.token
