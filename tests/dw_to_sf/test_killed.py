"""A push that dies at any of its steps, and the same command again: one write, exact outcomes."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.bookings import NAME, by_job
from tests.dw_to_sf.conftest import ROWS, BookingSource, push
from tests.mortal import Died, Life, MortalLog, MortalTransport

from seil.dw_to_sf.apply import Application
from seil.dw_to_sf.plan import Plan, make_plan
from seil.salesforce.org import Org
from seil.salesforce.writes.writer import Writer, WriterOptions
from seil.sandbox.salesforce.server import OrgServer
from seil.settings import SalesforceSettings
from seil.state.outcomes import OutcomeFilter
from seil.state.store import State

WAYS = {"collections": WriterOptions(pause=0, call_rows=2), "job": by_job()}
Step = Callable[[Application], object]


def notes(org: Org) -> list[Any]:
    records = org.query(f"SELECT Note__c FROM {NAME} ORDER BY Key__c")
    return [record["Note__c"] for record in records]


def until_done(url: str, state: State, flow: str, way: str, step: Step) -> int:
    """Repeats the step in ever longer lives, each as a run of its own, until one survives."""
    for lives in itertools.count(1):
        life = Life(lives * 3)
        settings = SalesforceSettings(login_url=url)
        with Org(settings, transport=MortalTransport(life), sleep=lambda _: None) as org:
            log: Any = MortalLog(state.outcomes.log(flow, f"{step.__name__}-{lives:03}"), life)
            try:
                rules = org.write_rules(NAME)
                step(Application(org, rules, log, WAYS[way], lambda _: None))
            except Died:
                continue
            return lives
    raise AssertionError


@pytest.mark.parametrize("way", WAYS)
def test_push_its_retry_and_its_undo_survive_any_death(
    org: Org, server: OrgServer, state: State, source: BookingSource, tmp_path: Path, way: str
) -> None:
    query = """SELECT id AS "Id", 'new' AS note FROM mirror"""
    definition = push(query, fields={"Note__c": "note"})
    plan: Plan = make_plan(definition, org.write_rules(NAME), source, tmp_path)

    def apply(application: Application) -> object:
        return application.apply(plan)

    def retry(application: Application) -> object:
        Writer(application.org, application.log, application.options).recover()
        where = OutcomeFilter(flow=definition.flow, is_open=True)
        return application.retry(definition.target, state.outcomes, where)

    def undo(application: Application) -> object:
        runs = {o.run_id for o in state.outcomes.find(OutcomeFilter(state="written"))}
        applied = sorted(run for run in runs if run.startswith("apply"))
        return [application.undo(state.outcomes, run) for run in applied]

    assert until_done(server.url, state, definition.flow, way, apply) > 2
    assert notes(org) == ["new"] * ROWS
    until_done(server.url, state, definition.flow, way, retry)
    counts = state.outcomes.counts(OutcomeFilter())
    assert set(counts) <= {"written", "unchanged"}
    assert counts["written"] == ROWS
    images = [o.image_before for o in state.outcomes.find(OutcomeFilter(state="written"))]
    assert images == [{"Note__c": "old"}] * ROWS
    assert until_done(server.url, state, definition.flow, way, undo) > 2
    assert notes(org) == ["old"] * ROWS
    assert state.outcomes.counts(OutcomeFilter())["undone"] == ROWS
