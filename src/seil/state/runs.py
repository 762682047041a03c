"""Runs and their reports, written while a run goes on and readable after it died.

A run has attempts, one per step and object (`extract` of `Account`), each with its last log lines.
One process writes a run; any process reads it.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Literal, Self

from seil.errors import SeilError, error_type
from seil.observe.run_context import new_run_id
from seil.processes import is_alive, process_start
from seil.state.database import Database, Row, Transaction, moment, moment_or_none, stamp, write

RunOutcome = Literal[
    "running", "success", "incomplete", "error", "interrupted", "refused", "misused", "died"
]
AttemptOutcome = Literal["running", "success", "error", "interrupted"]
# Refused before it did anything: says nothing about the site.
_IDLE = "'refused', 'misused'"
_PRUNED_AT_ONCE = 500

_RUN = (
    "run_id, command, started_at, ended_at, outcome, message, hint, error, exit_code, host, pid, "
    "process_start, plan, counts"
)
_PUT_RUN = f"""
INSERT INTO runs ({_RUN}) VALUES (:run_id, :command, :started_at, :ended_at, :outcome, :message,
    :hint, :error, :exit_code, :host, :pid, :process_start, :plan, :counts)
ON CONFLICT (run_id) DO UPDATE SET ended_at = excluded.ended_at, outcome = excluded.outcome,
    message = excluded.message, hint = excluded.hint, error = excluded.error,
    exit_code = excluded.exit_code, plan = excluded.plan, counts = excluded.counts"""  # noqa: S608
_RUNS = f"SELECT {_RUN} FROM runs"  # noqa: S608
_ATTEMPT = "step, about, attempt, number, started_at, ended_at, outcome, done, error, message"
_PUT_ATTEMPT = f"""
INSERT INTO run_attempts (run_id, {_ATTEMPT}) VALUES (:run_id, :step, :about, :attempt, :number,
    :started_at, :ended_at, :outcome, :done, :error, :message)
ON CONFLICT (run_id, number) DO UPDATE SET ended_at = excluded.ended_at,
    outcome = excluded.outcome, done = excluded.done, error = excluded.error,
    message = excluded.message"""  # noqa: S608
_PUT_LINE = """
INSERT INTO run_lines (run_id, number, line, logged_at, level, text)
VALUES (:run_id, :number, :line, :logged_at, :level, :text)
ON CONFLICT (run_id, number, line) DO NOTHING"""
_CUT_LINES = "DELETE FROM run_lines WHERE run_id = :run_id AND number = :number AND line <= :upto"


@dataclass(frozen=True)
class RunRecord:
    """One run of one command. `ended_at` is None while it is under way and if it died.

    `plan` holds its arguments, `counts` its results.
    """

    run_id: str
    command: str
    started_at: datetime
    outcome: RunOutcome = "running"
    ended_at: datetime | None = None
    message: str = ""
    hint: str = ""
    error: str = ""
    exit_code: int = 0
    host: str = field(default_factory=socket.gethostname)
    pid: int = field(default_factory=os.getpid)
    process_start: str = field(default_factory=lambda: process_start(os.getpid()))
    plan: Mapping[str, Any] = field(default_factory=dict)
    counts: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def begin(cls, command: str, plan: Mapping[str, Any] | None = None) -> Self:
        now = datetime.now(UTC)
        return cls(new_run_id(now), command, now, plan=plan or {})

    def end(self, outcome: RunOutcome, error: BaseException | None = None) -> Self:
        ended = replace(self, outcome=outcome, ended_at=datetime.now(UTC))
        if isinstance(error, SeilError):
            facts = (error.message, error.hint, error_type(error), error.exit_code)
            return replace(
                ended, message=facts[0], hint=facts[1], error=facts[2], exit_code=facts[3]
            )
        if error is not None:
            return replace(ended, message=str(error), error=type(error).__name__, exit_code=1)
        return ended

    @property
    def is_alive(self) -> bool:
        """Another machine's run counts as alive until a later one has ended."""
        if self.host != socket.gethostname():
            return True
        return is_alive(self.pid, self.process_start)

    @property
    def has_died(self) -> bool:
        return self.outcome == "died" or (self.outcome == "running" and not self.is_alive)


