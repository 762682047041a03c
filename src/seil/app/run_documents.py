"""Runs and their reports as JSON documents, for `seil runs --json` and the console."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime

    from seil.app.site import Site
    from seil.state.runs import Attempt, LogLine, RunRecord, RunStore


def list_runs(
    site: Site,
    *,
    command: str = "",
    outcome: str = "",
    since: datetime | None = None,
    before: str = "",
    limit: int = 50,
) -> tuple[list[dict[str, Any]], str | None]:
    """Newest first, and the run before which the next page begins: None on the last one.

    `before` is such a run's id.
    """
    from seil.state.runs import RunFilter

    where = RunFilter(command, outcome, since, before)
    found = [run_document(run) for run in site.state_to_read.runs.find(where, limit=limit)]
    return found, found[-1]["run_id"] if len(found) == limit else None


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
