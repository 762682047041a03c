"""The whole way through every fault that the stand-in org knows, at a full load and at a delta.

A run ends fine, or fails cleanly and says why; then the next one catches up. In the end all tables
are those of a run that nothing disturbed.
"""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import pytest
from tests.shared import build_once

import seil.app.site
from seil.errors import SeilError
from seil.modeling.model import Models
from seil.sandbox.salesforce.fault_kinds import KINDS, STREAM_KINDS
from seil.sandbox.salesforce.faults import OrgFault
from seil.sandbox.salesforce.server import OrgServer
from seil.sandbox.salesforce.store import OrgStore
from seil.sandbox.salesforce.tick import tick
from seil.settings import load_settings
from seil.sf_to_dw.site_models import site_models

# Narrow ones: this is about the way, not about the load.
OBJECTS = ("vlocity_cmt__AccountAdServer__c", "vlocity_cmt__AdServer__c")
TABLES = ("ad_slots", "sales_order_programmatic_guaranteed")
CONFIG = """
[salesforce]
login_url = "{url}"
timeout = "{timeout}s"
max_wait = 0.02
[extract]
page_rows = {page_rows}
poll = 0.05
[lake]
url = "lake"
[warehouse]
url = "duckdb:warehouse.duckdb"
threads = 1
[events]
journal = "journal.sqlite"
"""
# The org was changed before its first reading: the lookback makes a delta see that.
CATALOG = """
[defaults.flow]
lag = "0s"
lookback = "1d"
"""
FINE, INCOMPLETE, STOPPED, NO_QUOTA = 0, 1, 3, 4
# Exit codes of the full load and of the delta under each fault. Most are mastered.
CODES = {
    "login-refused": (STOPPED, STOPPED),
    "api-disabled": (STOPPED, STOPPED),
    "down": (STOPPED, STOPPED),
    "no-date": (STOPPED, STOPPED),
    "answer-lost": (INCOMPLETE, INCOMPLETE),
    "answer-504": (INCOMPLETE, INCOMPLETE),
    "cut-pages": (INCOMPLETE, INCOMPLETE),
    "count-too-low": (INCOMPLETE, INCOMPLETE),
    "rows-twice-counted": (INCOMPLETE, INCOMPLETE),
    "job-count-wrong": (INCOMPLETE, INCOMPLETE),
    "job-count-zero": (INCOMPLETE, INCOMPLETE),
    "job-count-low": (INCOMPLETE, INCOMPLETE),
    "page-list-loops": (INCOMPLETE, INCOMPLETE),
    "locator-missing": (INCOMPLETE, INCOMPLETE),
    "locator-stuck": (INCOMPLETE, INCOMPLETE),
    "locator-refused": (INCOMPLETE, INCOMPLETE),
    "job-aborted": (INCOMPLETE, INCOMPLETE),
    # However small the window is.
    "job-times-out": (INCOMPLETE, INCOMPLETE),
    "job-forbidden": (INCOMPLETE, INCOMPLETE),
    "object-unsupported": (INCOMPLETE, INCOMPLETE),
    "field-gone": (INCOMPLETE, INCOMPLETE),
    "not-found": (INCOMPLETE, INCOMPLETE),
    "quota-gone": (NO_QUOTA, NO_QUOTA),
    "quota-told": (NO_QUOTA, NO_QUOTA),
    "app-quota-told": (NO_QUOTA, NO_QUOTA),
    "jobs-used-up": (NO_QUOTA, NO_QUOTA),
    "storage-used-up": (NO_QUOTA, NO_QUOTA),
    # A first load asks for no deletions.
    "deletions-unavailable": (FINE, INCOMPLETE),
}
# They end fine, but the deletions come with the next list.
LATE = {"deletions-behind", "deletions-unsupported"}

Contents = dict[str, list[Any]]


@cache
def models() -> Models:
    """Reading them takes longer than a run of these."""
    with seil.app.site.Site(load_settings(None)) as context:
        return site_models(context.catalog)


class _OpenSite(seil.app.site.Site):
    """Its runs build the tables of these objects."""

    @cached_property
    def models(self) -> Models:
        chosen = models()
        return Models([chosen[name] for name in TABLES], chosen.sources, zone=chosen.zone)


@dataclass(frozen=True)
class Ended:
    code: int
    told: str


@dataclass
class Site:
    """`before` and `after` serve the org as it was and as it became."""

    folder: Path
    before: OrgServer
    after: OrgServer

    def run(self, server: OrgServer, *faults: OrgFault, page_rows: int = 4) -> Ended:
        (self.folder / "objects.toml").write_text(CATALOG)
        config = self.folder / "seil.toml"
        # Only a fault that is slow on purpose is to be given up.
        timeout = 2 if any(fault.delay for fault in faults) else 60
        config.write_text(CONFIG.format(url=server.url, page_rows=page_rows, timeout=timeout))
        for fault in faults:
            server.faults.add(fault)
        try:
            with _OpenSite(load_settings(config)) as context:
                report = context.pipeline.run(context.catalog.select(OBJECTS))
        except SeilError as error:
            return Ended(error.exit_code, str(error))
        finally:
            server.faults.clear()
        self.assert_balanced(report.ledger)
        return Ended(FINE if report.ok else INCOMPLETE, "\n".join(report.problems))

    def caught_up(self, server: OrgServer, *faults: OrgFault) -> Ended:
        """The run under the faults, and where that fails the next one without."""
        ended = self.run(server, *faults)
        self.assert_no_half_files()
        if ended.code:
            assert ended.told
            assert self.run(server).code == FINE
        return ended

    def assert_balanced(self, ledger: list[Any]) -> None:
        assert all(row.balanced for row in ledger)
        assert all(row.reported == row.landed == row.curated == row.merged for row in ledger)

    def assert_no_half_files(self) -> None:
        """Nothing that a writer left, nothing that waits, every page whole and announced once."""
        lake = self.folder / "lake"
        assert [path for path in lake.rglob("*") if "#000" in path.name] == []

    def contents(self) -> Contents:
        """Every row of every table, but for when and from which file it came."""
        rows_by_table = {}
        settings = load_settings(self.folder / "seil.toml")
        with seil.app.site.Site(settings) as context, context.warehouse() as warehouse:
            tables = warehouse.query(
                "SELECT schema_name AS s, table_name AS t FROM duckdb_tables()"
                " WHERE schema_name IN ('main', 'salesforce') ORDER BY ALL"
            ).to_pylist()
            for place in tables:
                rows = warehouse.query(f'SELECT * FROM "{place["s"]}"."{place["t"]}"')
                names = [name for name in rows.column_names if not name.startswith("_")]
                rows_by_table[place["t"]] = sorted(map(repr, rows.select(names).to_pylist()))
        return rows_by_table


