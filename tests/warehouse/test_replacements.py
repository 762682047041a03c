"""A warehouse made beside the one in use: it takes its place in one step, or not at all."""

from __future__ import annotations

import pickle
import re
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from tests.holder import Holder
from tests.warehouse.records import select
from tests.warehouse.test_fencing import commit_under, make, tables

from seil.errors import LeaseLostError
from seil.lake import RunFence
from seil.settings import WarehouseSettings
from seil.warehouse import TableName, Warehouse, open_replacement, open_warehouse
from seil.warehouse.replacement import Replacement

TOKEN = 10


class _StoppedError(Exception):
    pass


@pytest.fixture
def replacement(engine: WarehouseSettings) -> Iterator[Replacement]:
    """Of a run with TOKEN."""
    fence = RunFence()
    with fence.guard(Holder(TOKEN)):
        opened = open_replacement(engine, fence=fence)
        yield opened
        opened.discard()  # As whoever opens one does, whatever happened.


def old_tables(warehouse: Warehouse) -> list[str]:
    return warehouse.tables()


def test_the_new_one_is_made_beside_the_old_and_takes_its_place(
    engine: WarehouseSettings, replacement: Replacement
) -> None:
    commit_under(engine, TOKEN, "old")
    assert replacement.read_old(old_tables) == ("present", ["old"])
    with replacement.new() as warehouse:
        assert warehouse.tables() == []
        make(warehouse, "new")
    assert tables(engine) == ["old"]
    replacement.replace()
    replacement.discard()
    assert tables(engine) == ["new"]
    commit_under(engine, TOKEN, "next")
    assert tables(engine) == ["new", "next"]


def test_without_an_old_one_the_new_one_is_the_first(
    engine: WarehouseSettings, replacement: Replacement
) -> None:
    assert replacement.read_old(old_tables) == ("missing", None)
    with replacement.new() as warehouse:
        make(warehouse, "new")
    replacement.replace()
    assert tables(engine) == ["new"]


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(_StoppedError, id="error"),
        pytest.param(KeyboardInterrupt, marks=pytest.mark.many, id="Ctrl-C"),
    ],
)
def test_an_error_leaves_the_old_one(
    engine: WarehouseSettings, replacement: Replacement, error: type[BaseException]
) -> None:
    commit_under(engine, TOKEN, "old")
    replacement.read_old(old_tables)

    def fail() -> None:
        with replacement.new() as warehouse:
            make(warehouse, "new")
            raise error

    with pytest.raises(error):
        fail()
    assert tables(engine) == ["old"]
    replacement.discard()
    assert tables(engine) == ["old"]


def test_what_is_discarded_is_in_no_later_replacement(
    engine: WarehouseSettings, replacement: Replacement
) -> None:
    commit_under(engine, TOKEN, "old")
    replacement.read_old(old_tables)
    with replacement.new() as warehouse:
        make(warehouse, "refused")
    replacement.discard()
    assert tables(engine) == ["old"]
    with replacement.new() as warehouse:
        make(warehouse, "new")
    replacement.replace()
    assert tables(engine) == ["new"]


_KILLED = """
import os, pickle, signal, sys
from tests.holder import Holder
from tests.warehouse.test_fencing import make
from tests.warehouse.test_replacements import TOKEN, old_tables
from seil.lake import RunFence
from seil.warehouse import open_replacement

settings, fence = pickle.loads(bytes.fromhex(sys.argv[1])), RunFence()
with fence.guard(Holder(TOKEN)):
    replacement = open_replacement(settings, fence=fence)
    replacement.read_old(old_tables)
    with replacement.new() as warehouse:
        make(warehouse, "lost")
        if sys.argv[2] == "filling":
            os.kill(os.getpid(), signal.SIGKILL)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("moment", ["filling", "filled"])
def test_a_kill_before_the_end_leaves_the_old_one(
    engine: WarehouseSettings, replacement: Replacement, moment: str
) -> None:
    commit_under(engine, TOKEN, "old")
    command = [sys.executable, "-c", _KILLED, pickle.dumps(engine).hex(), moment]
    killed = subprocess.run(command, check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert tables(engine) == ["old"]
    assert replacement.read_old(old_tables) == ("present", ["old"])
    with replacement.new() as warehouse:
        assert warehouse.tables() == []
        make(warehouse, "new")
    replacement.replace()
    assert tables(engine) == ["new"]


def test_earlier_runs_commit_nothing_once_the_old_one_is_read(
    engine: WarehouseSettings, replacement: Replacement
) -> None:
    commit_under(engine, TOKEN - 1, "old")
    replacement.read_old(old_tables)
    with pytest.raises(LeaseLostError):
        commit_under(engine, TOKEN - 1, "late")
    assert tables(engine) == ["old"]


def test_a_later_run_that_committed_keeps_the_old_one(
    engine: WarehouseSettings, replacement: Replacement
) -> None:
    commit_under(engine, TOKEN, "old")
    replacement.read_old(old_tables)
    with replacement.new() as warehouse:
        make(warehouse, "new")
    commit_under(engine, TOKEN + 1, "later")
    with pytest.raises(LeaseLostError):
        replacement.replace()
    assert tables(engine) == ["later", "old"]


def test_tables_of_users_are_copied_with_their_rows(
    engine: WarehouseSettings, replacement: Replacement
) -> None:
    mine, own = TableName("", "mine"), TableName("", "own")
    with open_warehouse(engine) as warehouse, warehouse.commit("tables") as commit:
        selects = {mine: "SELECT 7 AS size", own: "SELECT 8 AS size"}
        commit.builder.publish([commit.builder.stage_table(t, s) for t, s in selects.items()])
    state, objects = replacement.read_old(
        lambda _: replacement.user_objects(own_schemas=re.compile("seil.*"), own_tables=[own])
    )
    assert (state, [entry.name for entry in objects or ()]) == ("present", ["mine"])
    with replacement.new():
        assert replacement.copy_user_objects(objects or ()) == objects
    replacement.replace()
    with open_warehouse(engine) as warehouse:
        assert warehouse.tables() == ["mine"]
        assert select(warehouse, "SELECT size FROM mine") == [(7,)]
