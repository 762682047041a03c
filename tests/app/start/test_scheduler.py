"""Jobs at their intervals: what delays them, what they survive, and how they end."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from datetime import timedelta
from typing import Any

import pytest
from tests.limits import HANGS

from seil.app.start.jobs import Job, JobContext, JobResult, ScheduledJob
from seil.app.start.scheduler import JobChange, Scheduler, backoff
from seil.errors import AlreadyRunningError, LoginError, UnavailableError

MOMENT = timedelta(milliseconds=1)
MINUTE = timedelta(minutes=1)
DOWN = UnavailableError("Salesforce", "it is down")

Work = Callable[[JobContext], JobResult | None]


class Jobs:
    """A scheduler of `work` by name, which stops once `until` says so of a change."""

    def __init__(
        self,
        work: Mapping[str, Work],
        until: Callable[[JobChange], bool] = lambda _: False,
        *,
        every: timedelta | None = MOMENT,
        turns: Sequence[str] = (),
        **options: Any,
    ) -> None:
        self.changes: list[JobChange] = []
        self._until = until
        self.scheduler = Scheduler(
            [ScheduledJob(self._job(name, work[name], turns), every) for name in work],
            lambda: nullcontext(None),  # type: ignore[arg-type]
            on_change=self._add,
            **options,
        )

    def run(self) -> list[str]:
        self.scheduler.run()
        return self.scheduler.shut_down(timedelta(seconds=HANGS))

    def of(self, name: str, *states: str) -> list[JobChange]:
        return [c for c in self.changes if c.job == name and c.state in states]

    def _job(self, name: str, work: Work, turns: Sequence[str]) -> Job:
        return Job(
            name,
            "",
            lambda _site, context: work(context) or JobResult(),
            MINUTE,
            turns=frozenset(turns),
        )

    def _add(self, change: JobChange) -> None:
        self.changes.append(change)
        if self._until(change):
            self.scheduler.stop.set()
            self.scheduler.wake()


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def fail(_context: JobContext) -> None:
    raise DOWN


def after(count: int, name: str, state: str) -> Callable[[JobChange], bool]:
    """True of the change that is the `count`-th of its kind."""
    changes: list[JobChange] = []

    def until(change: JobChange) -> bool:
        if (change.job, change.state) == (name, state):
            changes.append(change)
        return len(changes) >= count

    return until


def test_a_job_that_always_fails_delays_no_other(caplog: pytest.LogCaptureFixture) -> None:
    jobs = Jobs({"bad": fail, "good": lambda _: None}, after(20, "good", "success"))
    assert jobs.run() == []
    failed = jobs.of("bad", "failed")
    assert [change.failures for change in failed] == list(range(1, len(failed) + 1))
    assert "it is down" in failed[0].message
    errors = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert len(errors) == len(failed), "a line each"


def test_waits_of_failures_double_and_end_with_a_success() -> None:
    clock, attempts = Clock(), iter([True, True, True, False])

    def work(_context: JobContext) -> None:
        if next(attempts):
            raise DOWN

    def until(change: JobChange) -> bool:
        clock.now += change.wait.total_seconds() if change.wait else 0
        return change.state == "success"

    jobs = Jobs({"run": work}, until, every=timedelta(hours=1), clock=clock)
    jobs.run()
    ended = jobs.of("run", "failed", "success")
    assert [change.wait for change in ended[:3]] == [MINUTE, 2 * MINUTE, 4 * MINUTE]
    assert [change.failures for change in ended] == [1, 2, 3, 0]


def test_an_unexpected_error_is_logged_with_its_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    jobs = Jobs({"run": lambda _: 1 / 0}, after(2, "run", "failed"))  # type: ignore[dict-item, return-value]
    jobs.run()
    assert "ZeroDivisionError" in caplog.text


@pytest.mark.parametrize(("minutes", "wait"), [(35, 0), (4, 6)], ids=["overdue", "in time"])
def test_intervals_count_from_the_start_and_do_not_pile_up(minutes: int, wait: int) -> None:
    clock = Clock()

    def work(_context: JobContext) -> None:
        clock.now += 60 * minutes

    waits: list[timedelta | None] = []

    def until(change: JobChange) -> bool:
        waits.extend([change.wait] if change.state == "success" else [])
        return bool(waits)

    Jobs({"run": work}, until, every=10 * MINUTE, clock=clock).run()
    assert waits == [wait * MINUTE]


def test_a_first_wait_puts_a_job_off() -> None:
    clock = Clock()
    waits = {"late": timedelta(hours=1)}
    jobs = Jobs(
        {"late": lambda _: None, "now": lambda _: None},
        after(1, "now", "success"),
        every=timedelta(hours=2),
        clock=clock,
        first_waits=waits,
    )
    jobs.run()
    assert [change.state for change in jobs.changes if change.job == "late"] == ["waiting"]
    assert jobs.of("late", "waiting")[0].wait == timedelta(hours=1)


def test_jobs_of_one_turn_do_not_run_at_once() -> None:
    alone = threading.Lock()

    def work(_context: JobContext) -> JobResult:
        if not alone.acquire(blocking=False):
            return JobResult(problems=["another one runs"])
        with_luck_another_starts.wait(MOMENT.total_seconds())
        alone.release()
        return JobResult()

    with_luck_another_starts = threading.Event()
    until = after(3, "b", "success")
    jobs = Jobs({"a": work, "b": work}, until, turns=["run"])
    jobs.run()
    assert not jobs.of("a", "incomplete") + jobs.of("b", "incomplete")
    assert jobs.of("a", "success")


def test_the_lock_of_another_process_is_no_failure(caplog: pytest.LogCaptureFixture) -> None:
    def work(_context: JobContext) -> None:
        raise AlreadyRunningError("run.lock", "process 7")

    jobs = Jobs({"run": work}, after(2, "run", "refused"), every=timedelta(milliseconds=1))
    jobs.run()
    assert {change.failures for change in jobs.changes} == {0}
    assert not caplog.records


def test_a_stop_ends_work_at_its_next_report() -> None:
    reported: list[int] = []

    def work(context: JobContext) -> None:
        with context.progress.step("extract Account") as step:
            while True:
                reported.append(1)
                step.advance(1)

    jobs = Jobs({"run": work}, after(1, "run", "running"))
    assert jobs.run() == []
    assert jobs.changes[-1].state == "stopped"
    assert jobs.changes[-1].wait is None
    assert len(reported) <= 1


def test_work_that_does_not_stop_is_named() -> None:
    hold = threading.Event()

    def work(_context: JobContext) -> None:
        hold.wait(HANGS)

    jobs = Jobs({"run": work}, after(1, "run", "running"))
    jobs.scheduler.run()
    assert jobs.scheduler.shut_down(timedelta()) == ["run"]
    hold.set()
    assert jobs.scheduler.shut_down(timedelta(seconds=HANGS)) == []
    assert jobs.changes[-1].state == "success", "it ended well, after the stop"


def test_a_job_without_an_interval_runs_until_the_stop() -> None:
    def work(context: JobContext) -> None:
        context.report("ingest success")
        context.stop.event.wait(HANGS)

    jobs = Jobs({"listen": work}, after(1, "listen", "working"), every=None)
    assert jobs.run() == []
    assert [change.state for change in jobs.changes] == ["waiting", "running", "working", "stopped"]
    assert jobs.of("listen", "working")[0].message == "ingest success"


@pytest.mark.parametrize(
    ("failures", "every", "error", "minutes"),
    [
        (1, timedelta(hours=1), DOWN, 1),
        (3, timedelta(hours=1), DOWN, 4),
        (99, timedelta(hours=1), DOWN, 15),
        (1, timedelta(seconds=30), DOWN, 0.5),
        (2, None, DOWN, 2),
        (1, timedelta(seconds=30), LoginError("Salesforce", "invalid_grant", "wrong password"), 15),
    ],
    ids=["first", "third", "hundredth", "short interval", "always", "login"],
)
def test_backoff(failures: int, every: timedelta | None, error: Exception, minutes: float) -> None:
    assert backoff(failures, every, error) == timedelta(minutes=minutes)