def spell_in_latin_1(store: OrgStore) -> None:
    """A page in that charset cannot hold anything else."""
    with store.write() as cursor:
        for name in OBJECTS:
            columns = cursor.execute(
                "SELECT column_name FROM duckdb_columns() WHERE schema_name = 'main'"
                " AND table_name = ? AND data_type = 'VARCHAR'",
                [name],
            ).fetchall()
            settings = ", ".join(
                f"\"{column}\" = regexp_replace(\"{column}\", '[^ -ÿ]', 'é', 'g')"
                for (column,) in columns
            )
            cursor.execute(f'UPDATE main."{name}" SET {settings}')


@pytest.fixture(scope="module")
def prepared(generated: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The org before and after its changes, and what an undisturbed site holds of each."""

    def make(folder: Path) -> None:
        for name in ("before", "after"):
            shutil.copytree(generated, folder / name)
            with OrgStore.open(folder / name) as store:
                if name == "after":
                    tick(store, share=0.4, hard=0.1, seed=3)
                spell_in_latin_1(store)
        with served(folder) as orgs:
            (folder / "site").mkdir()
            site = Site(folder / "site", *orgs)
            for name, server in zip(("full", "delta"), orgs, strict=True):
                assert site.run(server) == Ended(FINE, "")
                (folder / f"{name}.json").write_text(json.dumps(site.contents()), "utf-8")

    return build_once(tmp_path_factory, "orgs_of_faults", make)


@contextmanager
def served(folder: Path) -> Iterator[tuple[OrgServer, ...]]:
    with ExitStack() as stack:
        names = ("before", "after")
        yield tuple(stack.enter_context(OrgServer(folder / name)) for name in names)


@pytest.fixture(scope="module")
def orgs(
    prepared: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[OrgServer, ...]]:
    folder = tmp_path_factory.mktemp("orgs")
    shutil.copytree(prepared, folder, dirs_exist_ok=True)
    with served(folder) as servers:
        yield servers


@pytest.fixture
def site(orgs: tuple[OrgServer, ...], tmp_path: Path) -> Site:
    return Site(tmp_path, *orgs)


@pytest.fixture(scope="module")
def undisturbed(prepared: Path) -> Contents:
    """The tables after a full load and a delta that nothing disturbed."""
    full, delta = (
        json.loads((prepared / f"{name}.json").read_text("utf-8")) for name in ("full", "delta")
    )
    assert full["account_ad_server"] != delta["account_ad_server"]
    assert full["ad_slots"] != delta["ad_slots"]
    assert len(full["account_ad_server"]) > 16  # several pages
    return Contents(delta)


# The clock's run opens no stream: those faults are tested with the subscriber.
HTTP_KINDS = [name for name in KINDS if name not in STREAM_KINDS]
# Of each group of faults those that end in different ways.
FIRST = {
    "session-expired",
    "login-refused",
    "unavailable",
    "html-page",
    "reset",
    "answer-lost",
    "cut-page",
    "no-date",
    "latin-1",
    "count-too-low",
    "rows-twice",
    "job-count-low",
    "page-list-loops",
    "locator-stuck",
    "job-fails",
    "job-expired",
    "field-gone",
    "quota-gone",
    "deletions-behind",
    "deletions-unavailable",
}


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=[] if n in FIRST else pytest.mark.matrix) for n in HTTP_KINDS],
)
def test_the_tables_are_right_after_every_fault(
    name: str, site: Site, undisturbed: Contents
) -> None:
    faults = KINDS[name].faults
    full = site.caught_up(site.before, *faults)
    delta = site.caught_up(site.after, *faults)
    if name in LATE:
        assert site.run(site.after).code == FINE
    assert site.contents() == undisturbed, (full, delta)
    assert (full.code, delta.code) == CODES.get(name, (FINE, FINE)), (full, delta)


@pytest.mark.parametrize(
    "seed",
    [0, pytest.param(1, marks=pytest.mark.matrix), pytest.param(2, marks=pytest.mark.matrix)],
)
def test_the_tables_are_right_after_faults_together(
    seed: int, site: Site, undisturbed: Contents
) -> None:
    """Some at once, drawn anew for each run, until they have spent themselves or are lifted."""
    draw = random.Random(seed)
    passing = sorted(
        name for name in HTTP_KINDS if CODES.get(name, (FINE,))[0] in (FINE, INCOMPLETE)
    )
    for server in (site.before, site.after):
        names = draw.sample(passing, 3)
        faults = [fault for name in names for fault in KINDS[name].faults]
        assert site.caught_up(server, *faults).code in (FINE, INCOMPLETE, STOPPED), names
    assert site.run(site.after).code == FINE
    assert site.contents() == undisturbed
