"""Sites whose commands can be killed, orgs for them, and what an undisturbed site comes to."""

from __future__ import annotations

import io
import json
import os
import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from tests.shared import build_once

import seil.app.site
from seil.catalog.fields import packaged_fields
from seil.sandbox.salesforce.generator import generate
from seil.sandbox.salesforce.options import OrgOptions
from seil.sandbox.salesforce.server import OrgServer
from seil.sandbox.salesforce.store import OrgStore
from seil.sandbox.salesforce.tick import tick
from seil.settings import load_settings
from seil.settings.load import with_warehouse_url
from seil.sf_to_dw.extract.flows import FlowRun, FlowStates

OBJECTS = ("Account", "Contact", "Order", "OrderItem")
TABLES = ("sales_orders", "sales_order_line_items", "sales_order_contacts")
TOLD_BY = {"file-ingestion": "key", "flow-run": "flow_run_id", "build": "build_id"}
KILLED = -9
# Set by `make kill`: so many lives at random, and a part of all the others that grows with them.
LIVES = int(os.environ.get("KILL_LIVES", "0"))
FIRST_SEED = int(os.environ.get("KILL_SEED", "1"))
CONFIG = """
[salesforce]
login_url = "{url}"
[extract]
page_rows = {page_rows}
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
# The orgs are of one moment, their services of any later one.
lookback = "2d"
compare_ids = "1s"
refresh_formulas = "1s"

[objects.Contact]
history = true

[[objects.Contact.columns]]
name = "LastName"

[[objects.Contact.columns.validations]]
type = "sql"
rule = "LastName <> 'O''Neill'"
message = "is set aside"
"""

Contents = dict[str, list[tuple[Any, ...]]]