@dataclass(frozen=True)
class Attempt:
    """One attempt of a step. `number` counts the run's attempts, `attempt` those of this step and
    object; `done` is in rows, or in the step's own unit.
    """

    step: str
    about: str
    attempt: int
    number: int
    started_at: datetime
    ended_at: datetime | None = None
    outcome: AttemptOutcome = "running"
    done: int = 0
    error: str = ""
    message: str = ""


@dataclass(frozen=True)
class LogLine:
    """`number` is its attempt's, 0 outside an attempt; `line` counts the attempt's lines."""

    number: int
    line: int
    logged_at: datetime
    level: str
    text: str


@dataclass(frozen=True)
class RunFilter:
    """`before` is a run id: runs that began before it. Times are aware, `since` is inclusive."""

    command: str = ""
    outcome: str = ""
    since: datetime | None = None
    before: str = ""


@dataclass(frozen=True)
class RunStore:
    database: Database

    def store(self, run: RunRecord) -> None:
        write(self.database, lambda transaction: store_run(transaction, run))

    def store_report(
        self,
        run_id: str,
        attempts: Iterable[Attempt] = (),
        lines: Iterable[LogLine] = (),
        *,
        cut: Mapping[int, int] = MappingProxyType({}),
    ) -> None:
        """Idempotent. `cut` deletes, by attempt number, its lines up to and including that one."""
        attempt_values = [_attempt_values(run_id, attempt) for attempt in attempts]
        line_values = [_line_values(run_id, line) for line in lines]
        cuts = [{"run_id": run_id, "number": n, "upto": line} for n, line in cut.items()]

        def store(transaction: Transaction) -> None:
            transaction.execute_many(_CUT_LINES, cuts)
            transaction.execute_many(_PUT_LINE, line_values)
            transaction.execute_many(_PUT_ATTEMPT, attempt_values)

        write(self.database, store, durable=False)

    def get(self, run_id: str) -> RunRecord | None:
        rows = self.database.rows(
            f"{_RUNS} WHERE run_id = :run_id",
            run_id=run_id,
        )
        return _run(rows[0]) if rows else None

    def find(self, where: RunFilter = RunFilter(), *, limit: int = 50) -> list[RunRecord]:
        """Newest first."""
        conditions, values = ["1 = 1"], {"limit": limit}
        equal: dict[str, Any] = {"command": where.command, "outcome": where.outcome}
        for name, value in equal.items():
            if value:
                conditions.append(f"{name} = :{name}")
        if where.since:
            conditions.append("started_at >= :since")
            equal["since"] = stamp(where.since)
        if where.before:
            conditions.append(
                "(started_at, run_id) < "
                "(SELECT started_at, run_id FROM runs WHERE run_id = :before)"
            )
            equal["before"] = where.before
        sql = (
            f"{_RUNS} WHERE {' AND '.join(conditions)} "
            "ORDER BY started_at DESC, run_id DESC LIMIT :limit"
        )
        used = {name: value for name, value in equal.items() if value}
        return [_run(row) for row in self.database.rows(sql, **used, **values)]

    def last(self) -> RunRecord | None:
        """The newest that ended and was not refused."""
        rows = self.database.rows(
            f"{_RUNS} WHERE ended_at <> '' AND outcome NOT IN ({_IDLE}, 'died') "
            "ORDER BY started_at DESC, run_id DESC LIMIT 1"
        )
        return _run(rows[0]) if rows else None

    def under_way(self) -> list[RunRecord]:
        """Not ended, alive or dead, and begun no earlier than the last run that ended."""
        last = self.last()
        running = self.find(RunFilter(outcome="running"), limit=1000)
        return [run for run in running if last is None or run.started_at >= last.started_at]

    def attempts(self, run_id: str) -> list[Attempt]:
        rows = self.database.rows(
            f"SELECT {_ATTEMPT} FROM run_attempts WHERE run_id = :run_id ORDER BY number",  # noqa: S608
            run_id=run_id,
        )
        return [_attempt(row) for row in rows]

    def lines(self, run_id: str) -> list[LogLine]:
        """In the order in which they were logged."""
        rows = self.database.rows(
            "SELECT number, line, logged_at, level, text FROM run_lines WHERE run_id = :run_id "
            "ORDER BY logged_at, number, line",
            run_id=run_id,
        )
        return [
            LogLine(number, line, moment(at), level, text) for number, line, at, level, text in rows
        ]

    def prune(self, keep: timedelta, most: int, *, now: datetime | None = None) -> int:
        """Deletes the reports of runs that began longer than `keep` ago, and of all but the newest
        `most`; returns how many. The last run that ended stays.
        """
        before = stamp((now or datetime.now(UTC)) - keep)
        last = self.last()
        sql = (
            "SELECT run_id FROM runs WHERE run_id <> :last AND outcome <> 'running' AND "
            "(started_at < :before OR run_id NOT IN "
            "(SELECT run_id FROM runs ORDER BY started_at DESC, run_id DESC LIMIT :most)) "
            "ORDER BY started_at LIMIT :page"
        )
        values = {"last": last.run_id if last else "", "before": before, "most": most}
        rows = self.database.rows(sql, **values, page=_PRUNED_AT_ONCE)
        ids = [{"run_id": run_id} for (run_id,) in rows]

        def delete(transaction: Transaction) -> None:
            for table in ("run_lines", "run_attempts", "runs"):
                sql = f"DELETE FROM {table} WHERE run_id = :run_id"  # noqa: S608
                transaction.execute_many(sql, ids)

        if ids:
            write(self.database, delete, durable=False)
        return len(ids)


