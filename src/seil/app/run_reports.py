"""Runs and their reports, as they are stored: for `seil runs` and the console."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, get_args

from seil.app.ledger import Ledger, read_ledger_of
from seil.app.run_results import COMMANDS
from seil.errors import ConfigurationError, Problem
from seil.state.runs import RunFilter, RunOutcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seil.app.site import Site
    from seil.state.runs import Attempt, LogLine, RunRecord, RunStore

OUTCOMES: tuple[RunOutcome, ...] = get_args(RunOutcome)
# Runs without an end: those under way, and the few that died since a run ended.
_MOST_UNENDED = 1_000


@dataclass(frozen=True)
class RunPage:
    """Newest first. `next` is the run before which the next page begins, None on the last one."""

    runs: Sequence[RunRecord]
    next: str | None = None


@dataclass(frozen=True)
class EarlierRuns:
    """Of a site whose layout kept at most the last run and those under way, in the lake."""

    layout: int
    has_run: bool


@dataclass(frozen=True)
class StoredRun:
    """`lines` are in the order in which they were logged; `ledger` holds what the run read or
    loaded.
    """

    run: RunRecord
    attempts: Sequence[Attempt]
    lines: Sequence[LogLine]
    ledger: Ledger


def list_runs(
    site: Site,
    *,
    command: str = "",
    outcome: str = "",
    since: datetime | None = None,
    before: str = "",
    limit: int = 50,
) -> RunPage:
    """`before` is a run's id. Raises ConfigurationError for a command, an outcome or a run that
    does not exist.
    """
    runs = site.state_to_read.runs
    _check("command", command, COMMANDS)
    _check("outcome", outcome, OUTCOMES)
    if before and runs.get(before) is None:
        raise ConfigurationError(
            [Problem("before", f"there is no run {before}", "see `seil runs`")]
        )
    where = RunFilter(command, outcome, since, before)
    page = _find(runs, where, limit)
    return RunPage(page, page[-1].run_id if len(page) == limit else None)


def earlier_runs(site: Site) -> EarlierRuns | None:
    """None from layout 4 on, and for a new site."""
    from seil.lake.site_layout import FIRST_WITH_STATE, site_layout

    layout = site_layout(site.lake)
    if layout is None or layout >= FIRST_WITH_STATE:
        return None
    return EarlierRuns(layout, has_run=bool(site.state_to_read.runs.find(limit=1)))


def stored_run(site: Site, run_id: str | None = None) -> StoredRun | None:
    """The newest where no id is given; None where there is none."""
    runs = site.state_to_read.runs
    run = next(iter(runs.find(limit=1)), None) if run_id is None else runs.get(run_id)
    if run is None:
        return None
    ledger = read_ledger_of(site, run.run_id)
    return StoredRun(run, runs.attempts(run.run_id), runs.lines(run.run_id), ledger)


def _find(runs: RunStore, where: RunFilter, limit: int) -> list[RunRecord]:
    """A run without an end has died where its process is gone, whether that is stored or not."""
    if where.outcome not in ("died", "running"):
        return runs.find(where, limit=limit)
    wants_dead = where.outcome == "died"
    unended = runs.find(replace(where, outcome="running"), limit=_MOST_UNENDED)
    matching = [run for run in unended if run.has_died is wants_dead]
    if wants_dead:
        matching += runs.find(where, limit=limit)
    return sorted(matching, key=lambda run: (run.started_at, run.run_id), reverse=True)[:limit]


def _check(name: str, value: str, allowed: Sequence[str]) -> None:
    if value and value not in allowed:
        raise ConfigurationError([Problem(name, f"{value!r} is none of {', '.join(allowed)}")])
