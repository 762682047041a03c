"""What goes wrong between the far ends: reports, records, sessions, kills, other steps."""

from __future__ import annotations

import itertools
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.ad_sales import client, make_org
from tests.gam_to_sf.conftest import LINE, TODAY, YESTERDAY, Flow, usage
from tests.mortal import Died, Life, MortalLog, MortalTransport
from tests.rest_writes import write

from seil.gam_to_sf.changes import SalesforceRecords
from seil.gam_to_sf.flow import GamToSf, flow_steps
from seil.salesforce.org import Org
from seil.salesforce.writes.writer import Writer, WriterOptions
from seil.sandbox.admanager.faults import KINDS, AdManagerFault
from seil.sandbox.admanager.server import AdManagerServer
from seil.sandbox.salesforce.faults import OrgFault
from seil.sandbox.salesforce.server import OrgServer
from seil.settings import SalesforceSettings
from seil.state.outcomes import OutcomeFilter
from seil.state.store import State, state_in_memory

FIGURES = ("Ad_Impression__c", "Ad_Clicks__c")
WAYS = {
    "collections": WriterOptions(pause=0),
    "job": WriterOptions(crossover=0, pause=0, poll=0.05),
}


def break_reports(network: AdManagerServer, kind: str) -> None:
    for fault in KINDS[kind].faults:
        network.faults.add(fault)


def test_a_late_report_fails_its_step_alone_and_the_next_run_writes_it(
    flow: Flow, network: AdManagerServer
) -> None:
    break_reports(network, "report-late")
    soon = {"report_timeout": timedelta(seconds=0.1)}
    flow.settings = flow.settings.model_copy(update=soon)
    results = flow.run()
    assert "no answer within 0.1 seconds" in results["delivery"].problem
    assert [result.ok for result in results.values()] == [True, True, True, False]
    network.faults.clear()
    assert flow.run()["delivery"].states == {"written": 3}


def test_an_empty_report_leaves_every_figure_as_it_is(flow: Flow, network: AdManagerServer) -> None:
    before = flow.values("Usage__c", *FIGURES)
    break_reports(network, "report-empty")
    result = flow.run()["delivery"]
    assert result.ok
    assert result.note == f"Ad Manager reports no delivery of {YESTERDAY} and {TODAY}"
    assert flow.values("Usage__c", *FIGURES) == before


def test_a_corrected_figure_is_written_again(flow: Flow, server: OrgServer) -> None:
    flow.run()
    (record,) = flow.values("Usage__c", "Id")[0]
    write(server.url, "PATCH", f"Usage__c/{record}", {"Ad_Clicks__c": 99_999})
    (change,) = flow.run()["delivery"].changes
    assert (change.record_id, change.field, change.old) == (record, "Ad_Clicks__c", "99999")


def test_records_of_one_line_and_day_are_reported_and_agree(flow: Flow, server: OrgServer) -> None:
    twin = {**usage(LINE, YESTERDAY), "Usage_Date__c": YESTERDAY.isoformat()}
    write(server.url, "POST", "Usage__c", twin)
    result = flow.run()["delivery"]
    assert result.gaps["shared_line"].first == [f"{LINE} on {YESTERDAY}"]
    rows = flow.values("Usage__c", "GAM_LineItemID__c", "Usage_Date__c", *FIGURES)
    twins = [row for row in rows if row[:2] == (str(LINE), YESTERDAY.isoformat())]
    assert len(twins) == 2
    assert twins[0] == twins[1]


@pytest.mark.parametrize("way", WAYS)
def test_a_retired_picklist_value_rejects_its_record_and_stops_no_other(
    flow: Flow, tmp_path: Path, way: str
) -> None:
    lines = [
        {"AdServerOrderLineIdentifier": str(line), "SWM_Status__c": "Draft"}
        | {"Production_System__c": "GAM"}
        for line in (LINE, LINE + 2)
    ]
    folder = make_org(
        tmp_path / "strict", {"AdOrderItem": lines}, statuses=["Draft", "Ready", "Completed"]
    )
    flow.options = WAYS[way]
    with OrgServer(folder) as server, client(server) as org:
        flow.org = org
        result = flow.run()["line items"]
        assert result.states == {"written": 1, "rejected": 1}
        assert result.problem == "1 record(s) not written"
        assert "DELIVERING" in result.refused[0].reason
        assert flow.values("AdOrderItem", "SWM_Status__c") == [("Draft",), ("Ready",)]
    (stored,) = flow.state.outcomes.find(OutcomeFilter(state="rejected"))
    assert (stored.flow, stored.fields) == ("gam_to_sf", {"SWM_Status__c": "DELIVERING"})


