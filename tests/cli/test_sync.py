"""`seil sync gam-to-sf` between both stand-ins."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.ad_sales import book, make_org
from tests.cli.conftest import Seil

from seil.app.site import open_site
from seil.sandbox.admanager.faults import KINDS
from seil.sandbox.admanager.options import AdManagerOptions
from seil.sandbox.admanager.server import AdManagerServer
from seil.sandbox.salesforce.server import OrgServer
from seil.sf_to_dw.lock import run_lock

ORDER, LINE = 3_900_000_001, 5_900_000_001
SETTINGS = """
[salesforce]
login_url = "{org}"
[admanager]
endpoint = "{network}"
soap_endpoint = "{network}"
service_account_key = "file:{key}"
[gam_to_sf]
calls_per_second = 1000
"""


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdManagerServer]:
    options = AdManagerOptions(report_polls=0)
    with AdManagerServer(tmp_path_factory.mktemp("network"), options=options) as server:
        book(server, orders=[{"id": ORDER, "line_items": [LINE]}])
        yield server


@pytest.fixture
def org(home: Path, network: AdManagerServer) -> Iterator[OrgServer]:
    line = {"AdServerOrderLineIdentifier": str(LINE), "SWM_Status__c": "Ready"}
    lines = [line | {"Production_System__c": "GAM"}]
    with OrgServer(make_org(home / "org", {"AdOrderItem": lines})) as server:
        settings = SETTINGS.format(
            org=server.url, network=network.url, key=network.service_account_key
        )
        (home / "seil.toml").write_text(settings)
        yield server


def test_a_run_is_shown_first_then_written_and_recorded(seil: Seil, org: OrgServer) -> None:
    plan = seil("sync", "gam-to-sf", "--dry-run")
    assert plan.code == 0
    assert "Ready  DELIVERING" in plan.out
    ran = seil("sync", "gam-to-sf", "--json").json
    line_items = next(step for step in ran["steps"] if step["step"] == "line items")
    assert line_items["states"] == {"written": 1}
    assert ran["calls"]["ad_manager"] > 1
    assert seil("outcomes", "--run", ran["run_id"], "--json").json["states"] == {"written": 1}
    report = seil("runs", "show", ran["run_id"], "--json").json
    steps = [(attempt["step"], attempt["about"]) for attempt in report["attempts"]]
    assert ("sync", "line items") in steps
    assert report["run"]["counts"]["written"] == 1


def test_a_failed_step_is_named_and_stays_a_trouble_until_it_succeeds(
    seil: Seil, org: OrgServer, home: Path
) -> None:
    settings = (home / "seil.toml").read_text()
    (home / "seil.toml").write_text(f'{settings}proposal_id_field = "Nothing__c"\n')
    failed = seil("sync", "gam-to-sf", "--json")
    assert failed.code == 1
    assert failed.json["error"]["message"].startswith("proposals: ")
    assert [step["error"] is None for step in failed.json["steps"]] == [False, True, True, True]
    assert "proposal_id_field" in seil("status").out
    (home / "seil.toml").write_text(settings)
    assert seil("sync", "gam-to-sf").code == 0
    assert "proposal_id_field" not in seil("status").out


def test_inventory_is_read_once_a_day_or_on_demand(
    seil: Seil, org: OrgServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def steps(*options: str) -> list[str]:
        ran = seil("sync", "gam-to-sf", "--json", *options).json
        return [step["step"] for step in ran["steps"]]

    monkeypatch.setattr("seil.app.syncs.inventory_day", lambda: "2026-11-23")
    assert "inventory" not in steps(), "there is no warehouse yet"
    assert steps("--inventory")[-1] == "inventory"
    assert [list(row.values()) for row in seil("query", "--json", _PLACED).json["rows"]] == [
        ["Home", "home", None],
        ["Home article", "home_article", "All articles"],
    ]
    assert "inventory" not in steps()
    monkeypatch.setattr("seil.app.syncs.inventory_day", lambda: "2026-11-24")
    assert steps()[-1] == "inventory"


_PLACED = """
SELECT unit.name, unit.code, placement.name AS placement
FROM gam.ad_units AS unit
LEFT JOIN gam.placement_ad_units AS pair
    ON pair.ad_unit_id = unit.ad_unit_id AND pair.placement_id = '31000001'
LEFT JOIN gam.placements AS placement ON placement.placement_id = pair.placement_id
WHERE unit.code LIKE 'home%' ORDER BY 2
"""


def test_a_second_run_is_refused_while_one_is_under_way(seil: Seil, org: OrgServer) -> None:
    with open_site() as site, run_lock(site.lake, key="sync.gam-to-sf.lock"):
        refused = seil("sync", "gam-to-sf")
    assert refused.code == 5
    assert "is running" in refused.err or "holds" in refused.err
    assert seil("runs", "list", "--json").json["runs"][0]["outcome"] == "refused"


def test_inventory_waits_for_a_run_that_holds_the_warehouse(seil: Seil, org: OrgServer) -> None:
    assert seil("sync", "gam-to-sf", "--inventory").code == 0
    with open_site() as site:
        site.state.marks.set("gam_to_sf inventory", "")
        with run_lock(site.lake):
            ran = seil("sync", "gam-to-sf", "--json")
            forced = seil("sync", "gam-to-sf", "--inventory", "--json")
    assert ran.code == 0
    assert ran.json["steps"][-1]["note"].startswith("put off until the next run: ")
    assert (forced.code, forced.json["steps"][-1]["error"]["type"]) == (1, "already_running")


def test_doctor_checks_the_network_and_each_object(
    seil: Seil, org: OrgServer, network: AdManagerServer, home: Path
) -> None:
    def checks() -> dict[str, dict[str, str]]:
        return {check["name"]: check for check in seil("doctor", "--json").json["checks"]}

    good = checks()
    for name in ("Ad Manager", "Ad Manager reports", "writing AdOrderItem", "writing Usage__c"):
        assert good[name]["state"] == "ok", name
    assert good["writing Order"]["detail"].startswith("vlocity_cmt__FulfilmentStatus__c, SWM_GAM")
    settings = (home / "seil.toml").read_text()
    (home / "seil.toml").write_text(f'{settings}proposal_status_field = "SystemModstamp"\n')
    for fault in KINDS["token-refused"].faults:
        network.faults.add(fault)
    try:
        bad = checks()
    finally:
        network.faults.clear()
    assert bad["writing Order"]["detail"] == "SystemModstamp cannot be edited"
    assert bad["Ad Manager"]["state"] == "fail"
    assert "Ad Manager reports" not in bad


def test_what_was_left_out_before_is_counted_only(seil: Seil, org: OrgServer) -> None:
    texts = [seil("sync", "gam-to-sf", *options).out for options in ((), (), ("--verbose",))]
    assert ["not in salesforce: " in text for text in texts] == [True, False, True]
    assert "`--verbose` lists it" in texts[1]


def test_doctor_checks_a_network_that_only_the_schedule_uses(seil: Seil, home: Path) -> None:
    (home / "seil.toml").write_text('[start]\nevery = { gam-to-sf = "1h" }\n')
    checks = {check["name"]: check for check in seil("doctor", "--json").json["checks"]}
    assert checks["Ad Manager"]["cure"].startswith("start the stand-in")
