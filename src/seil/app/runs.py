"""A run of a command, from its start to its end: its id, its report, its outcome.

The id is in every event, log line and manifest that comes of it. Outcome and report are written to
the state, and `seil status` and `seil runs` read them there.
"""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from seil.app.run_recorder import RecordedProgress, RunRecorder, cut
from seil.app.run_results import ROUNDS, UNATTENDED, USES_ORG, RunResults, stop_of
from seil.errors import AlreadyRunningError, ConfigurationError, SeilError
from seil.events.envelope import Event
from seil.masking import mask
from seil.observe.progress import SILENT, Progress
from seil.observe.run_context import in_run
from seil.settings import StateSettings
from seil.state.database import Transaction, write
from seil.state.runs import RunOutcome, RunRecord, bury_dead, store_run
from seil.state.troubles import delete_trouble, store_trouble

if TYPE_CHECKING:
    from seil.events.bus import Bus
    from seil.state import State

log = logging.getLogger(__name__)

_NAMED = 3
_INCOMPLETE = 1
_UNEXPECTED = 1


@dataclass
class Run(RunResults):
    """A run under way; fill in what went well and what failed."""

    run_id: str = ""
    recorder: RunRecorder = field(kw_only=True)
    display: Progress = SILENT

    def progress(self, display: Progress | None = None) -> Progress:
        """Steps that are shown are steps of the report; by default on the last display given."""
        self.display = display or self.display
        return RecordedProgress(self.display, self.recorder)


@dataclass(frozen=True)
class RunBook:
    """Stores runs, their reports and outcomes. `after_build` is called at the end of a run that
    built tables, when it no longer holds the run lock.
    """

    state: State
    bus: Bus
    keep: timedelta = timedelta(days=90)
    keep_runs: int = 10_000
    log_lines: int = 200
    after_build: Callable[[Run], None] = lambda _: None

    @classmethod
    def of(
        cls,
        state: State,
        bus: Bus,
        settings: StateSettings,
        *,
        after_build: Callable[[Run], None] = lambda _: None,
    ) -> RunBook:
        return cls(state, bus, settings.keep, settings.keep_runs, settings.log_lines, after_build)

    @contextmanager
    def run(self, command: str, **plan: Any) -> Iterator[Run]:
        """Stores a run's outcome, however it ends. `plan` holds its arguments."""
        with self._open(command, plan) as run:
            run.recorder.begin()
            yield run

    def round(self, command: str, **plan: Any) -> AbstractContextManager[Run]:
        """A run that begins with its first step or problem; without either, nothing is written.

        An error before its first step is no run either: a retry every few seconds would fill the
        list.
        """
        return self._open(command, plan)

    @contextmanager
    def _open(self, command: str, plan: Mapping[str, Any]) -> Iterator[Run]:
        record = RunRecord.begin(command, plan)

        def begin() -> None:
            nonlocal record
            record = replace(record, started_at=datetime.now(UTC))
            self.state.runs.store(record)
            self.bus.publish([_event(record, run)])

        recorder = RunRecorder(
            self.state.runs, record.run_id, log_lines=self.log_lines, on_begin=begin
        )
        run = Run(run_id=record.run_id, recorder=recorder)
        with in_run(record.run_id, command):
            try:
                with recorder.capture():
                    yield run
                    if run.has_build:
                        self.after_build(run)
                    if run.problems:
                        recorder.begin()
            except BaseException as error:
                if recorder.is_begun:
                    self._store_outcome(_failed(record, error), run)
                raise
            if recorder.is_begun:
                self._store_outcome(_finished(record, run), run)

    def _store_outcome(self, record: RunRecord, run: Run) -> None:
        """If it fails (a full disk), the error that ended the run is raised all the same."""
        writes: tuple[Callable[[], object], ...] = (
            lambda: self._end(record, run),
            lambda: self.bus.publish([_event(record, run)]),
            lambda: self.state.runs.prune(self.keep, self.keep_runs),
        )
        for store in writes:
            try:
                store()
            except SeilError as error:
                log.warning("the run's outcome cannot be stored: %s", error)

    def _end(self, record: RunRecord, run: Run) -> None:
        """Keeps what its successor stored while this run was paused."""
        under_way = self.state.runs.under_way()
        troubles = self.state.troubles.all()

        def store(transaction: Transaction) -> None:
            if not self._is_succeeded(record):
                new = [*run.troubles, *stop_of(record)]
                again = {(trouble.step, trouble.about) for trouble in new}
                for trouble in troubles:
                    is_new = (trouble.step, trouble.about) in again
                    if not is_new and run.settles(trouble, record):
                        delete_trouble(transaction, trouble)
                for trouble in new:
                    of_run = replace(trouble, run_id=record.run_id, command=record.command)
                    store_trouble(transaction, of_run)
            store_run(transaction, replace(record, counts=dict(run.counts)))
            bury_dead(transaction, under_way, record.started_at)

        write(self.state.database, store)

    def _is_succeeded(self, record: RunRecord) -> bool:
        last = self.state.runs.last()
        return bool(record.error == "lease_lost" and last and last.started_at > record.started_at)


def _failed(record: RunRecord, error: BaseException) -> RunRecord:
    ended = record.end(
        _outcome(record.command, error), error if isinstance(error, Exception) else None
    )
    message, hint = cut(mask(ended.message)), cut(mask(ended.hint))
    return replace(ended, message=message, hint=hint, exit_code=_exit_code(error))


def _exit_code(error: BaseException) -> int:
    """The exit code of the command that the error ends; 128 plus its number for a signal."""
    if isinstance(error, KeyboardInterrupt):
        return 128 + signal.SIGINT
    return int(getattr(error, "exit_code", _UNEXPECTED))


def _finished(record: RunRecord, run: Run) -> RunRecord:
    problems = run.problems
    if not problems:
        return record.end("success")
    more = len(problems) - _NAMED
    parts = [*problems[:_NAMED], *([f"and {more:,} more"] if more > 0 else [])]
    message = cut(mask("; ".join(parts)))
    return replace(record.end("incomplete"), message=message, exit_code=_INCOMPLETE)


def _outcome(command: str, error: BaseException) -> RunOutcome:
    if isinstance(error, AlreadyRunningError):
        return "refused"
    if isinstance(error, ConfigurationError):
        # In other commands only the arguments can be wrong.
        return "error" if command in USES_ORG | ROUNDS | UNATTENDED else "misused"
    return "error" if isinstance(error, Exception) else "interrupted"


def _event(record: RunRecord, run: RunResults) -> Event:
    texts = {"message": record.message, "hint": record.hint, "error": record.error}
    failed = [f"{trouble.step} {trouble.about}" for trouble in run.troubles]
    detail = {
        "state": "started" if record.outcome == "running" else record.outcome,
        "run_id": record.run_id,
        "command": record.command,
        **{name: text for name, text in texts.items() if text},
        **({"exit_code": record.exit_code} if record.exit_code else {}),
        **run.counts,
        **({"failed": failed} if record.ended_at else {}),
    }
    return Event("seil.sf-to-dw", "run", detail)