@pytest.mark.parametrize("way", WAYS)
def test_a_session_that_expires_at_any_call_loses_nothing(
    flow: Flow, server: OrgServer, way: str
) -> None:
    flow.options = WAYS[way]
    server.faults.add(OrgFault(path="/services/(data|apexrest)", expire_session=True, every=3))
    assert all(result.ok for result in flow.run().values())
    server.faults.clear()
    assert [result.differing for result in flow.run().values()] == [0] * 4


@pytest.mark.parametrize(
    ("fault", "failed"),
    [
        ({"path": "/apis/"}, "proposals"),
        ({"path": "/orders"}, "orders"),
        ({"path": "/lineItems"}, "line items"),
        ({"path": ":run"}, "delivery"),
    ],
    ids=["proposals", "orders", "line items", "delivery"],
)
def test_each_step_runs_though_another_fails(
    flow: Flow, network: AdManagerServer, fault: dict[str, str], failed: str
) -> None:
    network.faults.add(AdManagerFault(**fault, status=503))
    results = flow.run()
    assert [name for name, result in results.items() if not result.ok] == [failed]
    assert "Ad Manager answered 503" in results[failed].problem
    assert sum(result.states["written"] for result in results.values()) >= 3


def test_a_throttled_call_waits_and_is_repeated(flow: Flow, network: AdManagerServer) -> None:
    network.faults.add(AdManagerFault(path="/orders", error="quota", times=4))
    assert flow.run()["orders"].states == {"written": 1}


def test_a_fault_of_ours_in_one_step_does_not_stop_the_others(
    flow: Flow, network: AdManagerServer, caplog: pytest.LogCaptureFixture
) -> None:
    network.faults.add(AdManagerFault(path=":fetchRows", text=_ODD_ROW))
    results = flow.run()
    assert [result.ok for result in results.values()] == [True, True, True, False]
    assert results["delivery"].problem


_ODD_ROW = """{"rows": [{"dimensionValues": [{"stringValue": "x"}, {"intValue": "20261123"}],
"metricValueGroups": [{"primaryValues": [{"intValue": "1"}, {"intValue": "1"}]}]}]}"""


@pytest.mark.parametrize(("way", "every"), [("collections", 1), ("job", 5)])
def test_it_can_die_anywhere_and_the_next_run_finishes(
    flow: Flow, server: OrgServer, way: str, every: int
) -> None:
    """Line items only: every step writes by the same writer. A job has many points to die at."""
    deaths = 0
    for steps in itertools.count(step=every):
        reset(flow, server)
        with state_in_memory() as state:
            died = live(flow, server.url, state, WAYS[way], Life(steps))
            live(flow, server.url, state, WAYS[way], Life(10_000))
            assert flow.values("AdOrderItem", "SWM_Status__c")[0] == ("DELIVERING",)
            assert set(state.outcomes.counts(OutcomeFilter())) <= {"written", "retrying"}
            assert not list(state.outcomes.log("gam_to_sf", "").unsettled())
        deaths += died
        if not died:
            break
    assert deaths > 5


def reset(flow: Flow, server: OrgServer) -> None:
    (record,) = flow.values("AdOrderItem", "Id")[0]
    write(server.url, "PATCH", f"AdOrderItem/{record}", {"SWM_Status__c": "Ready"})


def live(flow: Flow, url: str, state: State, options: WriterOptions, life: Life) -> bool:
    """Whether it died."""
    steps = list(flow_steps(flow.admanager, flow.settings, state.marks))[2:3]
    settings = SalesforceSettings(login_url=url)
    with Org(settings, transport=MortalTransport(life), sleep=_no_sleep) as org:
        log: Any = MortalLog(state.outcomes.log("gam_to_sf", f"run-{life.left}"), life)
        records = SalesforceRecords(Writer(org, log, options), crossover=options.crossover)
        try:
            GamToSf(org, records, steps).run()
        except Died:
            return True
    return False


def _no_sleep(_seconds: float) -> None: ...
