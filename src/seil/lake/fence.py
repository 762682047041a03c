"""What stands between a run and its writes once it lost the lake's run lock.

https://martin.kleppmann.com/2016/02/08/how-to-do-distributed-locking.html describes the fault: a
holder that was paused past its lease writes over what its successor has written.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from seil.errors import LeaseLostError


class FencedLock(Protocol):
    """The lock a run holds. `token` is larger than that of every holder before."""

    @property
    def token(self) -> int: ...

    @property
    def name(self) -> str: ...

    def check(self) -> None:
        """Raises LeaseLostError once it is not held any more."""
        ...


class RunFence:
    """Without a lock held, writes go through and leave the stored token as it is."""

    def __init__(self) -> None:
        self._held: FencedLock | None = None

    @property
    def token(self) -> int | None:
        return self._held.token if self._held else None

    @contextmanager
    def guarding(self, held: FencedLock) -> Iterator[None]:
        self._held = held
        try:
            yield
        finally:
            self._held = None

    def check(self) -> None:
        """Raises LeaseLostError once the lock is lost."""
        if self._held:
            self._held.check()

    def admit(self, place: str, stored: int) -> int:
        """The token to write at `place`, which has `stored`. Raises LeaseLostError when that is
        newer than the holder's.
        """
        if self._held is None:
            return stored
        self._held.check()
        if stored > self._held.token:
            reason = f"{place} was written under token {stored}, this run has {self._held.token}"
            raise LeaseLostError(self._held.name, reason)
        return self._held.token
