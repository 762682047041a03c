"""Writes a run's report as it goes on: each attempt of a step, and its last log lines.

An attempt's start and end are a commit each. Log lines are gathered, and written with the next
commit or twice a second; of each attempt the last ones are kept, up to a number and 64 KiB. Where
the report cannot be written any more, a full disk say, the run goes on without.
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
_MOST_LINES = 50
_LONGEST = 2_000
_ATTEMPT_BYTES = 65_536

_current: ContextVar[int] = ContextVar("attempt", default=0)


class RunRecorder:
    """Of one run; thread-safe. `log_lines` are kept of each attempt.

    `on_begin` stores the run itself: on `begin`, or before the first attempt.
    """

    def __init__(
        self, runs: RunStore, run_id: str, *, log_lines: int, on_begin: Callable[[], None]
    ) -> None:
        self._runs = runs
        self._run_id = run_id
        self._log_lines = log_lines
        self._lock = threading.RLock()
        self._numbers = count(1)
        self._tries: Counter[tuple[str, str]] = Counter()
        self._tails: dict[int, _Tail] = {}
        self._pending: list[LogLine] = []
        self._written_at = time.monotonic()
        self._is_broken = False
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
        level = logger.level
        if logger.getEffectiveLevel() > logging.INFO:
            logger.setLevel(logging.INFO)
        logger.addHandler(handler)
        try:
            yield
        finally:
            logger.removeHandler(handler)
            logger.setLevel(level)
            self.flush()

    def add_line(self, record: logging.LogRecord) -> None:
        if current_run() != self._run_id or not self._log_lines:
            return
        at = datetime.fromtimestamp(record.created, UTC)
        text = cut(mask(record.getMessage()))
        with self._lock:
            number = _current.get()
            tail = self._tails.setdefault(number, _Tail(self._log_lines))
            line = LogLine(number, tail.add(len(text.encode())), at, record.levelname, text)
            self._pending.append(line)
            if not self.is_begun:
                self._pending = self._pending[-_MOST_LINES:]
                return
            waits = len(self._pending) < _MOST_LINES and record.levelno < logging.WARNING
            if not waits or time.monotonic() - self._written_at > _EVERY:
                self.flush()

    def flush(self) -> None:
        with self._lock:
            if self._pending and self.is_begun:
                lines = self._taken_lines()
                self._write(lambda: self._runs.store_lines(self._run_id, lines))

    def put(self, attempt: Attempt) -> None:
        with self._lock:
            lines = self._taken_lines()
            self._write(lambda: self._runs.store_attempt(self._run_id, attempt, lines))

    def _begin(self, step: str, about: str) -> RecordedAttempt:
        with self._lock:
            self.begin()
            self._tries[step, about] += 1
            tries, number = self._tries[step, about], next(self._numbers)
            attempt = Attempt(step, about, tries, number, datetime.now(UTC))
            self.put(attempt)
        return RecordedAttempt(self, attempt)

    def _taken_lines(self) -> list[LogLine]:
        """Those to write now; earlier ones of the same attempts may have to go."""
        taken, self._pending = self._pending, []
        upto = {line.number: self._tails[line.number].dropped for line in taken}
        if too_old := {number: line for number, line in upto.items() if line}:
            self._write(lambda: self._runs.cut_lines(self._run_id, too_old))
        return [line for line in taken if line.line > upto[line.number]]

    def _write(self, write: Callable[[], None]) -> None:
        self._written_at = time.monotonic()
        if self._is_broken:
            return
        try:
            write()
        except StateError as error:
            self._is_broken = True
            log.warning("the run goes on without its report: %s", error)


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

    def __init__(self, shown: Progress, recorder: RunRecorder) -> None:
        self._shown = shown
        self._recorder = recorder

    @contextmanager
    def step(self, name: str, total: int | None = None) -> Iterator[Step]:
        step, _, about = name.partition(" ")
        with self._shown.step(name, total) as shown, self._recorder.attempt(step, about) as attempt:
            yield _RecordedStep(shown, attempt)


class _RecordedStep:
    def __init__(self, shown: Step, attempt: RecordedAttempt) -> None:
        self._shown = shown
        self._attempt = attempt

    def advance(self, rows: int) -> None:
        self._shown.advance(rows)
        self._attempt.advance(rows)

    def conclude(self, message: str, *, ok: bool = True) -> None:
        self._shown.conclude(message, ok=ok)
        self._attempt.conclude(message, ok=ok)

    def expect(self, total: int) -> None:
        self._shown.expect(total)


def cut(text: str) -> str:
    """At most `_LONGEST` bytes of UTF-8, without what a database does not store as text."""
    stored = text.replace("\0", "\\x00").encode(errors="backslashreplace")
    return stored[:_LONGEST].decode(errors="ignore")


class _Handler(logging.Handler):
    def __init__(self, add: Callable[[logging.LogRecord], None]) -> None:
        super().__init__(logging.INFO)
        self._add = add

    @override
    def emit(self, record: logging.LogRecord) -> None:
        self._add(record)
