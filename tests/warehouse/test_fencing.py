"""Commits under a fencing token: a run that lost its lease commits nothing."""

from __future__ import annotations

import pyarrow as pa
import pytest
from tests.holder import Holder

from seil.errors import LeaseLostError
from seil.lake import RunFence
from seil.settings import WarehouseSettings
from seil.warehouse import TableName, Warehouse, open_warehouse

COLUMNS = pa.schema([pa.field("id", pa.string())])


def make(warehouse: Warehouse, name: str) -> None:
    with warehouse.commit(name) as commit:
        commit.tables.create_table(TableName("", name), COLUMNS, key="id")


def commit_under(engine: WarehouseSettings, token: int, name: str) -> None:
    fence = RunFence()
    with fence.guard(Holder(token)), open_warehouse(engine, fence=fence) as warehouse:
        make(warehouse, name)


def tables(engine: WarehouseSettings) -> list[str]:
    with open_warehouse(engine) as warehouse:
        return warehouse.tables()


def test_a_newer_token_refuses_the_commits_of_an_older_one(engine: WarehouseSettings) -> None:
    commit_under(engine, 10, "a")
    commit_under(engine, 10, "b")
    commit_under(engine, 11, "c")
    with pytest.raises(LeaseLostError, match="was written under token 11, this run has 10"):
        commit_under(engine, 10, "d")
    assert tables(engine) == ["a", "b", "c"]
    commit_under(engine, 11, "e")
    assert tables(engine) == ["a", "b", "c", "e"]


def test_a_lease_lost_in_a_commit_rolls_it_back(engine: WarehouseSettings) -> None:
    commit_under(engine, 10, "a")
    holder, fence = Holder(11), RunFence()
    with fence.guard(holder), open_warehouse(engine, fence=fence) as warehouse:
        with pytest.raises(LeaseLostError), warehouse.commit("b") as commit:
            commit.tables.create_table(TableName("", "b"), COLUMNS, key="id")
            holder.is_lost = True
        with pytest.raises(LeaseLostError):
            make(warehouse, "c")
    assert tables(engine) == ["a"]
    commit_under(engine, 10, "d")
    assert tables(engine) == ["a", "d"]


def test_a_commit_without_a_lock_is_not_fenced(engine: WarehouseSettings) -> None:
    commit_under(engine, 10, "a")
    with open_warehouse(engine, fence=RunFence()) as warehouse:
        make(warehouse, "b")
    commit_under(engine, 10, "c")
    assert tables(engine) == ["a", "b", "c"]
