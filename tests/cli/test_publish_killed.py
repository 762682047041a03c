"""`seil publish iceberg` that dies, or whose catalog does, and then is repeated."""

from __future__ import annotations

import re
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import duckdb
import pytest
from pyiceberg.catalog.sql import SqlCatalog
from tests.cli.conftest import Seil
from tests.iceberg.rest_catalog import Fault, RestServer, When, rest_server
from tests.limits import HANGS, until

from seil.settings import load_settings
from seil.warehouse import open_warehouse

NAMES = ("account", "contact")
CHOSEN = [argument for name in NAMES for argument in ("-t", f"salesforce.{name}")]
PUBLISH = ["publish", "iceberg", *CHOSEN]
ROWS = 300
Start = Callable[..., subprocess.Popen[str]]


def plant(home: Path, catalog: str, rows: int) -> None:
    text = '[warehouse]\nurl = "duckdb:w.duckdb"\npublish = false\n'
    (home / "seil.toml").write_text(f'{text}[publish]\ncatalog = "{catalog}"\n')
    with open_warehouse(load_settings(home / "seil.toml").warehouse) as warehouse:
        warehouse.prepare()
    with duckdb.connect(str(home / "w.duckdb")) as connection:
        connection.execute("CREATE SCHEMA IF NOT EXISTS salesforce")
        for name in NAMES:
            select = (
                f"SELECT CAST(range AS VARCHAR) AS id, md5('a' || range) AS name FROM range({rows})"
            )
            connection.execute(f"CREATE TABLE salesforce.{name} AS {select}")


@pytest.fixture
def server(home: Path) -> Iterator[RestServer]:
    with rest_server(home / "served", moves_together=False) as server:
        plant(home, server.url, ROWS)
        yield server


def check(server: RestServer) -> None:
    """Each table has every row, by one commit."""
    for name in NAMES:
        table = server.catalog.load_table(("seil_salesforce", name))
        ids = [row["id"] for row in table.scan().to_arrow().to_pylist()]
        assert sorted(ids) == sorted(map(str, range(ROWS)))
        assert len(table.metadata.snapshots) == 1


@pytest.mark.parametrize(
    ("moves_together", "when", "number"),
    [
        pytest.param(False, "before", signal.SIGKILL, marks=pytest.mark.matrix),
        (False, "after", signal.SIGKILL),
        pytest.param(True, "before", signal.SIGKILL, marks=pytest.mark.matrix),
        pytest.param(True, "after", signal.SIGKILL, marks=pytest.mark.matrix),
        pytest.param(False, "before", signal.SIGINT, marks=pytest.mark.matrix),
        pytest.param(False, "after", signal.SIGINT, marks=pytest.mark.matrix),
    ],
)
def test_a_publication_that_is_stopped_at_a_commit_is_completed_by_a_repeat(
    seil: Seil,
    seil_process: Start,
    server: RestServer,
    moves_together: bool,
    when: When,
    number: signal.Signals,
) -> None:
    server.moves_together = moves_together
    is_reached, is_over = threading.Event(), threading.Event()

    def stall(moment: When) -> None:
        if moment == when:
            is_reached.set()
            is_over.wait(HANGS)
            if when == "before":
                raise ConnectionAbortedError

    server.on_commit = stall
    process = seil_process(*PUBLISH)
    assert is_reached.wait(HANGS)
    process.send_signal(number)
    _, errors = process.communicate()
    server.on_commit = lambda _: None
    is_over.set()
    assert process.returncode == (-number if number == signal.SIGKILL else 128 + number)
    assert "Traceback" not in errors
    commits = server.commits
    assert commits == (1 if when == "after" else 0)
    assert seil(*PUBLISH).code == 0
    assert server.commits == (1 if moves_together else 2)
    check(server)


@pytest.mark.matrix
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_publication_to_a_folder_that_is_stopped_while_it_writes_is_completed_by_a_repeat(
    seil: Seil, seil_process: Start, home: Path, number: signal.Signals
) -> None:
    plant(home, "published", 100_000)
    process = seil_process(*PUBLISH)
    until(lambda: list((home / "published").rglob("*.parquet")))
    process.send_signal(number)
    _, errors = process.communicate()
    assert process.returncode == (-number if number == signal.SIGKILL else 128 + number)
    assert "Traceback" not in errors
    assert seil(*PUBLISH).code == 0
    with closing(SqlCatalog("seil", uri=f"sqlite:///{home}/published/catalog.sqlite")) as catalog:
        for name in NAMES:
            ids = catalog.load_table(("seil_salesforce", name)).scan().to_arrow()["id"]
            assert (len(ids), len(ids.unique())) == (100_000, 100_000)


@pytest.mark.parametrize("fault", ["403", "501"])
def test_a_refused_table_fails_by_name_and_the_other_is_published(
    seil: Seil, server: RestServer, fault: Fault
) -> None:
    server.fault, server.lands = fault, False
    ran = seil(*PUBLISH)
    assert ran.code != 0
    assert re.search("salesforce.account +failed", ran.out)
    assert server.commits == 1
    assert seil(*PUBLISH).code == 0
    assert server.commits == 2
    check(server)


def test_a_catalog_that_goes_away_half_way_is_repeated(seil: Seil, server: RestServer) -> None:
    def go_away(moment: When) -> None:
        server.is_down = moment == "after"

    server.on_commit = go_away
    ran = seil(*PUBLISH)
    assert ran.code != 0
    assert re.search("salesforce.contact +failed", ran.out)
    server.is_down, server.on_commit = False, lambda _: None
    assert seil(*PUBLISH).code == 0
    assert server.commits == 2
    check(server)


@pytest.mark.parametrize(
    "moves_together",
    [False, pytest.param(True, marks=pytest.mark.matrix)],
    ids=["each alone", "together"],
)
@pytest.mark.parametrize("is_meanwhile", [False, True], ids=["before", "meanwhile"])
def test_a_table_that_was_dropped_from_the_catalog_is_published_again(
    seil: Seil, server: RestServer, moves_together: bool, is_meanwhile: bool
) -> None:
    server.moves_together = moves_together
    assert seil(*PUBLISH).code == 0

    def drop(_: When) -> None:
        server.on_commit = lambda _: None
        server.catalog.drop_table(("seil_salesforce", "account"))

    if is_meanwhile:
        server.on_commit = drop
        assert seil(*PUBLISH, "--full").code == 0
    else:
        drop("before")
        assert seil(*PUBLISH).code == 0
    table = server.catalog.load_table(("seil_salesforce", "account"))
    assert len(table.metadata.snapshots) == 1
    assert table.scan().to_arrow().num_rows == ROWS


def test_a_folder_that_cannot_be_written_is_named(seil: Seil, home: Path) -> None:
    """Below a file: to the superuser, no folder is closed."""
    plant(home, "file/published", ROWS)
    (home / "file").write_text("")
    ran = seil(*PUBLISH)
    assert ran.code != 0
    assert str(home / "file" / "published") in ran.err
    assert (home / "file").read_text() == ""
