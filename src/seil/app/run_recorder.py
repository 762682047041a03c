"""Writes a run's report as it goes on: each attempt of a step, and its last log lines.

An attempt's start and end are a commit each. Log lines are buffered, and written with the next
commit or twice a second; of each attempt the last ones are kept, up to a number and 64 KiB. When a
write fails (a full disk, a state server that restarts), the run continues: the report is buffered,
bounded, and written again after a pause.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count

from typing_extensions import override

from seil.errors import SeilError, StateError, error_type
from seil.masking import mask
from seil.observe.progress import Progress, Step
from seil.observe.run_context import current_run
from seil.state.runs import Attempt, AttemptOutcome, LogLine, RunStore

log = logging.getLogger(__name__)

_EVERY = 0.5
_LINES_PER_WRITE = 50
_BUFFERED_LINES = 2_000
_BUFFERED_ATTEMPTS = 2_000
# A failed write may take a minute and the run waits for it: that costs a fifth of its time at most.
_LEAST_PAUSE, _LONGEST_PAUSE = 15.0, 300.0
_PAUSE_PER_SECOND = 4
_LONGEST = 2_000
_ATTEMPT_BYTES = 65_536

_current: ContextVar[int] = ContextVar("attempt", default=0)


class RunRecorder:
    """Of one run; thread-safe. `log_lines` are kept of each attempt.

    `on_begin` stores the run itself: on `begin`, or before the first attempt.
    """

    def __init__(
        self,
        runs: RunStore,
        run_id: str,
        *,
        log_lines: int,
        on_begin: Callable[[], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._runs = runs
        self._run_id = run_id
        self._log_lines = log_lines
        self._clock = clock
        self._lock = threading.RLock()
        self._numbers = count(1)
        self._tries: Counter[tuple[str, str]] = Counter()
        self._tails: dict[int, _Tail] = {}
        self._buffer = _Buffer()
        self._written_at = clock()
        self._failed_at: float | None = None
        self._retry_at = 0.0
        self._is_writing = False
        self._on_begin = on_begin
        self.is_begun = False

    def begin(self) -> None:
        """Raises StateError."""
        with self._lock:
            if not self.is_begun:
                self._on_begin()
                self.is_begun = True

    @contextmanager
    def attempt(self, step: str, about: str) -> Iterator[RecordedAttempt]:
        recorded = self._begin(step, about)
        token = _current.set(recorded.number)
        outcome: AttemptOutcome = "success"
        failure: BaseException | None = None
        try:
            yield recorded
        except BaseException as error:
            outcome = "error" if isinstance(error, Exception) else "interrupted"
            failure = error
            raise
        finally:
            _current.reset(token)
            recorded.end(outcome, failure)

    @contextmanager
    def capture(self) -> Iterator[None]:
        """SEIL's own lines from INFO on, whatever is shown of them."""
        logger, handler = logging.getLogger("seil"), _Handler(self.add_line)
        try:
            with _LEVEL.at_most(logging.INFO):
                logger.addHandler(handler)
                yield
        finally:
            logger.removeHandler(handler)
            with self._lock:
                # The last chance: not put off by a pause.
                self._retry_at = 0.0
                self._flush()

    def add_line(self, record: logging.LogRecord) -> None:
        if current_run() != self._run_id or not self._log_lines:
            return
        at = datetime.fromtimestamp(record.created, UTC)
        text = cut(mask(record.getMessage()))
        with self._lock:
            number = _current.get()
            tail = self._tails.setdefault(number, _Tail(self._log_lines))
            line = LogLine(number, tail.add(len(text.encode())), at, record.levelname, text)
            self._buffer.lines.append(line)
            is_due = len(self._buffer.lines) >= _LINES_PER_WRITE
            is_due = is_due or record.levelno >= logging.WARNING
            if is_due or self._clock() - self._written_at > _EVERY:
                self._flush()

    def put(self, attempt: Attempt) -> None:
        with self._lock:
            self._buffer.put_attempt(attempt)
            self._flush()

    def _begin(self, step: str, about: str) -> RecordedAttempt:
        with self._lock:
            self.begin()
            self._tries[step, about] += 1
            tries, number = self._tries[step, about], next(self._numbers)
            attempt = Attempt(step, about, tries, number, datetime.now(UTC))
            self.put(attempt)
        return RecordedAttempt(self, attempt)

    def _flush(self) -> None:
        """Writes what is buffered. Does nothing during a pause."""
        is_paused = self._clock() < self._retry_at
        if self._is_writing or is_paused or not self.is_begun or self._buffer.is_empty:
            return
        written, self._buffer = self._buffer, _Buffer()
        started_at = self._written_at = self._clock()
        self._is_writing = True
        try:
            self._write(written)
        except StateError as error:
            self._buffer = written.merge(self._buffer)
            self._pause(error, self._clock() - started_at)
        else:
            self._resume()
        finally:
            self._is_writing = False

    def _write(self, buffer: _Buffer) -> None:
        numbers = {line.number for line in buffer.lines}
        cut = {n: self._tails[n].dropped for n in numbers if self._tails[n].dropped}
        lines = [line for line in buffer.lines if line.line > cut.get(line.number, 0)]
        self._runs.store_report(self._run_id, buffer.attempts.values(), lines, cut=cut)

    def _pause(self, error: StateError, took: float) -> None:
        now = self._clock()
        pause = min(max(_LEAST_PAUSE, _PAUSE_PER_SECOND * took), _LONGEST_PAUSE)
        self._retry_at = now + pause
        if self._failed_at is None:
            self._failed_at = now
            text = "the run continues, but its report cannot be written; next try in %.0f s: %s"
            log.warning(text, pause, error)

    def _resume(self) -> None:
        if self._failed_at is not None:
            seconds, self._failed_at = self._clock() - self._failed_at, None
            log.info("the run's report is written again, after %.0f s", seconds)


