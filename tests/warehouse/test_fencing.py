"""Commits under a fencing token: a run that lost its lease commits nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.holder import Holder

from seil.errors import LeaseLostError
from seil.lake import RunFence
from seil.settings import WarehouseSettings
from seil.warehouse import Warehouse, open_warehouse


def opened(folder: Path, fence: RunFence | None = None) -> Warehouse:
    settings = WarehouseSettings(url=f"duckdb:{folder / 'w.duckdb'}", memory="256MB")
    return open_warehouse(settings, fence=fence)


def commit(folder: Path, number: int, holder: Holder) -> None:
    fence = RunFence()
    with fence.guarding(holder), opened(folder, fence) as warehouse, warehouse.transaction():
        warehouse.execute("CREATE TABLE IF NOT EXISTS committed (number INTEGER)")
        warehouse.execute(f"INSERT INTO committed VALUES ({number})")


def read(folder: Path, sql: str) -> list[object]:
    with opened(folder) as warehouse:
        return list(warehouse.query(sql).column(0).to_pylist())


def test_a_newer_token_refuses_the_commits_of_an_older_one(tmp_path: Path) -> None:
    commit(tmp_path, 1, Holder(10))
    commit(tmp_path, 2, Holder(10))
    commit(tmp_path, 3, Holder(11))
    reason = r"w\.duckdb was written under token 11, this run has 10"
    with pytest.raises(LeaseLostError, match=reason):
        commit(tmp_path, 4, Holder(10))
    assert read(tmp_path, "SELECT number FROM committed ORDER BY 1") == [1, 2, 3]
    assert read(tmp_path, "SELECT token FROM seil.fence") == [11]


def test_a_lease_lost_in_a_transaction_rolls_it_back(tmp_path: Path) -> None:
    commit(tmp_path, 1, Holder(10))
    holder, fence = Holder(11), RunFence()
    with fence.guarding(holder), opened(tmp_path, fence) as warehouse:
        with pytest.raises(LeaseLostError), warehouse.transaction():
            warehouse.execute("INSERT INTO committed VALUES (2)")
            holder.is_lost = True
        with pytest.raises(LeaseLostError), warehouse.transaction():
            pass
    assert read(tmp_path, "SELECT number FROM committed") == [1]
    assert read(tmp_path, "SELECT token FROM seil.fence") == [10]


def test_a_transaction_without_a_lock_is_not_fenced(tmp_path: Path) -> None:
    with opened(tmp_path, RunFence()) as warehouse, warehouse.transaction():
        warehouse.execute("CREATE TABLE committed AS SELECT 1 AS number")
    assert read(tmp_path, "SELECT number FROM committed") == [1]
    assert read(tmp_path, "SELECT count(*) FROM duckdb_tables() WHERE schema_name = 'seil'") == [0]
