"""Runs scheduled jobs, each in a thread of its own, until a stop is requested.

Intervals are measured by the monotonic clock. A run that is overdue is started once, however many
intervals it has missed. A failed job is tried again after a pause that doubles; the others keep
their times.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Literal

from seil.app import wording
from seil.app.start.jobs import JobContext, JobResult, ScheduledJob
from seil.app.start.stopping import StopRequestedError, StopSignal
from seil.app.start.turns import Turns
from seil.errors import AlreadyRunningError, LoginError, SeilError
from seil.observe.progress import SILENT, Progress

if TYPE_CHECKING:
    from seil.app.site import Site

log = logging.getLogger(__name__)

JobState = Literal[
    "waiting", "running", "success", "incomplete", "failed", "refused", "stopped", "working"
]
_FIRST_PAUSE = timedelta(minutes=1)
_LONGEST_PAUSE = timedelta(minutes=15)
_CHECK_EVERY = 5.0


@dataclass(frozen=True)
class JobChange:
    """A job's new state. `wait` is the time until its next run, None while it runs.

    `working` is a line on a job that runs all the time.
    """

    job: str
    state: JobState
    at: datetime
    message: str = ""
    wait: timedelta | None = None
    failures: int = 0

    @property
    def next_at(self) -> datetime | None:
        return None if self.wait is None else self.at + self.wait


@dataclass
class _Entry:
    scheduled: ScheduledJob
    due: float
    started: float = 0.0
    failures: int = 0
    thread: threading.Thread | None = None

    @property
    def name(self) -> str:
        return self.scheduled.job.name


@dataclass(frozen=True)
class _End:
    entry: _Entry
    result: JobResult | BaseException


@dataclass
class Scheduler:
    """`first_waits` are by job; `check` is called at least every five seconds, and may raise."""

    jobs: Sequence[ScheduledJob]
    open_site: Callable[[], AbstractContextManager[Site]]
    on_change: Callable[[JobChange], None] = lambda _: None
    first_waits: Mapping[str, timedelta] = field(default_factory=dict)
    stop: StopSignal = field(default_factory=StopSignal)
    display: Progress = SILENT
    check: Callable[[], object] = lambda: None
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self._wake: SimpleQueue[_End | None] = SimpleQueue()
        self._turns = Turns(on_release=self.wake)
        now = self.clock()
        self._entries = [
            _Entry(job, now + self._first_wait(job).total_seconds()) for job in self.jobs
        ]

    def wake(self) -> None:
        """Lets `run` look at the clock and the stop again. Safe in a signal handler."""
        self._wake.put(None)

    def run(self) -> None:
        """Returns once the stop is set; work may still be under way: `shut_down`."""
        for entry in self._entries:
            self._announce(entry, "waiting")
        while not self.stop.is_set:
            self.check()
            self._start_due()
            self._wait()

    def shut_down(self, patience: timedelta) -> list[str]:
        """Stops the jobs, and waits for them. Returns those that still run after `patience`."""
        self.stop.set()
        deadline = time.monotonic() + patience.total_seconds()
        while running := [entry for entry in self._entries if entry.thread]:
            try:
                self._settle(self._wake.get(timeout=max(deadline - time.monotonic(), 0)))
            except Empty:
                return [entry.name for entry in running]
        return []

    def _first_wait(self, job: ScheduledJob) -> timedelta:
        return self.first_waits.get(job.job.name, timedelta())

    def _start_due(self) -> None:
        now = self.clock()
        for entry in self._entries:
            is_due = entry.thread is None and entry.due <= now
            if is_due and self._turns.take(entry.scheduled.job.turns):
                entry.started = now
                entry.thread = threading.Thread(
                    target=self._work, args=[entry], name=entry.name, daemon=True
                )
                self._announce(entry, "running")
                entry.thread.start()

    def _wait(self) -> None:
        """Until a job is due or has ended. A job whose turn is taken waits for its release."""
        now = self.clock()
        waits = [entry.due - now for entry in self._entries if entry.thread is None]
        pause = min([wait for wait in waits if wait > 0] + [_CHECK_EVERY])
        try:
            self._settle(self._wake.get(timeout=pause))
        except Empty:
            return

    def _work(self, entry: _Entry) -> None:
        """In the job's thread."""
        job = entry.scheduled.job
        context = JobContext(
            stop=self.stop,
            turns=self._turns,
            every=entry.scheduled.every,
            display=self.display,
            report=lambda line: self._announce(entry, "working", line),
        )
        result: JobResult | BaseException = StopRequestedError()
        try:
            with self.open_site() as site:
                result = job.run(site, context)
        except BaseException as error:  # noqa: BLE001 (the outermost loop: no job ends another)
            result = error
        finally:
            self._turns.release(job.turns)
            self._wake.put(_End(entry, result))

    def _settle(self, end: _End | None) -> None:
        if end is None:
            return
        entry, result = end.entry, end.result
        entry.thread = None
        if self._is_stopped(entry, result):
            self._announce(entry, "stopped")
        elif isinstance(result, JobResult):
            self._succeed(entry, result)
        elif isinstance(result, AlreadyRunningError):
            self._put_off(entry, "refused", str(result))
        else:
            self._fail(entry, result)

    def _is_stopped(self, entry: _Entry, result: JobResult | BaseException) -> bool:
        """Not a job that has ended in spite of the stop, well or badly."""
        if isinstance(result, StopRequestedError):
            return True
        is_over = isinstance(result, JobResult) and entry.scheduled.every is None
        return self.stop.is_set and (is_over or isinstance(result, AlreadyRunningError))

    def _succeed(self, entry: _Entry, result: JobResult) -> None:
        entry.failures = 0
        if result.is_early:
            self._put_off(entry, "waiting", result.message)
            return
        every = entry.scheduled.every or _FIRST_PAUSE
        entry.due = max(self.clock(), entry.started + every.total_seconds())
        state: JobState = "incomplete" if result.problems else "success"
        self._announce(entry, state, "; ".join(filter(None, [result.message, *result.problems])))

    def _put_off(self, entry: _Entry, state: JobState, message: str) -> None:
        entry.due = self.clock() + _retry_pause(entry.scheduled.every).total_seconds()
        self._announce(entry, state, message)

    def _fail(self, entry: _Entry, error: BaseException) -> None:
        now = self.clock()
        if entry.scheduled.every is None and now - entry.started > _LONGEST_PAUSE.total_seconds():
            entry.failures = 0
        entry.failures += 1
        wait = backoff(entry.failures, entry.scheduled.every, error)
        entry.due = now + wait.total_seconds()
        unexpected = None if isinstance(error, SeilError) else error
        text = "%s failed, next try in %s: %s"
        log.error(text, entry.name, wording.duration(wait), error, exc_info=unexpected)
        self._announce(entry, "failed", str(error))

    def _announce(self, entry: _Entry, state: JobState, message: str = "") -> None:
        wait = None
        if state not in ("running", "working") and not self.stop.is_set:
            wait = timedelta(seconds=max(entry.due - self.clock(), 0))
        self.on_change(
            JobChange(entry.name, state, datetime.now(UTC), message, wait, entry.failures)
        )


def backoff(failures: int, every: timedelta | None, error: BaseException) -> timedelta:
    """The pause before the next try: a minute or the interval, doubled by each failure.

    A refused login waits the longest at once: repeated, it locks the user out.
    """
    if isinstance(error, LoginError):
        return _LONGEST_PAUSE
    doubled: timedelta = _retry_pause(every) * 2 ** min(failures - 1, 20)
    return min(doubled, _LONGEST_PAUSE)


def _retry_pause(every: timedelta | None) -> timedelta:
    return min(every or _FIRST_PAUSE, _FIRST_PAUSE)