class _SharedLevel:
    """The level of SEIL's logger while runs are captured, of which a process may have several."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._runs = 0
        self._before = logging.NOTSET

    @contextmanager
    def at_most(self, level: int) -> Iterator[None]:
        logger = logging.getLogger("seil")
        with self._lock:
            if not self._runs:
                self._before = logger.level
                if logger.getEffectiveLevel() > level:
                    logger.setLevel(level)
            self._runs += 1
        try:
            yield
        finally:
            with self._lock:
                self._runs -= 1
                if not self._runs:
                    logger.setLevel(self._before)


_LEVEL = _SharedLevel()


class _Buffer:
    """What is still to be written: the last state of each attempt, and log lines."""

    def __init__(self) -> None:
        self.attempts: dict[int, Attempt] = {}
        self.lines: deque[LogLine] = deque(maxlen=_BUFFERED_LINES)

    @property
    def is_empty(self) -> bool:
        return not self.attempts and not self.lines

    def put_attempt(self, attempt: Attempt) -> None:
        """Drops the oldest attempt beyond the bound."""
        self.attempts[attempt.number] = attempt
        if len(self.attempts) > _BUFFERED_ATTEMPTS:
            del self.attempts[min(self.attempts)]

    def merge(self, later: _Buffer) -> _Buffer:
        for attempt in later.attempts.values():
            self.put_attempt(attempt)
        self.lines.extend(later.lines)
        return self


class _Tail:
    """Which lines of an attempt are kept: the last `most`, of at most `_ATTEMPT_BYTES` in all."""

    def __init__(self, most: int) -> None:
        self._sizes: deque[int] = deque()
        self._most = most
        self._bytes = 0
        self.dropped = 0

    def add(self, size: int) -> int:
        """Returns the line's number; `dropped` is the number of the last one not kept."""
        self._sizes.append(size)
        self._bytes += size
        while len(self._sizes) > self._most or self._bytes > _ATTEMPT_BYTES:
            self._bytes -= self._sizes.popleft()
            self.dropped += 1
        return self.dropped + len(self._sizes)


class RecordedAttempt:
    """`advance` counts what it has done: rows mostly."""

    def __init__(self, recorder: RunRecorder, attempt: Attempt) -> None:
        self._recorder = recorder
        self._attempt = attempt
        self._lock = threading.Lock()
        self._written_at = time.monotonic()
        self._is_ok, self._message = True, ""

    @property
    def number(self) -> int:
        return self._attempt.number

    def advance(self, rows: int) -> None:
        with self._lock:
            self._attempt = replace(self._attempt, done=self._attempt.done + rows)
            if time.monotonic() - self._written_at > _EVERY:
                self._written_at = time.monotonic()
                self._recorder.put(self._attempt)

    def conclude(self, message: str, *, ok: bool) -> None:
        """Written when it ends."""
        self._is_ok, self._message = ok, mask(message)

    def end(self, outcome: AttemptOutcome, failure: BaseException | None = None) -> None:
        error, message = "", ""
        if isinstance(failure, SeilError):
            error, message = error_type(failure), mask(str(failure))
        elif isinstance(failure, Exception):
            error, message = type(failure).__name__, mask(str(failure))
        with self._lock:
            if failure is None and not self._is_ok:
                outcome = "error"
            self._attempt = replace(
                self._attempt,
                outcome=outcome,
                ended_at=datetime.now(UTC),
                error=error,
                message=cut(message or self._message),
            )
            self._recorder.put(self._attempt)


class RecordedProgress:
    """Each step that is shown is an attempt in the report: `extract Account` of that object."""

    def __init__(self, display: Progress, recorder: RunRecorder) -> None:
        self._display = display
        self._recorder = recorder

    @contextmanager
    def step(self, name: str, total: int | None = None) -> Iterator[Step]:
        step, _, about = name.partition(" ")
        with (
            self._display.step(name, total) as bar,
            self._recorder.attempt(step, about) as attempt,
        ):
            yield _RecordedStep(bar, attempt)


class _RecordedStep:
    def __init__(self, display: Step, attempt: RecordedAttempt) -> None:
        self._display = display
        self._attempt = attempt

    def advance(self, rows: int) -> None:
        self._display.advance(rows)
        self._attempt.advance(rows)

    def conclude(self, message: str, *, ok: bool = True) -> None:
        self._display.conclude(message, ok=ok)
        self._attempt.conclude(message, ok=ok)

    def expect(self, total: int) -> None:
        self._display.expect(total)


def cut(text: str) -> str:
    """At most `_LONGEST` bytes of UTF-8, without what a database does not store as text."""
    stored = text.replace("\0", "\\x00").encode(errors="backslashreplace")
    return stored[:_LONGEST].decode(errors="ignore")


class _Handler(logging.Handler):
    def __init__(self, add: Callable[[logging.LogRecord], None]) -> None:
        super().__init__(logging.INFO)
        self._add = add

    @override
    def handle(self, record: logging.LogRecord) -> bool:
        """Without the handler's lock: `add` has one of its own, under which it may log."""
        self._add(record)
        return True
