"""Stops work that runs in a thread: at its next progress report, pause, or step.

A flow reports progress after it has committed (a page landed, a file merged, a batch written and
its outcomes stored), so that little is done twice. What is not committed yet is rolled back, as
after a kill.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from seil.observe.progress import SILENT, Progress, Step


class StopRequestedError(BaseException):
    """Passes every handler of errors, like KeyboardInterrupt."""

    exit_code = 143


@dataclass(frozen=True)
class StopSignal:
    """Set in one thread, checked in others."""

    event: threading.Event = field(default_factory=threading.Event)

    def set(self) -> None:
        self.event.set()

    @property
    def is_set(self) -> bool:
        return self.event.is_set()

    def check(self) -> None:
        """Raises StopRequestedError once the signal is set."""
        if self.is_set:
            raise StopRequestedError

    def sleep(self, seconds: float) -> None:
        """As `time.sleep`. Raises StopRequestedError as soon as the signal is set."""
        self.event.wait(seconds)
        self.check()

    def progress(self, display: Progress = SILENT) -> Progress:
        """`display`, checked by each step and each report."""
        return _StoppableProgress(self, display)


class _StoppableProgress:
    def __init__(self, stop: StopSignal, display: Progress) -> None:
        self._stop = stop
        self._display = display

    @contextmanager
    def step(self, name: str, total: int | None = None) -> Iterator[Step]:
        self._stop.check()
        with self._display.step(name, total) as step:
            yield _StoppableStep(self._stop, step)


class _StoppableStep:
    def __init__(self, stop: StopSignal, display: Step) -> None:
        self._stop = stop
        self._display = display

    def advance(self, rows: int) -> None:
        self._display.advance(rows)
        self._stop.check()

    def expect(self, total: int) -> None:
        self._display.expect(total)

    def conclude(self, message: str, *, ok: bool = True) -> None:
        self._display.conclude(message, ok=ok)
