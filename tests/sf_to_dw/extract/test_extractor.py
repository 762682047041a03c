from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.limits import HANGS

from seil.catalog import FlowSettings, SyncedObject
from seil.errors import (
    LakeError,
    LoginError,
    ObjectRejectedError,
    QuotaExhaustedError,
    UnavailableError,
)
from seil.events.envelope import Event
from seil.lake import Lake
from seil.salesforce.org import Org
from seil.sandbox.salesforce.metadata import SObject
from seil.sandbox.salesforce.options import OrgOptions, Quotas
from seil.sandbox.salesforce.server import OrgServer
from seil.sandbox.salesforce.store import OrgStore
from seil.secret import Secret
from seil.settings import ExtractSettings, SalesforceSettings
from seil.sf_to_dw.extract.extractor import Extractor, ExtractReport
from seil.sf_to_dw.extract.flows import FlowStates, manifest_key
from seil.sf_to_dw.extract.plan import plan
from seil.sf_to_dw.schema.registry import SchemaRegistry
from seil.state import state_in_memory

NO_LAG = FlowSettings(lag=timedelta(0))
ACCOUNT = SyncedObject(api_name="Account", flow=NO_LAG)
ORDER_ITEM = SyncedObject(api_name="OrderItem", landing_name="Order-Product", flow=NO_LAG)
UNKNOWN = SyncedObject(api_name="Nothing__c", flow=NO_LAG)
RESULTS = "/results"
SETTINGS = ExtractSettings(page_rows=60, poll=timedelta(milliseconds=50))
EMPTY = {
    "name": "Empty__c",
    "fields": [
        {"name": "Id", "type": "id", "length": 18},
        {"name": "IsDeleted", "type": "boolean"},
        {"name": "SystemModstamp", "type": "datetime"},
        {"name": "Price__c", "type": "currency", "precision": 10, "scale": 4},
    ],
}


@pytest.fixture
def server(generated: Path, tmp_path: Path) -> Iterator[OrgServer]:
    shutil.copytree(generated, tmp_path / "org")
    with OrgServer(tmp_path / "org", options=OrgOptions(result_page_rows=60)) as running:
        yield running


@dataclass
class Published:
    events: list[Event] = field(default_factory=list)

    def publish(self, events: Sequence[Event]) -> None:
        self.events += events

    def states(self, detail_type: str = "flow-run") -> list[str]:
        return [e.detail["state"] for e in self.events if e.detail_type == detail_type]


@dataclass
class Site:
    """One lake, and an extractor for the org that listens at `url`."""

    url: str
    folder: Path
    settings: ExtractSettings = SETTINGS
    api_version: str = "62.0"
    attempts: int = 2
    secret: str = "sandbox-secret"
    reserve: int = 10
    bus: Published = field(default_factory=Published)

    @property
    def lake(self) -> Lake:
        return Lake.at(self.folder.as_uri(), env="dev", project="seil")

    def org(self) -> Org:
        settings = SalesforceSettings(
            login_url=self.url,
            api_version=self.api_version,
            attempts=self.attempts,
            client_secret=Secret(f"plain:{self.secret}"),
            max_wait=timedelta(milliseconds=50),
            reserve=self.reserve,
        )
        return Org(settings)

    @contextmanager
    def extractor(self) -> Iterator[Extractor]:
        registry = SchemaRegistry(self.lake)
        with self.org() as org, state_in_memory() as state:
            yield Extractor(org, self.lake, self.bus, self.settings, registry=registry, state=state)

    def run(self, *objects: SyncedObject, full: bool = False) -> ExtractReport:
        with self.extractor() as extractor:
            return extractor.run(objects, full=full)

    def landed(self) -> pa.Table:
        keys = [entry.key for entry in self.lake.landing.list("in/")]
        tables = []
        for key in keys:
            with self.lake.landing.reader(key) as file:
                tables.append(pq.read_table(file))
        return pa.concat_tables(tables, promote_options="permissive")

    def fault(self, **fault: Any) -> None:
        httpx.post(f"{self.url}/sandbox/faults", json=fault, timeout=HANGS).raise_for_status()

    def no_faults(self) -> None:
        httpx.delete(f"{self.url}/sandbox/faults", timeout=HANGS).raise_for_status()

    def schema(self, **change: Any) -> None:
        httpx.post(f"{self.url}/sandbox/schema", json=change, timeout=HANGS).raise_for_status()

    def in_org(self, name: str) -> int:
        with self.org() as org:
            return org.count(name)


