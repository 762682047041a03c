"""The sentence on a site: since when, and of which runs."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from seil.app.site import Site
from seil.app.verdict import Finding, of_runs, of_trouble, verdict
from seil.errors import LakeError, QuotaExhaustedError
from seil.settings import load_settings
from seil.state.runs import RunRecord
from seil.state.troubles import Trouble

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


def test_what_waits_does_not_date_the_breakage() -> None:
    failed = Finding("failed", "", "no", NOW)
    waiting = Finding("waiting", "", "set aside", NOW - timedelta(days=9), needs_person=False)
    assert verdict([failed, waiting], in_step="").since == NOW


def test_runs_that_died_one_after_the_other_are_one_finding() -> None:
    dead = [
        replace(RunRecord.begin("run"), process_start="1", started_at=NOW - timedelta(hours=hour))
        for hour in range(3)
    ]
    [finding] = of_runs(dead, None)
    assert finding.since == NOW - timedelta(hours=2)
    assert "; 2 before it did, too)" in finding.message


RUNS: dict[str, tuple[str, dict[str, Any], str]] = {
    "run": ("run", {"objects": ["Account"]}, "run"),
    "gam-to-sf": ("sync gam-to-sf", {"dry_run": False}, "sync gam-to-sf"),
    "apply": ("push apply", {"push": "rating", "plan": "ab12"}, "push apply rating ab12"),
    "undo": ("push undo", {"push": "rating", "of": "r1"}, "push undo rating r1"),
    "retry": ("outcomes retry", {"push": "rating"}, "outcomes retry --flow push:rating"),
    "by an event": ("handle-landed", {}, "run"),
}


@pytest.mark.parametrize("case", RUNS)
def test_the_next_command_is_the_one_that_did_not_end(case: str) -> None:
    command, plan, again = RUNS[case]
    run = RunRecord.begin(command, plan)
    [interrupted] = of_runs([], replace(run, outcome="interrupted"))
    [dead] = of_runs([replace(run, process_start="1")], None)
    assert (interrupted.next, dead.next) == (f"`seil {again}`", f"`seil {again}`")
    spent = QuotaExhaustedError("Salesforce", "5 calls are left today")
    trouble = Trouble("stop", "quota_exhausted", "quota_exhausted", spent.message, spent.hint)
    assert of_trouble(trouble, run).next == f"once the allowance is renewed, `seil {again}`"


def test_a_process_of_the_same_number_is_not_the_run() -> None:
    mine = RunRecord.begin("run")
    assert mine.is_alive
    assert not replace(mine, process_start="1").is_alive
    assert replace(mine, host="elsewhere", pid=1).is_alive


def test_a_failure_keeps_the_time_when_it_began(home: Path) -> None:
    with Site(load_settings()) as site:
        for _ in range(2):
            with pytest.raises(LakeError), site.runs.run("run"):
                raise LakeError("file:///l", "write", "full")
        [trouble] = site.state.troubles.all()
        last = site.state.runs.last()
    assert last
    assert trouble.since < last.started_at
