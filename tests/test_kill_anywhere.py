"""A run that is killed, at any effect or at any moment, and run again comes to the same."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from seil.cli.context import Context
from seil.sandbox.salesforce.generator import generate
from seil.sandbox.salesforce.server import Server
from seil.sandbox.salesforce.store import OrgStore
from seil.sandbox.salesforce.tick import tick
from seil.settings import load_settings

OBJECTS = ["Account", "Contact", "Order", "OrderItem", "vlocity_cmt__OrderItemAdPlacement__c"]
TABLES = ["sales_orders", "sales_order_line_items", "sales_order_contacts"]
KILLED = 137
CONFIG = """
[salesforce]
login_url = "{url}"
[extract]
page_rows = 300
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

[[objects.Contact.columns]]
name = "LastName"

[[objects.Contact.columns.validations]]
type = "sql"
rule = "LastName <> 'O''Neill'"
message = "is set aside"
"""

# Counts everything that outlives the process, before and after, and dies at the one asked for.
WORKER = """
import os, sys, threading
from contextlib import contextmanager
from pathlib import Path
from seil.cli.context import Context
from seil.events.journal import Journal
from seil.lake import buckets
from seil.settings import load_settings
from seil.warehouse.embedded import EmbeddedWarehouse

config, last, objects = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3:]
lock, count = threading.Lock(), 0

def effect():
    global count
    with lock:
        count += 1
        if count == last:
            os._exit(137)

def watched(cls, name):
    original = getattr(cls, name)
    def call(self, *args, **options):
        effect()
        result = original(self, *args, **options)
        effect()
        return result
    setattr(cls, name, call)

for cls, name in [
    (buckets.Bucket, "put"), (buckets.Bucket, "move"), (buckets.Bucket, "delete"),
    (buckets._LocalFile, "close"), (Journal, "publish"),
]:
    watched(cls, name)

transaction = EmbeddedWarehouse.transaction

@contextmanager
def watched_transaction(self):
    with transaction(self):
        effect()
        yield
        effect()
    effect()

EmbeddedWarehouse.transaction = watched_transaction
with Context(load_settings(config)) as context:
    report = context.pipeline.run(context.catalog.select(objects))
print(count, *report.problems, sep="\\n")
"""


@dataclass
class Site:
    folder: Path

    @property
    def config(self) -> Path:
        return self.folder / "seil.toml"

    def configure(self, url: str) -> None:
        self.config.write_text(CONFIG.format(url=url))
        (self.folder / "objects.toml").write_text(CATALOG)

    def start(self, last: int = 0) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", WORKER, str(self.config), str(last), *OBJECTS],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, last: int = 0) -> int:
        """The number of effects, 0 when the run was killed at one."""
        process = self.start(last)
        out, err = process.communicate()
        if process.returncode == KILLED:
            return 0
        assert process.returncode == 0, err
        effects, *problems = out.split()
        assert problems == []
        return int(effects)

    def contents(self) -> dict[str, list[tuple[Any, ...]]]:
        """All rows of the current-record tables, of some of the sixteen, and the ledger's sums."""
        sums = "SELECT object, sum(landed) - sum(curated) - sum(set_aside), sum(set_aside) > 0 "
        ledger = f"{sums} FROM seil.ledger GROUP BY object ORDER BY object"
        with Context(load_settings(self.config)) as context:
            current = [f'salesforce."{obj.table}"' for obj in context.catalog.select(OBJECTS)]
            selects = {name: f"SELECT * FROM {name}" for name in (*current, *TABLES)}
            with context.warehouse(read_only=True) as warehouse:
                return {
                    name: sorted(
                        (
                            tuple(v for k, v in row.items() if not k.startswith("_"))
                            for row in warehouse.query(select).to_pylist()
                        ),
                        key=repr,
                    )
                    for name, select in {**selects, "ledger": ledger}.items()
                }


@pytest.fixture(scope="module")
def orgs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """An org before and after a tick."""
    folder = tmp_path_factory.mktemp("orgs")
    generate(folder / "before", orders=40, seed=3).close()
    shutil.copytree(folder / "before", folder / "after")
    with closing(OrgStore.open(folder / "after")) as store:
        tick(store, share=0.1)
    time.sleep(1.1)  # the org's clock is read in whole seconds, and a window ends before them
    return folder / "before", folder / "after"


@dataclass(frozen=True)
class Undisturbed:
    effects: tuple[int, ...]
    contents: dict[str, list[tuple[Any, ...]]]


def serve(org: Path, site: Site) -> Server:
    shutil.rmtree(site.folder / "org", ignore_errors=True)
    shutil.copytree(org, site.folder / "org")
    return Server(site.folder / "org")


@pytest.fixture(scope="module")
def undisturbed(orgs: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    site = Site(tmp_path_factory.mktemp("undisturbed"))
    effects = []
    for org in orgs:
        with serve(org, site) as server:
            site.configure(server.url)
            effects.append(site.run())
    return Undisturbed(tuple(effects), site.contents())


@pytest.mark.parametrize("place", [0.15, 0.5, 0.8, 0.97])
def test_killed_at_an_effect_in_each_run(
    orgs: tuple[Path, Path], undisturbed: Undisturbed, tmp_path: Path, place: float
) -> None:
    site = Site(tmp_path)
    for org, effects in zip(orgs, undisturbed.effects, strict=True):
        with serve(org, site) as server:
            site.configure(server.url)
            assert site.run(last=max(1, int(effects * place))) == 0
            assert site.run() > 0
    assert site.contents() == undisturbed.contents


def test_killed_at_random_moments_until_it_gets_through(
    orgs: tuple[Path, Path], undisturbed: Undisturbed, tmp_path: Path
) -> None:
    chance = random.Random(1)
    site = Site(tmp_path)
    for org in orgs:
        with serve(org, site) as server:
            site.configure(server.url)
            for _ in range(4):
                with site.start() as process:
                    time.sleep(chance.uniform(0.8, 3))
                    process.send_signal(signal.SIGKILL)
            site.run()
    assert site.contents() == undisturbed.contents