@pytest.fixture
def site(server: OrgServer, tmp_path: Path) -> Site:
    return Site(server.url, tmp_path / "lake")


def distinct_ids(table: pa.Table) -> int:
    return len(set(table["Id"].to_pylist()))


@pytest.mark.parametrize("api_version", ["62.0", "57.0"], ids=["listed pages", "chained pages"])
def test_first_run_lands_every_record_once(site: Site, api_version: str) -> None:
    site.api_version = api_version
    report = site.run(ORDER_ITEM)
    (flow,) = report.flows
    expected = site.in_org("OrderItem")
    assert flow.error is None
    assert flow.mode == "full"
    assert flow.files == -(-expected // 60)
    assert report.rows == flow.reported == flow.landed == expected
    landed = site.landed()
    assert landed.num_rows == distinct_ids(landed) == expected
    assert landed.schema.field("UnitPrice").type == pa.decimal128(18, 2)
    assert landed.schema.field("SystemModstamp").type == pa.timestamp("us", tz="UTC")
    assert site.bus.states() == ["started", "success"]
    assert len([e for e in site.bus.events if e.source == "aws.s3"]) == flow.files


def test_deleted_records_are_read_too(site: Site) -> None:
    site.run(ORDER_ITEM)
    assert True in site.landed()["IsDeleted"].to_pylist()


def test_second_run_reads_only_the_window(site: Site) -> None:
    site.run(ACCOUNT)
    committed = FlowStates(site.lake).get(ACCOUNT).committed
    (flow,) = site.run(ACCOUNT).flows
    assert flow.mode == "delta"
    assert flow.window is not None
    assert flow.window.start == (committed or flow.window.end) - timedelta(minutes=10)
    assert flow.landed < site.in_org("Account")


def test_full_reads_everything_again(site: Site) -> None:
    site.run(ACCOUNT)
    (flow,) = site.run(ACCOUNT, full=True).flows
    assert (flow.mode, flow.landed) == ("full", site.in_org("Account"))


def test_empty_full_load_lands_the_columns(generated: Path, tmp_path: Path) -> None:
    shutil.copytree(generated, tmp_path / "org")
    with closing(OrgStore.open(tmp_path / "org")) as store:
        store.add_object(SObject.from_describe(EMPTY))
    empty = SyncedObject(api_name="Empty__c", flow=NO_LAG)
    with OrgServer(tmp_path / "org") as server:
        site = Site(server.url, tmp_path / "lake")
        (first,) = site.run(empty).flows
        (second,) = site.run(empty).flows
    assert (first.error, first.landed, first.files) == (None, 0, 1)
    assert site.landed().schema.field("Price__c").type == pa.decimal128(10, 4)
    assert (second.mode, second.landed, second.files) == ("delta", 0, 0)


def test_empty_delta_lands_new_columns_and_reports_drift(site: Site) -> None:
    quiet = ACCOUNT.model_copy(
        update={"flow": FlowSettings(lag=timedelta(0), lookback=timedelta(0))}
    )
    site.run(quiet)
    site.schema(object="Account", action="add", field="Brand_New__c", type="date")
    (flow,) = site.run(quiet).flows
    assert (flow.mode, flow.landed, flow.files) == ("delta", 0, 1)
    assert site.landed().schema.field("Brand_New__c").type == pa.date32()
    (drift,) = [e for e in site.bus.events if e.detail_type == "schema-drift"]
    assert drift.detail["added"] == {"Brand_New__c": "date32[day]"}


def test_manifest_says_what_was_reported_and_landed(site: Site) -> None:
    (flow,) = site.run(ACCOUNT).flows
    key = manifest_key("Account", flow.flow_run_id)
    manifest = json.loads(site.lake.staging.get(key))
    assert manifest["reported"] == manifest["landed"] == flow.landed
    assert sum(page["rows"] for page in manifest["pages"]) == flow.landed
    assert manifest["left_out"]["BillingAddress"] == flow.left_out["BillingAddress"]
    assert manifest["window_start"] is None


def test_excluded_fields_are_not_read_and_named(site: Site) -> None:
    lean = ACCOUNT.model_copy(update={"exclude": ("description",)})
    (flow,) = site.run(lean).flows
    assert "Description" not in site.landed().column_names
    assert flow.left_out["Description"] == "excluded in the catalog"


@pytest.mark.parametrize("api_version", ["62.0", "57.0"], ids=["listed pages", "chained pages"])
def test_broken_run_goes_on_with_its_job_behind_the_landed_pages(
    site: Site, api_version: str
) -> None:
    site.api_version, site.attempts = api_version, 1
    site.settings = site.settings.model_copy(update={"pages": 1})
    site.fault(method="GET", path=RESULTS + r"(\?|$)", after=2, status=503)
    (flow,) = site.run(ORDER_ITEM).flows
    assert isinstance(flow.error, UnavailableError)
    running = FlowStates(site.lake).get(ORDER_ITEM).running
    assert running is not None
    assert [page.number for page in running.pages] == [0, 1]
    site.no_faults()
    (flow,) = site.run(ORDER_ITEM).flows
    assert flow.error is None
    assert flow.resumed
    assert flow.flow_run_id == running.flow_run_id
    landed = site.landed()
    assert landed.num_rows == distinct_ids(landed) == flow.reported == site.in_org("OrderItem")


def test_run_whose_job_is_gone_starts_its_window_again(site: Site) -> None:
    site.attempts = 1
    site.fault(method="GET", path=RESULTS + r"(\?|$)", status=503, times=20)
    site.run(ACCOUNT)
    running = FlowStates(site.lake).get(ACCOUNT).running
    assert running is not None
    site.no_faults()
    with site.org() as org:
        org.bulk.delete(running.job_id)
    (flow,) = site.run(ACCOUNT).flows
    assert (flow.error, flow.resumed) == (None, False)
    assert flow.flow_run_id != running.flow_run_id
    assert flow.landed == site.in_org("Account")


@pytest.mark.parametrize(
    "fault",
    [
        {"method": "GET", "path": RESULTS, "cut": 400, "times": 1},
        {"method": "GET", "path": RESULTS, "number_of_records": "+1", "times": 1},
        {"path": RESULTS, "nul_bytes": True},
        {"path": RESULTS, "lower_case_headers": True},
        *(
            pytest.param(fault, marks=pytest.mark.matrix)
            for fault in (
                {"method": "GET", "path": RESULTS, "status": 503, "retry_after": "0", "times": 1},
                {"method": "GET", "path": RESULTS, "expire_session": True, "times": 1},
                {"method": "GET", "path": RESULTS, "html": "<h1>setting up</h1>", "times": 1},
                {"path": RESULTS, "charset": ""},
                {"path": RESULTS, "bom": True},
            )
        ),
    ],
    ids=lambda fault: "-".join(sorted(set(fault) - {"method", "path", "times"})),
)
def test_bad_days_change_nothing_in_what_lands(site: Site, fault: dict[str, Any]) -> None:
    site.fault(**fault)
    (flow,) = site.run(ORDER_ITEM).flows
    assert flow.error is None
    landed = site.landed()
    assert landed.num_rows == distinct_ids(landed) == site.in_org("OrderItem")


def test_counts_that_keep_disagreeing_leave_the_window_open(site: Site) -> None:
    site.fault(method="GET", path=RESULTS, number_of_records="-1")
    (flow,) = site.run(ACCOUNT).flows
    assert isinstance(flow.error, UnavailableError)
    assert FlowStates(site.lake).get(ACCOUNT).committed is None
    assert site.bus.states() == ["started", "error"]


def test_failed_object_does_not_stop_the_others(site: Site) -> None:
    report = site.run(UNKNOWN, ACCOUNT)
    assert isinstance(report.flows[0].error, ObjectRejectedError)
    assert report.flows[1].landed == site.in_org("Account")
    assert report.failed == [report.flows[0]]


def test_failed_job_starts_anew_next_time(site: Site) -> None:
    site.fault(method="POST", path="jobs/query", fail_job="INVALID_FIELD: nothing", times=1)
    (flow,) = site.run(ACCOUNT).flows
    assert flow.error is not None
    assert "INVALID_FIELD: nothing" in str(flow.error)
    (flow,) = site.run(ACCOUNT).flows
    assert (flow.error, flow.resumed) == (None, False)


def test_wrong_secret_stops_the_run(site: Site) -> None:
    site.secret = "wrong"
    with pytest.raises(LoginError):
        site.run(ACCOUNT)


def test_used_up_quota_stops_before_any_job(generated: Path, tmp_path: Path) -> None:
    shutil.copytree(generated, tmp_path / "org")
    options = OrgOptions(quotas=Quotas(api_requests=20))
    with OrgServer(tmp_path / "org", options=options) as server:
        site = Site(server.url, tmp_path / "lake", reserve=95)
        with pytest.raises(QuotaExhaustedError, match="of 20 calls are left today"):
            site.run(ACCOUNT)
    assert FlowStates(site.lake).get(ACCOUNT).running is None


def test_budget_gone_in_the_middle_leaves_the_window_open_and_goes_on_later(
    generated: Path, tmp_path: Path
) -> None:
    shutil.copytree(generated, tmp_path / "org")
    options = OrgOptions(quotas=Quotas(api_requests=40))
    with OrgServer(tmp_path / "org", options=options) as server:
        site = Site(server.url, tmp_path / "lake", api_version="57.0", reserve=75)
        with pytest.raises(QuotaExhaustedError, match="of 40 calls are left today, 30 are"):
            site.run(ORDER_ITEM, ACCOUNT)
    state = FlowStates(site.lake).get(ORDER_ITEM)
    assert state.committed is None
    with OrgServer(tmp_path / "org") as server:
        site = Site(server.url, tmp_path / "lake", api_version="57.0")
        report = site.run(ORDER_ITEM, ACCOUNT)
        assert report.failed == []
        landed = [key.key for key in site.lake.landing.list("in/dev-Salesforce-Order-Product")]
        assert sum("-00000.parquet" in key for key in landed) == 1
        assert report.flows[0].landed == site.in_org("OrderItem")


def test_lake_that_cannot_be_written_stops_the_run(site: Site, tmp_path: Path) -> None:
    lake = site.lake
    (tmp_path / "lake" / "seil-dev-sf-to-dw-landing" / "in").write_text("in the way")
    with pytest.raises(LakeError):
        site.run(ACCOUNT)
    assert FlowStates(lake).get(ACCOUNT).committed is None


def test_stop_in_the_middle_keeps_what_has_landed(site: Site) -> None:
    """As on Ctrl-C: an exception in the calling thread while flows are under way."""
    site.fault(method="GET", path=RESULTS, drip=2000, drip_delay=0.05)

    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    with site.extractor() as extractor, pytest.raises(KeyboardInterrupt):
        extractor.run([UNKNOWN, ORDER_ITEM], on_flow=interrupt)
    site.no_faults()
    (flow,) = site.run(ORDER_ITEM).flows
    assert flow.error is None
    assert distinct_ids(site.landed()) == site.in_org("OrderItem")


def test_plan_estimates_windows_rows_and_calls(site: Site) -> None:
    site.run(ACCOUNT)
    with site.org() as org:
        estimate = plan(org, site.lake, [ACCOUNT, ORDER_ITEM, UNKNOWN], site.settings)
    account, item, unknown = estimate.objects
    assert (account.mode, item.mode) == ("delta", "full")
    assert item.estimated_rows == site.in_org("OrderItem")
    assert item.calls > account.calls
    assert unknown.estimated_rows is None
    assert unknown.problem.startswith("NOT_FOUND: ")
    assert estimate.fits
    assert estimate.quota is not None
    assert estimate.quota.used == estimate.quota.allowed - estimate.quota.remaining > 0
