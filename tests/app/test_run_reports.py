"""Stored runs, by pages: dead ones at once, and no value that does not exist."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from seil.app.run_reports import list_runs, stored_run
from seil.app.site import Site
from seil.errors import ConfigurationError
from seil.settings import load_settings


@pytest.fixture
def site(home: Path) -> Iterator[Site]:
    with Site(load_settings()) as opened:
        yield opened


def kill(site: Site, run_id: str) -> None:
    """As if its process had ended."""
    with site.state.database.transaction() as transaction:
        other_process = "UPDATE runs SET process_start = '1' WHERE run_id = :run_id"
        transaction.execute(other_process, run_id=run_id)


def test_a_dead_run_is_found_before_another_one_ended(site: Site) -> None:
    with site.runs.run("load") as alive, site.runs.run("build") as dead:
        kill(site, dead.run_id)
        died, running = list_runs(site, outcome="died"), list_runs(site, outcome="running")
    assert [run.run_id for run in died.runs] == [dead.run_id]
    assert [run.run_id for run in running.runs] == [alive.run_id]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"outcome": "banana"}, "'banana' is none of running, success"),
        ({"command": "bild"}, "'bild' is none of run, extract"),
        ({"before": "nobody"}, "there is no run nobody"),
    ],
    ids=lambda value: "" if isinstance(value, str) else next(iter(value)),
)
def test_a_value_that_does_not_exist_is_refused(
    site: Site, values: dict[str, str], reason: str
) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        list_runs(site, **values)  # type: ignore[arg-type]


def test_a_stored_run_has_its_steps_and_says_why_there_is_no_ledger(site: Site) -> None:
    assert stored_run(site) is None
    with site.runs.run("load") as run, run.progress().step("load Account"):
        pass
    stored = stored_run(site)
    assert stored is not None
    assert [attempt.about for attempt in stored.attempts] == ["Account"]
    assert "no warehouse yet" in stored.ledger.problem
