"""A folder with an org, a lake and a warehouse, for tests of whole runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
from tests.limits import HANGS
from tests.rest_writes import write

import seil.app.site
from seil.modeling.model import Models
from seil.sandbox.salesforce.options import OrgOptions
from seil.sandbox.salesforce.server import OrgServer
from seil.sandbox.salesforce.store import OrgStore
from seil.settings import Settings, WarehouseSettings, load_settings
from seil.sf_to_dw.pipeline import RunReport
from seil.sf_to_dw.rebuild import Rebuild, RebuildReport
from seil.sf_to_dw.site_models import site_models
from seil.warehouse import Fence, OpenUrl, Warehouse, open_replacement
from seil.warehouse.replacement import Replacement

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
    """Runs `objects` and builds `tables`; all if empty.

    `ahead` is how many seconds the org's clock is ahead of its records.
    """

    folder: Path
    objects: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    url: str = field(default="", init=False)
    ahead: int = field(default=0, init=False)

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
    def serve(self, catalog: str = "") -> Iterator[OrgServer]:
        with OrgServer(self.org, options=OrgOptions(clock=self._clock)) as server:
            self.url = server.url
            self.configure(catalog)
            yield server

    def change_org(self, sql: str) -> None:
        """Changes the store directly, without new timestamps. Not while the org is served."""
        with closing(OrgStore.open(self.org)) as store, store.write() as cursor:
            cursor.execute(sql)

    def purge(self, name: str, ids: list[str], *, in_get_deleted: bool = True) -> None:
        """Deletes records for good; `in_get_deleted`: getDeleted lists them."""
        with closing(OrgStore.open(self.org)) as store, store.write() as cursor:
            cursor.execute(f'DELETE FROM main."{name}" WHERE "Id" IN (SELECT unnest(?))', [ids])
            if in_get_deleted:
                store.remember_hard_deleted(name, ids, datetime.now(UTC))

    def org_values(self, name: str, column: str) -> dict[str, Any]:
        with closing(OrgStore.open(self.org)) as store:
            rows = store.cursor().execute(f'SELECT "Id", "{column}" FROM main."{name}"').fetchall()
        return dict(rows)

    def open(self) -> seil.app.site.Site:
        return _OpenSite(load_settings(self.folder / "seil.toml"), self.tables)

    def run(self, *, full: bool = False) -> RunReport:
        with self.open() as context:
            return context.pipeline.run(context.catalog.select(self.objects), full=full)

    def rebuild(self, *, anyway: bool = False) -> RebuildReport:
        with self.open() as context:
            settings = context.settings.warehouse
            lake, catalog, models = context.lake, context.catalog, context.models
            journal = context.journal
            rebuild = Rebuild(
                settings,
                lake,
                catalog,
                models,
                bus=journal,
                decisions=context.state.decisions,
                open=_open_with_short_wait,
            )
            return rebuild.run(anyway=anyway)

    def tick(self, **changes: Any) -> None:
        """Changes the org; the next run's window covers all changes."""
        answer = httpx.post(f"{self.url}/sandbox/tick", json=changes, timeout=HANGS)
        answer.raise_for_status()
        self.pass_a_second()

    def write(self, method: str, path: str, values: Any = None) -> Any:
        """As `rest_writes.write`, in this site's org."""
        return write(self.url, method, path, values)

    def pass_a_second(self) -> None:
        """Makes the next window cover all changes so far: a window ends at a whole second of the
        org's clock.
        """
        self.ahead += 1

    def _clock(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.ahead)

    @contextmanager
    def warehouse(self) -> Iterator[Warehouse]:
        with self.open() as context, context.warehouse(read_only=True) as warehouse:
            yield warehouse

    def query(self, sql: str) -> list[dict[str, Any]]:
        with self.warehouse() as warehouse:
            return warehouse.query(sql).to_pylist()

    def records(self, table: str) -> Records:
        with self.warehouse() as warehouse:
            return current_records(warehouse, table)

    def contents(self) -> dict[str, Any]:
        """Every row of every table, and the ledger without its load times."""
        with self.warehouse() as warehouse:
            contents = {name: _rows(warehouse, name) for name in _tables(warehouse)}
            ledger = warehouse.query("SELECT * FROM seil.ledger ORDER BY object, flow_run_id")
        rows = ledger.to_pylist()
        contents["ledger"] = [{k: v for k, v in row.items() if k != "last_at"} for row in rows]
        return contents


def _open_with_short_wait(
    settings: WarehouseSettings, *, fence: Fence, open_url: OpenUrl
) -> Replacement:
    wait = timedelta(seconds=0.2)
    return open_replacement(settings, wait=wait, fence=fence, open_url=open_url)


class _OpenSite(seil.app.site.Site):
    def __init__(self, settings: Settings, tables: tuple[str, ...]) -> None:
        super().__init__(settings)
        self._tables = tables

    @cached_property
    def models(self) -> Models:
        """Cached across sites: parsing takes as long as building a few tables."""
        names = tuple(obj.api_name for obj in self.catalog.values())
        if names not in _MODELS:
            _MODELS[names] = site_models(self.catalog)
        models = _MODELS[names]
        return Models(models.select(self._tables), models.sources, zone=self.business_zone)


_MODELS: dict[tuple[str, ...], Models] = {}


def _tables(warehouse: Warehouse) -> list[str]:
    rows = warehouse.query(
        "SELECT schema_name AS s, table_name AS t FROM duckdb_tables()"
        " WHERE schema_name IN ('main', 'salesforce', 'salesforce_history')"
    )
    return [f'"{row["s"]}"."{row["t"]}"' for row in rows.to_pylist()]


def _rows(warehouse: Warehouse, table: str) -> list[Any]:
    rows = warehouse.query(f"SELECT * FROM {table}").to_pylist()
    return sorted(repr(sorted(row.items())) for row in rows)


def current_records(warehouse: Warehouse, table: str) -> Records:
    rows = warehouse.query(f'SELECT * FROM salesforce."{table}"').to_pylist()
    return {
        row["id"]: {name: row[name] for name in sorted(row) if not name.startswith("_")}
        for row in rows
    }
