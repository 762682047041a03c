"""Runs and their reports as JSON documents, for `seil runs --json` and the console."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seil.state.runs import Attempt, LogLine, RunRecord, RunStore


def run_document(run: RunRecord) -> dict[str, Any]:
    body = {name: value for name, value in vars(run).items() if name != "process_start"}
    is_alive = run.outcome == "running" and run.is_alive
    outcome = "died" if run.has_died else run.outcome
    return {**body, "outcome": outcome, "is_alive": is_alive}


def report_document(runs: RunStore, run: RunRecord) -> dict[str, Any]:
    """What of a run that died was under way has died with it."""
    has_died = run.has_died
    attempts = [_attempt_document(attempt, has_died) for attempt in runs.attempts(run.run_id)]
    lines = [_line_document(line) for line in runs.lines(run.run_id)]
    return {"run": run_document(run), "attempts": attempts, "lines": lines}


def _attempt_document(attempt: Attempt, has_died: bool) -> dict[str, Any]:  # noqa: FBT001
    outcome = "died" if has_died and attempt.outcome == "running" else attempt.outcome
    return {**vars(attempt), "outcome": outcome}


def _line_document(line: LogLine) -> dict[str, Any]:
    return {
        "number": line.number,
        "logged_at": line.logged_at,
        "level": line.level,
        "text": line.text,
    }