class Driver:
    """The process that runs the commands, each in a fork of its own."""

    def __init__(self) -> None:
        script = Path(__file__).with_name("driver.py")
        self._process = subprocess.Popen(
            [sys.executable, str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, requests: Sequence[dict[str, Any]]) -> list[int]:
        """The exit codes of commands that are started together."""
        assert self._process.stdin
        assert self._process.stdout
        print(json.dumps(requests), file=self._process.stdin, flush=True)
        codes: list[int] = json.loads(self._process.stdout.readline())
        return codes

    def close(self) -> None:
        self._process.communicate()


@dataclass
class Site:
    folder: Path
    driver: Driver
    objects: tuple[str, ...] = OBJECTS
    page_rows: int = 300
    warehouse: str = "warehouse.duckdb"
    kills: int = field(default=0, init=False)

    @contextmanager
    def serve(self, org: Path | None = None, catalog: str = CATALOG) -> Iterator[OrgServer]:
        """The org as it is in that folder, else as it was left."""
        if org:
            shutil.rmtree(self.folder / "org", ignore_errors=True)
            shutil.copytree(org, self.folder / "org")
        # A window ends before the second that the clock says: this way it holds what is there.
        with OrgServer(self.folder / "org", options=OrgOptions(clock=a_second_ahead)) as server:
            (self.folder / "seil.toml").write_text(
                CONFIG.format(url=server.url, page_rows=self.page_rows)
            )
            (self.folder / "objects.toml").write_text(catalog)
            yield server

    def copied(self, folder: Path) -> Site:
        """Lake, warehouse and journal as they are now."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        return replace(self, folder=folder)

    def request(self, *args: str, number: int = 0, **options: Any) -> dict[str, Any]:
        """`at` is the moment to be killed at, `after` the second: see driver.py."""
        objects = self.objects if args[0] in ("run", "extract", "reconcile") else ()
        return {
            "args": ["--config", str(self.folder / "seil.toml"), "--quiet", *args, *objects],
            "log": str(self.folder / f"moments-{number}"),
            "out": str(self.folder / f"said-{number}"),
            **options,
        }

    def ask(self, *args: str, **options: Any) -> int:
        """The exit code of a command, negative when it was killed."""
        code = self.driver.run([self.request(*args, **options)])[0]
        self.kills += code == KILLED
        return code

    def finish(self, *args: str) -> None:
        """What was set aside makes it end with 1."""
        assert self.ask(*args) in (0, 1), self.output()

    def output(self, number: int = 0) -> str:
        return (self.folder / f"said-{number}").read_text()

    def moments(self) -> list[str]:
        """What the last command did, by name, in order."""
        return (self.folder / "moments-0").read_text().split("\n")[:-1]

    def open(self) -> seil.app.site.Site:
        settings = load_settings(self.folder / "seil.toml")
        url = f"duckdb:{self.warehouse}"
        return seil.app.site.Site(with_warehouse_url(settings, url, self.folder))

    def running(self, name: str) -> FlowRun | None:
        with self.open() as context:
            return FlowStates(context.lake).get(context.catalog[name]).running

    def landed_ids(self, name: str) -> list[str]:
        """Of all rows in in/, in no order."""
        with self.open() as context:
            place = f"in/{context.lake.env}-Salesforce-{context.catalog[name].landing_name}/"
            keys = [entry.key for entry in context.lake.landing.list(place)]
            pages = [io.BytesIO(context.lake.landing.get(key)) for key in keys]
        return [str(value) for page in pages for value in pq.read_table(page)["Id"].to_pylist()]

    def query(self, sql: str) -> list[dict[str, Any]]:
        with self.open() as context, context.warehouse(read_only=True) as warehouse:
            return warehouse.query(sql).to_pylist()

    def contents(self) -> Contents:
        """All current records and versions, some of the sixteen tables, the ledger's sums."""
        with self.open() as context:
            names = [f'salesforce."{obj.table}"' for obj in context.catalog.select(self.objects)]
            with context.warehouse(read_only=True) as warehouse:
                tables = {
                    name: warehouse.query(f"SELECT * FROM {name}").to_pylist()
                    for name in (*names, *TABLES, "salesforce_history.contact")
                }
                tables["unbalanced"] = warehouse.query(
                    "SELECT object, flow_run_id FROM seil.ledger WHERE NOT balanced"
                ).to_pylist()
                tables["aside"] = warehouse.query(
                    "SELECT DISTINCT object FROM seil.ledger WHERE set_aside > 0"
                ).to_pylist()
        return {name: sorted(map(_values_by_name, rows), key=repr) for name, rows in tables.items()}

    def untold(self) -> set[str]:
        """What is done, and no event tells of it, or more than one: files, flow runs, builds unless
        a rebuild has replaced them. Of loads, the objects of which fewer files are told than were
        loaded: a file that is taken in anew is merged again, and told again.
        """
        with self.open() as context:
            done = {e.key.rpartition("/")[2] for e in context.lake.landing.list("processed/")}
            done |= {Path(e.key).stem for e in context.lake.staging.list("manifests/")}
            events = [event for _, event in context.journal.read()]
        counts = Counter(
            str(event.detail[name]).rpartition("/")[2]
            for event in events
            for kind, name in TOLD_BY.items()
            if event.detail_type == kind and event.detail["state"] == "success"
        )
        if not any(event.detail_type == "rebuild" for event in events):
            built = self.query("SELECT DISTINCT build_id FROM seil.builds")
            done |= {row["build_id"] for row in built}
        loaded = Counter(row["object"] for row in self.query("SELECT object FROM seil.loads"))
        for event in events:
            if event.detail_type == "load":
                loaded[event.detail["object"]] -= event.detail["files"]
        return {name for name in done if counts[name] != 1} | set(+loaded)

    def left_over(self) -> list[str]:
        """What a killed command has left, and nobody has taken away or up."""
        parts = [str(path) for path in (self.folder / "lake").rglob("*#000*")]
        with self.open() as context:
            owed = [entry.key for entry in context.lake.staging.list("pending/")]
            landed = [entry.key for entry in context.lake.landing.list("in/")]
        return [*parts, *owed, *landed]


def each_lasting(moments: Sequence[str]) -> Iterator[dict[str, Any]]:
    """A kill at every moment but those that only ask: they leave nothing behind."""
    seen: Counter[str] = Counter()
    for name in moments:
        seen[name] += 1
        if " GET " not in name:
            yield {"at": {"name": name, "nth": seen[name]}}


def some_of(kills: Iterable[dict[str, Any]], most: int, about: object) -> list[dict[str, Any]]:
    """At most so many, which the seed chooses, in their order."""
    every = list(kills)
    chosen = random.Random(f"{FIRST_SEED} {about}").sample(range(len(every)), min(most, len(every)))
    return [every[number] for number in sorted(chosen)]


def move_formula(store: OrgStore, value: str) -> None:
    """Changes a formula field of half the contacts, and no timestamp."""
    fields = packaged_fields("Contact")
    name = next(f["name"] for f in fields if f["calculated"] and f["type"] == "string")
    half = 'SELECT Id FROM main."Contact" WHERE NOT IsDeleted ORDER BY Id LIMIT 40'
    sql = f'UPDATE main."Contact" SET "{name}" = ? WHERE Id IN ({half}) RETURNING Id'
    with store.write() as cursor:
        assert len(cursor.execute(sql, [value]).fetchall()) == 40


def a_second_ahead() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=1)


