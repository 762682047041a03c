"""Both far ends of delivery reporting, and the flow between them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.ad_sales import book, client, make_org, network_settings

from seil.admanager.client import AdManager
from seil.admanager.pace import CallPace
from seil.gam_to_sf.changes import Preview, SalesforceRecords
from seil.gam_to_sf.flow import GamToSf, flow_steps
from seil.gam_to_sf.results import StepResult
from seil.salesforce.org import Org
from seil.salesforce.writes.writer import Writer, WriterOptions
from seil.sandbox.admanager.options import AdManagerOptions
from seil.sandbox.admanager.server import AdManagerServer
from seil.sandbox.salesforce.server import OrgServer
from seil.settings import GamToSfSettings
from seil.state.store import State, state_in_memory

ORDER, LINE, PROPOSAL = 3_900_000_001, 5_900_000_001, 2_900_000_001
YESTERDAY, TODAY = date(2026, 11, 22), date(2026, 11, 23)
NOON = datetime(2026, 11, 23, 1, tzinfo=UTC)
"""In Sydney, the network's zone."""


def usage(line: object, day: date, impressions: int | None = 0, clicks: int = 0) -> dict[str, Any]:
    return {
        "GAM_LineItemID__c": line if line is None else str(line),
        "Usage_Date__c": day,
        "Ad_Impression__c": impressions,
        "Ad_Clicks__c": clicks,
    }


RECORDS: dict[str, list[dict[str, Any]]] = {
    "Order": [
        {"SWM_GAMOrderId__c": str(ORDER), "vlocity_cmt__FulfilmentStatus__c": "DRAFT"},
        {"SWM_GAMOrderId__c": str(ORDER), "vlocity_cmt__FulfilmentStatus__c": "approved"},
        {"SWM_GAMOrderId__c": None},
        {"SWM_GAMOrderId__c": "1 OR 1=1"},
        {"SWM_GAMOrderId__c": "77"},
        {"SWM_GAMProposalId__c": str(PROPOSAL), "SWM_GAMProposalStatus__c": None},
    ],
    "AdOrderItem": [
        {"AdServerOrderLineIdentifier": str(LINE), "SWM_Status__c": "Ready"},
        {"AdServerOrderLineIdentifier": str(LINE + 1), "SWM_Status__c": "Delivering"},
        {"AdServerOrderLineIdentifier": str(LINE), "SWM_Status__c": "Completed"},
        {"AdServerOrderLineIdentifier": None, "SWM_Status__c": "Draft"},
    ],
    "Usage__c": [
        usage(LINE, YESTERDAY),
        usage(LINE, TODAY, None),
        usage(LINE, date(2026, 11, 21), 7),
        usage(LINE + 1, TODAY, 3, 3),
        usage("unknown", TODAY),
        usage(424242, TODAY, 5),
    ],
}
for number, row in enumerate(RECORDS["Order"]):
    row["SWM_GAMUpdate_After_Complete__c"] = 0 if number == 5 else 1
for row in RECORDS["AdOrderItem"]:
    row["Production_System__c"] = "GAM"


@pytest.fixture(scope="session")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdManagerServer]:
    """At noon of TODAY in its zone, with one order of two delivering line items."""
    options = AdManagerOptions(report_polls=0, now=lambda: NOON)
    with AdManagerServer(tmp_path_factory.mktemp("network"), options=options) as server:
        book(
            server,
            orders=[
                {"id": ORDER, "line_items": [LINE, LINE + 1]},
                {"id": ORDER + 1, "line_items": [LINE + 2], "start": 10, "end": 20},
            ],
            proposals=[{"id": PROPOSAL, "status": "APPROVED"}],
        )
        yield server


@pytest.fixture(scope="session")
def admanager(network: AdManagerServer, tmp_path_factory: pytest.TempPathFactory) -> AdManager:
    settings = network_settings(network, tmp_path_factory.mktemp("wsdl"))
    return AdManager(settings, pace=CallPace(100_000, sleep=lambda _: None))


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_org(tmp_path_factory.mktemp("ad-sales") / "org", RECORDS)


@pytest.fixture
def server(template: Path, tmp_path: Path) -> Iterator[OrgServer]:
    shutil.copytree(template, tmp_path / "org")
    with OrgServer(tmp_path / "org") as running:
        yield running


@pytest.fixture
def org(server: OrgServer) -> Iterator[Org]:
    with client(server) as opened:
        yield opened


@dataclass
class Flow:
    """Delivery reporting at noon of TODAY in the network's zone."""

    org: Org
    admanager: AdManager
    state: State
    settings: GamToSfSettings = field(default_factory=GamToSfSettings)
    options: WriterOptions = field(default_factory=lambda: WriterOptions(pause=0, poll=0.05))
    now: datetime = NOON
    runs: int = 0

    def run(self, *, dry_run: bool = False) -> dict[str, StepResult]:
        self.runs += 1
        log = self.state.outcomes.log("gam_to_sf", f"run-{self.runs}")
        writer = Writer(self.org, log, self.options, sleep=lambda _: None)
        records = SalesforceRecords(writer, crossover=self.options.crossover)
        marks = self.state.marks
        steps = list(flow_steps(self.admanager, self.settings, marks, clock=lambda: self.now))
        flow = GamToSf(self.org, Preview() if dry_run else records, steps)
        return {result.name: result for result in flow.run()}

    def values(self, name: str, *fields: str) -> list[tuple[Any, ...]]:
        rows = self.org.query(f"SELECT {', '.join(fields)} FROM {name} ORDER BY Id")
        return [tuple(row[field] for field in fields) for row in rows]


@pytest.fixture
def flow(org: Org, admanager: AdManager, network: AdManagerServer) -> Iterator[Flow]:
    with state_in_memory() as state:
        yield Flow(org, admanager, state)
    network.faults.clear()
