"""A command that is killed, at any commit point or at any moment, and run again comes to the same.

By default a part of it; `make kill` goes through more, the more lives it is given, and through so
many lives at random, each of which is named by its seed.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.kill.conftest import FIRST_SEED, LIVES, some_of

from seil.app.documents.runs import RunReportDocument
from seil.app.run_reports import list_runs, stored_run
from seil.errors import StatementError, WarehouseError

pytestmark = pytest.mark.timeout(7200)

# These lives take many minutes: they are shared out among tests.
PARTS = min(4, max(1, LIVES // 3))

NewSite = Callable[..., Any]
Orgs = tuple[Path, Path]
Kills = Sequence[dict[str, Any]]

# What outlives a process, as the driver names it. One that is new has to be thought of here.
COMMITTED = {
    "POST jobs/query",
    "write staging/run.lease",
    "write staging/site.json",
    "write staging/org.json",
    "journal runs",
    "journal run_attempts",
    "journal run_lines",
    "journal meta",
    "write staging/flows",
    "write landing/in",
    "write staging/schemas",
    "write staging/manifests",
    "write staging/partials",
    "DELETE jobs/query/*",
    "write staging/claims",
    "write staging/ingested",
    "write curated/Salesforce",
    "write curated/exceptions",
    "delete curated/exceptions",
    "write staging/pending",
    "move to landing/processed",
    "delete staging/pending",
    "commit seil.loads",
    "commit seil.builds",
    "journal events",
    "write warehouse.duckdb",
    "write warehouse.read.duckdb",
    "statement CHECKPOINT",
}


def live(site: Any, orgs: Orgs, kills: Sequence[Kills]) -> None:
    """Both runs and a rebuild, each killed by its kills one after the other, then left to end."""
    for org, killing in zip(orgs, kills, strict=False):
        with site.serve(org):
            for kill in killing:
                site.ask("run", **kill)
            site.finish("run")
    for kill in kills[len(orgs)]:
        site.ask("rebuild", **kill)
    if kills[len(orgs)]:
        site.finish("rebuild")


def check(site: Any, undisturbed: Any) -> None:
    contents = site.contents()
    for name, rows in undisturbed.contents.items():
        assert contents[name] == rows, name
    assert site.untold() == set()
    assert site.left_over() == []


def firsts(moments: Sequence[str], word: str) -> list[dict[str, Any]]:
    """To be killed at each moment that begins so, where it comes for the first time."""
    names = dict.fromkeys(moment for moment in moments if moment.startswith(word))
    return [{"at": {"name": name, "nth": 1}} for name in names]


def test_every_commit_point_is_known(undisturbed: Any) -> None:
    seen = {moment.partition(" ")[2] for moments in undisturbed.moments for moment in moments}
    assert seen >= COMMITTED
    # Which statements make a transaction is the load's affair.
    unknown = {
        name
        for name in seen - COMMITTED
        if not name.startswith(("GET ", "statement ", "commit ", "unlink "))
    }
    assert unknown == {"POST oauth2/token", "journal "}


@pytest.mark.parametrize("word", ["after", "before"] if LIVES else ["after"])
def test_killed_at_each_kind_of_commit_point(
    orgs: Orgs, undisturbed: Any, new_site: NewSite, word: str
) -> None:
    site = new_site()
    first, second, rebuild = (firsts(moments, word) for moments in undisturbed.moments)
    if not LIVES:
        second = [kill for kill in second if kill not in first]
    live(site, orgs, (first, second, rebuild))
    check(site, undisturbed)
    # One command's work is done by the next, so that not all of its own moments come.
    assert site.kills > 0.7 * (len(first) + len(second) + len(rebuild))


def test_killed_runs_say_what_they_had_done_and_that_they_died(
    orgs: Orgs, undisturbed: Any, new_site: NewSite
) -> None:
    site = new_site()
    with site.serve(orgs[0]):
        for kill in firsts(undisturbed.moments[0], "after"):
            site.ask("run", **kill)
    with site.open() as opened:
        runs = list_runs(opened).runs
        reports = [RunReportDocument.of(stored_run(opened, run.run_id)) for run in runs]
        events = [event.detail for _, event in opened.journal.read(detail_type="flow-run")]
    read: set[str] = set()
    for report in reversed(reports):
        assert report.run
        run_id, steps = report.run.run_id, report.attempts
        own = {e["object"] for e in events if (e["run_id"], e["state"]) == (run_id, "success")}
        # A window whose event an earlier run has published is committed by this one.
        read |= own
        begun = {step.about for step in steps if step.step == "extract"}
        done = {s.about for s in steps if (s.step, s.outcome) == ("extract", "success")}
        assert own <= begun
        assert done <= read
        assert "running" not in {attempt.outcome for attempt in steps}
        check_commits(site, report)
    # One that was killed before it was written down, or behind its end, did not die in it.
    outcomes = [report.run.outcome for report in reports if report.run]
    assert outcomes.count("died") >= site.kills - 4 > 10
    kinds = {step.step for report in reports for step in report.attempts}
    assert {"load", "stage", "test", "publish"} <= kinds


def check_commits(site: Any, report: RunReportDocument) -> None:
    """What a step says is done is committed: files of an object loaded, tables put in place."""
    assert report.run
    own = f"WHERE run_id = '{report.run.run_id}'"
    try:
        loaded = {row["object"] for row in site.query(f"SELECT object FROM seil.loads {own}")}
        built = {row["table_name"] for row in site.query(f"SELECT * FROM seil.builds {own}")}
    except (WarehouseError, StatementError):  # Killed before anything was loaded.
        loaded, built = set(), set()
    done = [step for step in report.attempts if step.outcome == "success"]
    assert {step.about for step in done if step.step == "load"} <= loaded
    if ("publish", "tables") in {(step.step, step.about) for step in done}:
        assert {step.about for step in done if step.step == "stage"} <= built


@pytest.mark.parametrize("what", ["loads", "builds"] if LIVES else ["loads"])
def test_killed_before_its_event_is_published(orgs: Orgs, new_site: NewSite, what: str) -> None:
    site = new_site()
    with site.serve(orgs[0]):
        assert site.ask("run", at={"name": f"after commit seil.{what}", "nth": 1}) == -9
        site.finish("run")
    assert site.untold() == set()


def later(moments: Sequence[str], share: float) -> Iterator[dict[str, Any]]:
    for name in dict.fromkeys(moments):
        if (count := moments.count(name)) > 2 and " GET " not in name:
            yield {"at": {"name": name, "nth": max(2, round(share * count))}}


@pytest.mark.parametrize("share", [0.5, 1.0] if LIVES else [1.0])
@pytest.mark.parametrize("part", range(PARTS))
def test_killed_late_at_a_commit_point(
    orgs: Orgs, undisturbed: Any, new_site: NewSite, tmp_path: Path, *, share: float, part: int
) -> None:
    chosen = [list(later(moments, share)) for moments in undisturbed.moments]
    kills = some_of(chosen[0], 3 * LIVES or 1, share)
    for n, kill in list(enumerate(kills))[part::PARTS]:
        site = new_site()
        site.folder = tmp_path / str(n)
        site.folder.mkdir()
        second = [chosen[1][n % len(chosen[1])]]
        live(site, orgs, ([kill], second, []))
        check(site, undisturbed)


@pytest.mark.parametrize("seed", range(FIRST_SEED, FIRST_SEED + max(LIVES, 1)))
def test_killed_at_random(orgs: Orgs, undisturbed: Any, new_site: NewSite, seed: int) -> None:
    chance = random.Random(seed)
    site = new_site()

    def kill(moments: Sequence[str]) -> dict[str, Any]:
        if chance.random() < 0.3:
            return {"after": chance.uniform(0.05, 4)}
        return {"at": {"nth": chance.randint(1, len(moments))}}

    kills = [
        [kill(moments) for _ in range(chance.randint(1, 3))] for moments in undisturbed.moments
    ]
    live(site, orgs, kills)
    check(site, undisturbed)