def store_run(transaction: Transaction, run: RunRecord) -> None:
    transaction.execute(_PUT_RUN, **_run_values(run))


def bury_dead(transaction: Transaction, runs: Iterable[RunRecord], before: datetime) -> None:
    """Marks those of `runs` that began before and never ended as died."""
    sql = "UPDATE runs SET outcome = 'died' WHERE run_id = :run_id AND outcome = 'running'"
    for run in runs:
        if run.started_at < before and (run.host != socket.gethostname() or not run.is_alive):
            transaction.execute(sql, run_id=run.run_id)


def _line_values(run_id: str, line: LogLine) -> dict[str, Any]:
    return {"run_id": run_id, **vars(line), "logged_at": stamp(line.logged_at)}


def _run_values(run: RunRecord) -> dict[str, Any]:
    return {
        **vars(run),
        "started_at": stamp(run.started_at),
        "ended_at": stamp(run.ended_at) if run.ended_at else "",
        "plan": json.dumps(run.plan, ensure_ascii=False, default=str),
        "counts": json.dumps(run.counts),
    }


def _run(row: Row) -> RunRecord:
    run_id, command, started, ended, outcome, *rest, plan, counts = row
    times: list[Any] = [moment(started), outcome, moment_or_none(ended)]
    return RunRecord(*[run_id, command, *times, *rest, json.loads(plan), json.loads(counts)])


def _attempt_values(run_id: str, attempt: Attempt) -> dict[str, Any]:
    ended = stamp(attempt.ended_at) if attempt.ended_at else ""
    times = {"started_at": stamp(attempt.started_at), "ended_at": ended}
    return {"run_id": run_id, **vars(attempt), **times}


def _attempt(row: Row) -> Attempt:
    step, about, attempt, number, started, ended, *rest = row
    return Attempt(step, about, attempt, number, moment(started), moment_or_none(ended), *rest)
