"""Turns of jobs in one process that would otherwise wait for each other's lock."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from seil.app.start.stopping import StopSignal

_POLL = 0.25


class Turns:
    """Names that one thread holds at a time. `on_release` is called after each release."""

    def __init__(self, on_release: Callable[[], None] = lambda: None) -> None:
        self._on_release = on_release
        self._busy: set[str] = set()
        self._changed = threading.Condition()

    def take(self, names: Iterable[str]) -> bool:
        """Takes all of `names`, or none: False."""
        with self._changed:
            if not self._busy.isdisjoint(names):
                return False
            self._busy.update(names)
            return True

    def release(self, names: Iterable[str]) -> None:
        with self._changed:
            self._busy.difference_update(names)
            self._changed.notify_all()
        self._on_release()

    @contextmanager
    def hold(self, name: str, stop: StopSignal) -> Iterator[None]:
        """Waits for `name`. Raises StopRequestedError on `stop`."""
        with self._changed:
            while name in self._busy:
                self._changed.wait(_POLL)
                stop.check()
            self._busy.add(name)
        try:
            yield
        finally:
            self.release([name])
