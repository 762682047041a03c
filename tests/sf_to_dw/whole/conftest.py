"""An org, a lake and a warehouse in a folder, and the way between them."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
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
from seil.sf_to_dw.rebuild import Rebuild, RebuildReport

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
threads = 2
[events]
journal = "journal.sqlite"
"""
CATALOG = """
[defaults.flow]
lag = "0s"
"""


@dataclass
class Site:
    """`objects` are those that are run; none named: all of the catalog."""

    folder: Path
    objects: tuple[str, ...] = ()
    url: str = field(default="", init=False)

    @property
    def org(self) -> Path:
        return self.folder / "org"

    @property
    def warehouse_file(self) -> Path:
        return self.folder / "warehouse.duckdb"

    def configure(self, catalog: str = "") -> None:
        (self.folder / "seil.toml").write_text(CONFIG.format(url=self.url))
        (self.folder / "objects.toml").write_text(CATALOG + catalog)

    @contextmanager
    def serve(self, catalog: str = "") -> Iterator[Server]:
        with Server(self.org) as server:
            self.url = server.url
            self.configure(catalog)
            yield server

    def change_org(self, sql: str) -> None:
        """Behind the service's back, so that no timestamp moves; while it is not served."""
        with closing(OrgStore.open(self.org)) as store, store.write() as cursor:
            cursor.execute(sql)

    def purge(self, name: str, ids: list[str], *, told: bool = True) -> None:
        """Deletes records for good; `told`: getDeleted knows of them."""
        with closing(OrgStore.open(self.org)) as store, store.write() as cursor:
            cursor.execute(f'DELETE FROM main."{name}" WHERE "Id" IN (SELECT unnest(?))', [ids])
            if told:
                store.remember_hard_deleted(name, ids, datetime.now(UTC))

    def org_values(self, name: str, column: str) -> dict[str, Any]:
        with closing(OrgStore.open(self.org)) as store:
            rows = store.cursor().execute(f'SELECT "Id", "{column}" FROM main."{name}"').fetchall()
        return dict(rows)

    def open(self) -> Context:
        return Context(load_settings(self.folder / "seil.toml"))

    def run(self, *, full: bool = False) -> RunReport:
        with self.open() as context:
            return context.pipeline.run(context.catalog.select(self.objects), full=full)

    def rebuild(self, *, anyway: bool = False) -> RebuildReport:
        with self.open() as context:
            settings = context.settings.warehouse
            lake, catalog, models = context.lake, context.catalog, context.models
            rebuild = Rebuild(settings, lake, catalog, models, bus=context.journal)
            return rebuild.run(anyway=anyway)

    def tick(self, **wanted: Any) -> None:
        answer = httpx.post(f"{self.url}/sandbox/tick", json=wanted, timeout=60)
        answer.raise_for_status()

    def query(self, sql: str) -> list[dict[str, Any]]:
        with self.open() as context, context.warehouse(read_only=True) as warehouse:
            return warehouse.query(sql).to_pylist()

    def records(self, table: str) -> Records:
        rows = self.query(f'SELECT * FROM salesforce."{table}"')
        return {
            row["id"]: {name: row[name] for name in sorted(row) if not name.startswith("_")}
            for row in rows
        }

    def contents(self) -> dict[str, Any]:
        """Every row of every table, and the ledger without what a load alone decides."""
        found: dict[str, Any] = {}
        tables = self.query(
            "SELECT schema_name AS s, table_name AS t FROM duckdb_tables()"
            " WHERE schema_name IN ('main', 'salesforce', 'salesforce_history')"
        )
        for place in tables:
            name = f'"{place["s"]}"."{place["t"]}"'
            rows = self.query(f"SELECT * FROM {name}")
            found[name] = sorted(repr(sorted(row.items())) for row in rows)
        ledger = self.query("SELECT * FROM seil.ledger ORDER BY object, flow_run_id")
        found["ledger"] = [{k: v for k, v in row.items() if k != "last_at"} for row in ledger]
        return found


@pytest.fixture(scope="session")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("generated") / "org"
    generate(folder, orders=30, seed=5).close()
    return folder


@pytest.fixture
def new_site(generated: Path, tmp_path: Path) -> Callable[..., Site]:
    def new(*objects: str) -> Site:
        shutil.copytree(generated, tmp_path / "org")
        return Site(tmp_path, objects)

    return new


@pytest.fixture(scope="session")
def loaded(generated: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site whose accounts and contacts have been through everything."""
    folder = tmp_path_factory.mktemp("loaded")
    shutil.copytree(generated, folder / "org")
    site = Site(folder, ("Account", "Contact"))
    with site.serve():
        assert site.run().ok
    return folder


@pytest.fixture
def site(loaded: Path, tmp_path: Path) -> Site:
    shutil.copytree(loaded, tmp_path, dirs_exist_ok=True)
    return Site(tmp_path, ("Account", "Contact"))