def _values_by_name(row: dict[str, Any]) -> tuple[Any, ...]:
    """By name: what comes first decides only where a column stands."""
    return tuple(value for name, value in sorted(row.items()) if not name.startswith("_"))


@dataclass(frozen=True)
class Undisturbed:
    """`moments` of the run before the tick, the run after it, and the rebuild."""

    site: Site
    moments: tuple[list[str], ...]
    contents: Contents


@pytest.fixture(scope="session")
def driver() -> Iterator[Driver]:
    with closing(Driver()) as process:
        yield process


@pytest.fixture(scope="session")
def orgs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """An org before and after a tick, which has also moved formulas and no timestamp."""

    def make(folder: Path) -> None:
        generate(folder / "before", orders=30, seed=3).close()
        shutil.copytree(folder / "before", folder / "after")
        with closing(OrgStore.open(folder / "after")) as store:
            tick(store, share=0.1, hard=0.05)
            move_formula(store, "moved")

    folder = build_once(tmp_path_factory, "killed-orgs", make)
    return folder / "before", folder / "after"


@pytest.fixture(scope="session")
def undisturbed(
    driver: Driver, orgs: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory
) -> Undisturbed:
    def make(folder: Path) -> None:
        site = Site(folder, driver)
        moments = []
        for org in orgs:
            with site.serve(org):
                site.finish("run")
                moments.append(site.moments())
        contents = site.contents()
        assert contents["unbalanced"] == []
        site.finish("rebuild")
        moments.append(site.moments())
        assert site.contents() == contents
        (folder / "moments.json").write_text(json.dumps(moments))

    folder = build_once(tmp_path_factory, "undisturbed", make)
    site = Site(folder, driver)
    moments = json.loads((folder / "moments.json").read_text())
    return Undisturbed(site, tuple(moments), site.contents())


@pytest.fixture
def new_site(
    driver: Driver, tmp_path: Path, record_property: Callable[[str, object], None]
) -> Iterator[Callable[..., Site]]:
    sites: list[Site] = []

    def new(*objects: str) -> Site:
        sites.append(Site(tmp_path, driver, objects or OBJECTS))
        return sites[-1]

    yield new
    record_property("kills", sum(site.kills for site in sites))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    ended = [report for report in terminalreporter.stats.get("", []) if report.when == "teardown"]
    kills = sum(count for r in ended for name, count in r.user_properties if name == "kills")
    terminalreporter.write_line(f"{kills} kills")
