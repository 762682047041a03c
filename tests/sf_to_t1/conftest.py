"""A site between two stand-ins: an org with billing jobs, and TechOne's warehouse."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.cli.conftest import seil
from tests.limits import HANGS
from tests.rest_writes import write

from seil.app.billing import BillingReport, handle_billing_ready
from seil.app.site import Site
from seil.sandbox.salesforce.blueprint import traits
from seil.sandbox.salesforce.generator import packaged_object
from seil.sandbox.salesforce.server import OrgServer
from seil.sandbox.salesforce.store import OrgStore
from seil.sandbox.techone.faults import KINDS, TechOneFault
from seil.sandbox.techone.server import TechOneServer
from seil.settings import load_settings
from seil.sf_to_t1.event import BillingReady

__all__ = ["seil"]

OBJECTS = ("User", "Integration_Job__c", "ContentVersion")
SETTINGS = """
[salesforce]
login_url = "{org}"
attempts = 1
[lake]
url = "lake"
[warehouse]
url = "duckdb:warehouse.duckdb"
[events]
journal = "journal.sqlite"
[state]
url = "{state}"
[write]
pause = "0s"
[techone]
warehouse_url = "{techone}"
attempts = 1
import_timeout = "60s"
[sf_to_t1]
batch_rows = {batch_rows}
quiet = "0s"
pause = "0s"
{more}
"""


@dataclass
class Billing:
    """`table` is new for each test, so that the stand-ins can be shared."""

    folder: Path
    org: OrgServer
    techone: TechOneServer
    table: str
    state: str = "sqlite:state.sqlite"
    more: str = ""

    def configure(self, more: str = "", *, state: str = "", batch_rows: int = 2) -> None:
        self.state = state or self.state
        text = SETTINGS.format(
            org=self.org.url,
            techone=self.techone.warehouse_url,
            state=self.state,
            batch_rows=batch_rows,
            more=f'table = "{self.table}"\n{more}',
        )
        (self.folder / "seil.toml").write_text(text)

    def open(self) -> Site:
        return Site(load_settings(self.folder / "seil.toml"))

    def extract(self, *contents: str) -> BillingReady:
        """A job of the org, with files of these contents."""
        answer = httpx.post(
            f"{self.org.url}/sandbox/billing-extract", json={"contents": contents}, timeout=HANGS
        )
        answer.raise_for_status()
        extract = answer.json()
        return BillingReady.of(extract["job_id"], extract["file_ids"])

    def handle(self, event: BillingReady) -> BillingReport:
        with self.open() as site:
            return handle_billing_ready(site, event)

    def job(self, job_id: str) -> tuple[str, str | None]:
        record = write(self.org.url, "GET", f"Integration_Job__c/{job_id}")
        return record["Status__c"], record["Job_Message__c"]

    def rows(self) -> Counter[tuple[str, ...]]:
        """TechOne's, by their values."""
        return Counter(tuple(row.values()) for row in self.table_rows())

    def table_rows(self) -> list[dict[str, str]]:
        params = {"warehouse": "SALESFORCE", "table": self.table}
        url = f"{self.techone.url}/control/rows"
        rows: list[dict[str, str]] = httpx.get(url, params=params, timeout=HANGS).json()
        return rows

    def fault(self, **fault: Any) -> None:
        """Of TechOne's answers to imports into this test's table."""
        values = {"path": "(?i)warehouse", "method": "POST", "body": "DoImport", **fault}
        self.techone.faults.add(TechOneFault.model_validate(values))

    def known_fault(self, name: str, **changed: Any) -> None:
        """One that the stand-in knows by name."""
        for fault in KINDS[name].faults:
            self.techone.faults.add(fault.model_copy(update=changed))

    @property
    def imports(self) -> int:
        """Requests to the SOAP service since it was started."""
        requests = httpx.get(f"{self.techone.url}/control/summary", timeout=HANGS).json()[
            "requests"
        ]
        return int(requests.get("POST /Warehouse.asmx", 0))


def make_billing_org(folder: Path) -> None:
    objects = [packaged_object(traits()[name]) for name in OBJECTS]
    OrgStore.create(folder, objects).close()


@pytest.fixture(scope="session")
def billing_org(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OrgServer]:
    folder = tmp_path_factory.mktemp("billing-org")
    make_billing_org(folder)
    with OrgServer(folder) as server:
        yield server


@pytest.fixture(scope="session")
def billing_techone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TechOneServer]:
    with TechOneServer(tmp_path_factory.mktemp("billing-techone")) as server:
        yield server


_tables = count(1)


@pytest.fixture
def billing(
    home: Path, billing_org: OrgServer, billing_techone: TechOneServer
) -> Iterator[Billing]:
    site = Billing(home, billing_org, billing_techone, f"T{next(_tables)}")
    site.configure()
    yield site
    billing_org.faults.clear()
    billing_techone.faults.clear()
