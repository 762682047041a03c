"""From Ad Manager's stand-in to Salesforce's: statuses and delivery, what differs and no more."""

from __future__ import annotations

from pathlib import Path

from tests.ad_sales import network_settings
from tests.gam_to_sf.conftest import LINE, Flow

from seil.admanager.client import AdManager
from seil.admanager.pace import CallPace
from seil.gam_to_sf.changes import Preview
from seil.gam_to_sf.flow import GamToSf, flow_steps
from seil.gam_to_sf.inventory import InventoryStep
from seil.salesforce.org import Org
from seil.sandbox.admanager.server import AdManagerServer
from seil.settings import SalesforceSettings


def test_every_step_writes_what_differs_and_a_second_run_nothing(flow: Flow) -> None:
    results = flow.run()
    assert [(r.name, r.error, r.read, dict(r.states)) for r in results.values()] == [
        ("proposals", None, 1, {"written": 1}),
        ("orders", None, 5, {"written": 1}),
        ("line items", None, 3, {"written": 1}),
        ("delivery", None, 5, {"written": 3}),
    ]
    statuses = flow.values("Order", "vlocity_cmt__FulfilmentStatus__c")
    assert statuses[:2] == [("APPROVED",), ("approved",)]
    assert flow.values("Order", "SWM_GAMProposalStatus__c")[5] == ("APPROVED",)
    assert flow.values("AdOrderItem", "SWM_Status__c")[:3] == [
        ("DELIVERING",),
        ("Delivering",),
        ("Completed",),
    ]
    yesterday, today, earlier, *_ = flow.values("Usage__c", "Ad_Impression__c", "Ad_Clicks__c")
    assert yesterday[0] > today[0] > 0
    assert earlier == (7, 0)
    again = flow.run()
    assert [(r.differing, dict(r.states)) for r in again.values()] == [(0, {})] * 4


def test_what_has_no_counterpart_is_reported(flow: Flow) -> None:
    results = flow.run(dry_run=True)
    gaps = {name: {g: s.count for g, s in r.gaps.items()} for name, r in results.items()}
    assert gaps == {
        "proposals": {},
        "orders": {"without_id": 1, "refused_id": 1, "not_in_ad_manager": 1},
        "line items": {"without_id": 1},
        "delivery": {"refused_id": 1, "not_in_salesforce": gaps["delivery"]["not_in_salesforce"]},
    }
    assert "'1 OR 1=1'" in results["orders"].gaps["refused_id"].first[0]
    assert f"{LINE + 1} on 2026-11-22" in results["delivery"].gaps["not_in_salesforce"].first


def test_a_dry_run_shows_values_and_writes_nothing(flow: Flow) -> None:
    before = flow.values("AdOrderItem", "SWM_Status__c")
    (change,) = flow.run(dry_run=True)["line items"].changes
    assert (change.field, change.old, change.new) == ("SWM_Status__c", "Ready", "DELIVERING")
    assert flow.values("AdOrderItem", "SWM_Status__c") == before


def test_once_ad_manager_is_down_each_step_fails_at_once(
    flow: Flow, network: AdManagerServer, tmp_path: Path
) -> None:
    settings = network_settings(network, tmp_path)
    unreachable = {"soap_endpoint": "http://127.0.0.1:1", "endpoint": "http://127.0.0.1:1"}
    attempts: list[float] = []
    pace = CallPace(100_000, sleep=attempts.append)
    flow.admanager = AdManager(settings.model_copy(update=unreachable), pace=pace)
    results = flow.run()
    assert list(results) == ["proposals", "orders", "line items", "delivery"]
    assert {result.problem for result in results.values()} == {results["proposals"].problem}
    assert results["proposals"].problem.startswith("Ad Manager")
    assert len([pause for pause in attempts if pause >= 1]) == 5, "of one call"


def test_once_salesforce_is_down_each_step_that_needs_it_fails_at_once(flow: Flow) -> None:
    pauses: list[float] = []
    settings = SalesforceSettings(login_url="http://127.0.0.1:1", attempts=3)
    steps = flow_steps(flow.admanager, flow.settings, flow.state.marks)
    inventory = InventoryStep(flow.admanager, store=None)
    with Org(settings, sleep=pauses.append) as org:
        *results, network = GamToSf(org, Preview(), [*steps, inventory]).run()
    assert [result.name for result in results] == ["proposals", "orders", "line items", "delivery"]
    assert {result.problem for result in results} == {results[0].problem}
    assert results[0].problem.startswith("Salesforce: no connection")
    assert len(pauses) == 2, "of one call"
    assert network.ok
    assert network.read > 0
