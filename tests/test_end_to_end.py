"""An org to a warehouse and back to the org's own values: what the whole promises."""

from __future__ import annotations

import shutil
import time
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from seil.cli.context import Context
from seil.sandbox.salesforce.generator import generate
from seil.sandbox.salesforce.server import Server
from seil.sandbox.salesforce.store import OrgStore
from seil.settings import load_settings
from seil.sf_to_dw.pipeline import RunReport
from seil.warehouse import Warehouse

Records = dict[str, dict[str, Any]]

CONFIG = """
[salesforce]
login_url = "{url}"
[extract]
page_rows = 200
[lake]
url = "lake"
[warehouse]
url = "duckdb:warehouse.duckdb"
[events]
journal = "journal.sqlite"
"""
CATALOG = """
[defaults.flow]
lag = "0s"
"""


@dataclass
class Site:
    folder: Path
    org: Path

    def configure(self, url: str) -> None:
        (self.folder / "seil.toml").write_text(CONFIG.format(url=url))
        (self.folder / "objects.toml").write_text(CATALOG)

    def open(self) -> Context:
        return Context(load_settings(self.folder / "seil.toml"))

    def run(self, *, full: bool = False) -> RunReport:
        with self.open() as context:
            return context.pipeline.run(context.catalog.select([]), full=full)

    def warehouse_records(self) -> dict[str, Records]:
        tables = self.tables()
        with self.open() as context, context.warehouse(read_only=True) as warehouse:
            return {name: _current(warehouse, table) for name, table in tables.items()}

    def tables(self) -> dict[str, str]:
        with self.open() as context:
            return {obj.api_name: obj.table for obj in context.catalog.values()}


def _current(warehouse: Warehouse, table: str) -> Records:
    rows = warehouse.query(f'SELECT * FROM salesforce."{table}"').to_pylist()
    return {
        row["id"]: {name: row[name] for name in row if not name.startswith("_")} for row in rows
    }


def org_records(store: OrgStore, name: str) -> Records:
    """As SEIL should hold them: times in UTC, empty texts as null."""
    rows = store.cursor().execute(f'SELECT * FROM main."{name}"').to_arrow_table().to_pylist()
    return {row["Id"]: {column.lower(): _held(row[column]) for column in row} for row in rows}


def _held(value: object) -> object:
    if isinstance(value, datetime):
        return value.replace(tzinfo=UTC)
    return None if value == "" else value


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("generated") / "org"
    generate(folder, orders=40, seed=11).close()
    return folder


@pytest.fixture
def site(generated: Path, tmp_path: Path) -> Site:
    shutil.copytree(generated, tmp_path / "org")
    return Site(tmp_path, tmp_path / "org")


def assert_same_as_org(site: Site) -> None:
    with closing(OrgStore.open(site.org)) as store:
        expected = {name: org_records(store, name) for name in site.tables()}
    found = site.warehouse_records()
    for name, records in expected.items():
        assert found[name] == records, name


def test_every_value_arrives_exactly_and_stays_so(site: Site) -> None:
    """A full load, a delta of changes, deletes, undeletes and moves, and everything once more."""
    with Server(site.org) as server:
        site.configure(server.url)
        report = site.run()
        assert report.problems == []
        assert len(report.ledger) == len(site.tables())
        assert {flow.mode for flow in report.extract.flows} == {"full"}
    assert_same_as_org(site)
    with Server(site.org) as server:
        site.configure(server.url)
        answer = httpx.post(f"{server.url}/sandbox/tick", json={"share": 0.1}, timeout=60)
        answer.raise_for_status()
        _wait_for_the_next_second()
        report = site.run()
        assert report.problems == []
        assert {flow.mode for flow in report.extract.flows} == {"delta"}
    assert_same_as_org(site)
    with Server(site.org) as server:
        site.configure(server.url)
        report = site.run(full=True)
        assert report.problems == []
        outcome = report.load.outcome
        assert (outcome.inserted, outcome.updated, outcome.deleted) == (0, 0, 0)
    assert_same_as_org(site)


def _wait_for_the_next_second() -> None:
    """The org's clock is read in whole seconds, and a window ends before them."""
    time.sleep(1.1)
