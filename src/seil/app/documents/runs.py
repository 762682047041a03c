"""Runs and their reports: `seil runs`, and the console."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Self

from seil.app.documents.base import JsonDocument
from seil.app.run_reports import RunPage, StoredRun
from seil.state.runs import Attempt, LogLine, RunOutcome, RunRecord
from seil.warehouse.bookkeeping import LedgerRow


@dataclass(frozen=True)
class RunPart:
    """`is_alive`: it is under way. `exit_code` is its command's, 0 while it is under way."""

    run_id: str
    command: str
    started_at: datetime
    outcome: RunOutcome
    ended_at: datetime | None
    message: str
    hint: str
    error: str
    exit_code: int
    host: str
    pid: int
    plan: Mapping[str, Any]
    counts: Mapping[str, int]
    is_alive: bool

    @classmethod
    def of(cls, run: RunRecord) -> Self:
        """A run without an end whose process is gone has died."""
        facts = {name: value for name, value in vars(run).items() if name != "process_start"}
        is_alive = run.outcome == "running" and run.is_alive
        outcome = "died" if run.has_died else run.outcome
        return cls(**{**facts, "outcome": outcome, "is_alive": is_alive})


@dataclass(frozen=True)
class AttemptPart:
    """One try of a step of a run; `number` counts all of the run's."""

    step: str
    about: str
    attempt: int
    number: int
    started_at: datetime
    ended_at: datetime | None
    outcome: Literal["running", "success", "error", "interrupted", "died"]
    done: int
    error: str
    message: str

    @classmethod
    def of(cls, attempt: Attempt, *, has_died: bool) -> Self:
        """What of a run that died was under way has died with it."""
        is_dead = has_died and attempt.outcome == "running"
        return cls(**{**vars(attempt), "outcome": "died" if is_dead else attempt.outcome})


@dataclass(frozen=True)
class LinePart:
    """`number` is that of the attempt that logged it, 0 outside of any."""

    number: int
    logged_at: datetime
    level: str
    text: str

    @classmethod
    def of(cls, line: LogLine) -> Self:
        return cls(line.number, line.logged_at, line.level, line.text)


@dataclass(frozen=True)
class RunsDocument(JsonDocument, schema="seil.runs/1", command="seil runs, seil runs list"):
    runs: Sequence[RunPart]
    next: str | None

    @classmethod
    def of(cls, page: RunPage) -> Self:
        return cls([RunPart.of(run) for run in page.runs], page.next)


@dataclass(frozen=True)
class RunReportDocument(JsonDocument, schema="seil.run-report/1", command="seil runs show"):
    run: RunPart | None
    attempts: Sequence[AttemptPart]
    lines: Sequence[LinePart]
    ledger: Sequence[LedgerRow]
    ledger_problem: str

    @classmethod
    def of(cls, report: StoredRun | None) -> Self:
        if report is None:
            return cls(None, [], [], [], "")
        has_died = report.run.has_died
        return cls(
            RunPart.of(report.run),
            [AttemptPart.of(attempt, has_died=has_died) for attempt in report.attempts],
            [LinePart.of(line) for line in report.lines],
            report.ledger.rows,
            report.ledger.problem,
        )


@dataclass(frozen=True)
class StateDocument(JsonDocument, schema="seil.state/1", command="seil state backup, restore"):
    file: str
    rows: Mapping[str, int]


@dataclass(frozen=True)
class StateOwnerDocument(
    JsonDocument, schema="seil.state-owner/1", command="seil state new, claim"
):
    """`former` is the site that the state belonged to before, empty where there was none."""

    place: str
    site_id: str
    former: str
