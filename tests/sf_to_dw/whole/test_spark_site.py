"""A whole site on Spark: runs killed at each kind of commit point, interrupted, repeated."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.limits import HANGS, until
from tests.sf_to_dw.whole.conftest import AccountSite
from tests.sites import CATALOG, CONFIG
from tests.spark import has_ended, spark_section, spark_settings
from typer.testing import CliRunner

from seil.app import steps
from seil.app.move import move
from seil.cli.app import app
from seil.warehouse import TableName
from seil.warehouse.spark.commit_log import COMMIT_ID
from seil.warehouse.spark.warehouse import SparkWarehouse
from seil.warehouse.tables import SCHEMAS

pytestmark = [pytest.mark.matrix, pytest.mark.spark, pytest.mark.many, pytest.mark.timeout(7200)]

RULE = """
[[objects.Account.columns]]
name = "Name"
[[objects.Account.columns.validations]]
type = "sql"
rule = "Name <> 'Refused'"
message = "is set aside"
"""
# By table: the snapshots of the current state, and the commit of each.
Snapshots = Mapping[str, Mapping[int, str]]


class SparkSite(AccountSite):
    def configure(self, catalog: str = "") -> None:
        spark = spark_section(spark_settings(self.folder / "iceberg"))
        config = CONFIG.format(url=self.url).replace("duckdb:warehouse.duckdb", "spark://lakehouse")
        config = config.replace("threads = 2", 'threads = 1\nmemory = "1GB"')
        (self.folder / "seil.toml").write_text(config + spark)
        (self.folder / "objects.toml").write_text(CATALOG + RULE)

    def command(self, where: str, *words: str) -> subprocess.CompletedProcess[str]:
        """In a process of its own, with a Java of its own."""
        return subprocess.run(
            [sys.executable, "-m", "tests.sf_to_dw.whole.spark_command", where, *words],
            cwd=self.folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            timeout=2 * HANGS,
            check=False,
        )

    def snapshots(self) -> Snapshots:
        with self.warehouse() as warehouse:
            assert isinstance(warehouse, SparkWarehouse)
            database = warehouse.database
            tables = [
                TableName(schema, name)
                for schema in ("", *sorted(SCHEMAS))
                for name in warehouse.tables(schema)
            ]
            return {str(table): _snapshots(database.load(table)) for table in tables}

    def tables_snapshots(self) -> Snapshots:
        """Of records and of models."""
        snapshots = self.snapshots()
        return {table: ids for table, ids in snapshots.items() if not table.startswith("seil")}


def _snapshots(loaded: Any) -> dict[int, str]:
    """The newest first."""
    ids = {}
    snapshot = loaded.java.currentSnapshot()
    while snapshot is not None:
        ids[int(snapshot.snapshotId())] = str(snapshot.summary().get(COMMIT_ID))
        parent = snapshot.parentId()
        snapshot = None if parent is None else loaded.java.snapshot(parent)
    return ids


@pytest.fixture(scope="module")
def site(spark: None, generated: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """After its first run; each test leaves it complete."""
    folder = tmp_path_factory.mktemp("spark-site")
    shutil.copytree(generated, folder / "org")
    site = SparkSite(folder)
    with site.serve():
        assert site.run().ok
        yield site


def change(site: SparkSite, name: str) -> None:
    """A change that both tables and the built one have to follow."""
    columns = "min(id) AS contact, min(account_id) AS account"
    (ids,) = site.query(f"SELECT {columns} FROM contacts_of_accounts")
    site.write("PATCH", f"Account/{ids['account']}", {"Name": name})
    site.write("PATCH", f"Contact/{ids['contact']}", {"LastName": name})
    site.pass_a_second()


def test_what_changes_nothing_writes_no_snapshot_of_a_table(site: SparkSite) -> None:
    """Of records and of models: a run is in the ledger, a build in the list of builds."""
    before = site.tables_snapshots()
    assert site.run().ok
    with site.open() as context:
        assert steps.load(context)[0].ok
        assert steps.build(context)[0].ok
    assert len(before) >= 3
    assert site.tables_snapshots() == before


def test_commands_of_a_site(site: SparkSite, monkeypatch: pytest.MonkeyPatch) -> None:
    change(site, "Refused")
    assert site.run().ingest.rejected_rows == 1
    monkeypatch.chdir(site.folder)
    runner = CliRunner()
    for words in (("status",), ("doctor",), ("warehouse", "upkeep", "--dry-run")):
        ran = runner.invoke(app, list(words))
        assert ran.exit_code == 0, ran.output
    read = runner.invoke(app, ["query", "SELECT count(*) AS n FROM contacts_of_accounts"])
    assert read.exit_code == 0, read.output


# Of the commits of loads and of builds: before and after each step that lasts.
MOMENTS = [
    "before decide load 1",
    "after decide load 1",
    "after _publish load 1",
    "before finish load 1",
    "after finish load 1",
    "after decide build 1",
    "after _publish build 1",
]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_run_is_completed_by_the_next(site: SparkSite, moment: str) -> None:
    change(site, moment)
    killed = site.command(f"SIGKILL {moment}", "run", *site.objects)
    assert killed.returncode == -9, killed.stdout + killed.stderr[-4000:]
    java = int(killed.stdout.split("java ")[1])
    until(lambda: has_ended(java))
    between = site.snapshots()
    assert site.run().ok
    after = site.snapshots()
    for table, snapshots in between.items():
        # What was published is not written again.
        commits = set(snapshots.values()) - {"None"}
        again = {c for s, c in after[table].items() if s not in snapshots} & commits
        assert not again, (table, again)
    assert site.query(f"SELECT 1 FROM contacts_of_accounts WHERE account_name = '{moment}'")
    if moment.startswith("after _publish"):
        commit = next(iter(between["seil.commits"].values()))
        begun, ended = (_tables_with(commit, tables) for tables in (between, after))
        assert len(begun) == 1
        assert begun < ended


def _tables_with(commit: str, tables: Snapshots) -> set[str]:
    return {table for table, ids in tables.items() if commit in ids.values()} - {"seil.commits"}


def test_an_interrupted_build_ends_with_130(site: SparkSite) -> None:
    change(site, "interrupted")
    stopped = site.command("SIGINT before stage_change 1", "run", *site.objects)
    assert stopped.returncode == 130, stopped.stdout + stopped.stderr[-4000:]
    assert "interrupted. What was committed stays" in stopped.stderr
    assert site.run().ok
    assert site.query("SELECT 1 FROM contacts_of_accounts WHERE account_name = 'interrupted'")


def test_what_grew_is_what_duckdb_makes_of_curated(site: SparkSite) -> None:
    with site.open() as context:
        result = move(context, "duckdb:moved.duckdb", config=None)
    assert result.ok, result.report.refused
    compared = {str(table.table): table.rows for table in result.report.compared}
    assert compared["contacts_of_accounts"] > 0
