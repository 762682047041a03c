"""Publishing and exporting as an operator does, where it goes wrong."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from tests.cli.conftest import Seil
from tests.limits import HANGS

from seil.app.publishing import LOCK
from seil.app.site import Site
from seil.settings import load_settings
from seil.sf_to_dw.lock import run_lock
from seil.warehouse import open_warehouse

TABLE = "salesforce.account"
ROWS = 40_000
# Fewer bytes than the table takes as a file, more than SEIL's own files.
FULL = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (900_000, 900_000))
sys.argv[0] = "seil"
from seil.__main__ import main
main()
"""


@pytest.fixture
def site(home: Path) -> Path:
    text = '[warehouse]\nurl = "duckdb:w.duckdb"\npublish = false\n[publish]\ncatalog = "a b"\n'
    (home / "seil.toml").write_text(text)
    with open_warehouse(load_settings(home / "seil.toml").warehouse) as warehouse:
        warehouse.prepare()
    with duckdb.connect(str(home / "w.duckdb")) as connection:
        connection.execute("CREATE SCHEMA IF NOT EXISTS salesforce")
        select = "SELECT range AS id, md5('a' || range) || md5('b' || range) AS name"
        connection.execute(f"CREATE TABLE {TABLE} AS {select} FROM range({ROWS})")
    return home


def files(folder: Path, pattern: str) -> list[str]:
    return sorted(path.name for path in folder.rglob(pattern))


def test_what_is_published_fits_80_columns(seil: Seil, site: Path) -> None:
    first = seil("publish", "iceberg", "-t", TABLE, "--full")
    assert first.code == 0
    again = seil("publish", "iceberg", "-t", TABLE, "--full")
    upkeep = seil("publish", "upkeep", "-t", TABLE)
    lines = [line for ran in (first, again, upkeep) for line in ran.out.splitlines()]
    assert [line for line in lines if len(line) > 80 and str(site) not in line] == []
    assert re.search(rf"{TABLE}: asked for", again.out)


def test_an_export_names_a_path_that_exists(seil: Seil, site: Path) -> None:
    ran = seil("export", "csv", "to a colleague", "-t", TABLE)
    assert ran.code == 0
    file = site / "to a colleague" / f"{TABLE}.csv"
    assert str(file) in ran.out
    assert file.is_file()


def test_a_second_publisher_is_refused_and_publishes_nothing(seil: Seil, site: Path) -> None:
    with Site(load_settings(site / "seil.toml")) as opened, run_lock(opened.lake, key=LOCK):
        ran = seil("publish", "iceberg", "-t", TABLE)
    assert ran.code != 0
    assert LOCK in ran.err
    assert not files(site / "a b", "*.parquet")
    assert seil("publish", "iceberg", "-t", TABLE).code == 0


@pytest.mark.parametrize(
    "command",
    [
        ["publish", "iceberg"],
        pytest.param(["export", "parquet", "out"], marks=pytest.mark.matrix),
        ["export", "csv", "out"],
    ],
    ids=["publish", "parquet", "csv"],
)
def test_a_full_disk_leaves_nothing_half(seil: Seil, site: Path, command: list[str]) -> None:
    place = site / ("out" if command[0] == "export" else "a b")
    arguments = [sys.executable, "-c", FULL, *command, "-t", TABLE]
    environment = {n: v for n, v in os.environ.items() if not n.startswith("SEIL_")}
    ran = subprocess.run(
        arguments,
        cwd=site,
        env=environment,
        check=False,
        capture_output=True,
        text=True,
        timeout=HANGS,
    )
    assert ran.returncode != 0
    assert "Traceback" not in ran.stderr
    assert not files(place, "*.parquet") + files(place, "*.csv")
    assert seil(*command, "-t", TABLE).code == 0
    assert len(files(place, "*.parquet") + files(place, "*.csv")) == 1
