"""Commits: all of it or nothing, once however often."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.warehouse.records import TABLE, Accounts, select
from tests.warehouse.test_bookkeeping import flow_run, load

from seil.errors import StatementError
from seil.events.envelope import Event
from seil.settings import WarehouseSettings
from seil.warehouse import TableName, Warehouse, open_warehouse
from seil.warehouse.bookkeeping import SchemaChange
from seil.warehouse.commits import Commit, commit_id
from seil.warehouse.types import TEXT

NAMES = TableName("", "names")
CHANGE = SchemaChange(str(TABLE), "city", "new-column", "", "text", "k1")


class _StoppedError(Exception):
    pass


@pytest.fixture
def accounts(warehouse: Warehouse, tmp_path: Path) -> Accounts:
    return Accounts(warehouse, tmp_path)


def everything(accounts: Accounts) -> Callable[[Commit], None]:
    """A merge with what it needs of the table, what is recorded of it, and a build."""
    deletions = [{"id": "b", "isdeleted": True, "stamp": 3}]
    rows: list[dict[str, Any]] = [
        {"id": i, "name": "n", "size": n, "isdeleted": False, "stamp": 1}
        for n, i in enumerate("abc")
    ]
    files = [accounts.file(1, rows), accounts.file(4, deletions, "deletions")]

    def run(commit: Commit) -> None:
        commit.recorder.record_schema_changes([CHANGE])
        commit.tables.add_columns(TABLE, pa.schema([pa.field("city", TEXT)]))
        commit.merger.merge(accounts.records, files)
        commit.recorder.record_loads([load()])
        commit.recorder.record_runs([flow_run()])
        commit.recorder.replace_events([Event("seil", "load", {}, id="e")])
        select_ = "SELECT id, name, isdeleted FROM salesforce.account"
        commit.builder.publish([commit.builder.stage_table(NAMES, select_)])

    return run


def content(warehouse: Warehouse) -> list[Any]:
    """All that a commit of `everything` can leave."""
    columns = warehouse.columns(TABLE)
    tables = sorted(name for s in ("", "salesforce") for name in warehouse.tables(s))
    books = warehouse.bookkeeping
    return [
        columns.names if columns is not None else [],
        tables,
        select(warehouse, f"SELECT id, name, size, isdeleted FROM {TABLE} ORDER BY id"),
        select(warehouse, "SELECT id FROM names ORDER BY id") if "names" in tables else [],
        books.ledger(),
        books.load_totals().files,
        [(c.column, c.change) for c in books.schema_changes(TABLE)],
        [event.id for event in books.pending_events()],
    ]


def without_shape(contents: list[Any]) -> list[Any]:
    """Without a table's columns, and what was recorded of them: where each table commits alone,
    these are changed first, and stay.
    """
    _columns, *rows, _schema_changes, events = contents
    return [*rows, events]


def test_the_same_commit_twice_leaves_what_one_leaves(accounts: Accounts) -> None:
    run, contents = everything(accounts), []
    for _ in range(2):
        with accounts.warehouse.commit("once") as commit:
            assert commit.id == "once"
            run(commit)
        contents.append(content(accounts.warehouse))
    assert contents[1] == contents[0]
    assert contents[0][2] == [("a", "n", 0, False), ("b", "n", 1, True), ("c", "n", 2, False)]


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(_StoppedError, id="error"),
        pytest.param(KeyboardInterrupt, marks=pytest.mark.many, id="Ctrl-C"),
    ],
)
def test_a_commit_that_fails_leaves_nothing(accounts: Accounts, error: type[BaseException]) -> None:
    run, before = everything(accounts), content(accounts.warehouse)

    def fail() -> None:
        with accounts.warehouse.commit("failing") as commit:
            run(commit)
            raise error

    with pytest.raises(error):
        fail()
    assert content(accounts.warehouse) == before
    with accounts.warehouse.commit("failing") as commit:
        run(commit)
    assert content(accounts.warehouse) != before


def test_a_statement_that_fails_ends_the_commit_alone(accounts: Accounts) -> None:
    before = content(accounts.warehouse)
    run = everything(accounts)
    with pytest.raises(StatementError), accounts.warehouse.commit("failing") as commit:
        run(commit)
        commit.builder.stage_table(NAMES, "SELECT nothing FROM nowhere")
    assert content(accounts.warehouse) == before
    assert select(accounts.warehouse, "SELECT 1 AS a") == [(1,)]


def test_what_a_commit_changed_is_read_within_it(accounts: Accounts) -> None:
    with accounts.warehouse.commit("reading") as commit:
        everything(accounts)(commit)
        inside = content(accounts.warehouse)
    assert content(accounts.warehouse) == inside


_KILLED = """
import os, pickle, signal, sys
from pathlib import Path
from tests.warehouse.records import Accounts
from tests.warehouse.test_commits import everything
from seil.warehouse import open_warehouse

settings, step = pickle.loads(bytes.fromhex(sys.argv[1])), int(sys.argv[3])
with open_warehouse(settings) as warehouse:
    accounts = Accounts(warehouse, Path(sys.argv[2]))
    run = everything(accounts)
    steps = 0

    class Dying:
        def __init__(self, part):
            self.part = part

        def __getattr__(self, name):
            value = getattr(self.part, name)
            if name in ("tables", "merger", "recorder", "builder"):
                return Dying(value)

            def call(*arguments, **options):
                global steps
                result = value(*arguments, **options)
                steps += 1
                if steps == step:
                    os.kill(os.getpid(), signal.SIGKILL)
                return result

            return call

    with warehouse.commit("killed") as commit:
        run(Dying(commit))
    os.kill(os.getpid(), signal.SIGKILL)
"""


_STEPS = [
    pytest.param(
        step,
        marks=[] if step in (1, 5, 9) else [pytest.mark.matrix, pytest.mark.many],
        id=f"after step {step}",
    )
    for step in range(1, 10)
]


@pytest.mark.parametrize("step", _STEPS)
def test_a_kill_in_a_commit_leaves_nothing_and_after_it_everything(
    engine: WarehouseSettings, tmp_path: Path, step: int
) -> None:
    import pickle

    with open_warehouse(engine) as warehouse:
        warehouse.prepare()
        before = content(Accounts(warehouse, tmp_path).warehouse)
    files = tmp_path / "files"
    files.mkdir()
    command = [sys.executable, "-c", _KILLED, pickle.dumps(engine).hex(), str(files), str(step)]
    killed = subprocess.run(command, check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    with open_warehouse(engine) as warehouse:
        warehouse.prepare()  # As every run does: the next one undoes what a killed commit left.
        same = content(warehouse) == before
        if not warehouse.traits.atomic_across_tables:
            same = without_shape(content(warehouse)) == without_shape(before)
        assert same is (step < 9)


def test_an_id_follows_from_what_is_committed() -> None:
    assert commit_id("load", "a", "b") == commit_id("load", "b", "a")
    assert commit_id("load", "a") != commit_id("load", "b")
    assert commit_id("load", "a") != commit_id("build", "a")
