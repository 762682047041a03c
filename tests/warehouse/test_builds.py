"""Builds: staged beside the tables, published together or discarded."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.warehouse.records import Accounts, select

from seil.errors import StatementError
from seil.warehouse import TableName, Warehouse
from seil.warehouse.builds import StagedBuild
from seil.warehouse.commits import Commit

NAMES, SIZES = TableName("", "names"), TableName("", "sizes")
ALL = "SELECT id, name FROM salesforce.account"


class _StoppedError(Exception):
    pass


@pytest.fixture
def accounts(warehouse: Warehouse, tmp_path: Path) -> Accounts:
    opened = Accounts(warehouse, tmp_path)
    opened.merge(opened.file(1, [{"id": i, "name": f"n{i}", "size": 1} for i in "abc"]))
    return opened


def build(warehouse: Warehouse, table: TableName, sql: str) -> StagedBuild:
    with warehouse.commit(f"build {table}") as commit:
        staged = commit.builder.stage_table(table, sql)
        commit.builder.publish([staged])
    return staged


def rename(accounts: Accounts, at: int, **names: str) -> None:
    rows = [{"id": id_, "name": name, "size": 1} for id_, name in names.items()]
    accounts.merge(accounts.file(at, rows))


def change(accounts: Accounts, commit: Commit, *ids: str) -> StagedBuild:
    """The rows of `names` that belong to these keys, made again."""
    keys = " UNION ALL ".join(f"SELECT '{id_}' AS scope" for id_ in ids)
    assert commit.builder.hold_keys(NAMES, keys) == len(ids)
    values = ", ".join(f"'{id_}'" for id_ in ids)
    select_ = f"{ALL} WHERE id IN ({values}) AND name <> 'gone'"
    return commit.builder.stage_change(NAMES, select_, scope="id")


def content(warehouse: Warehouse, relation: str) -> list[tuple[Any, ...]]:
    return select(warehouse, f"SELECT id, name FROM {relation} ORDER BY id")


def test_a_table_is_replaced(accounts: Accounts) -> None:
    warehouse = accounts.warehouse
    assert build(warehouse, NAMES, f"{ALL} WHERE id = 'a'").rows == 1
    again = build(warehouse, NAMES, ALL)
    assert (again.rows, again.inserted, again.deleted, again.change) == (3, 3, 0, None)
    assert content(warehouse, "names") == [("a", "na"), ("b", "nb"), ("c", "nc")]
    assert warehouse.tables() == ["names"]


def test_what_is_staged_is_read_beside_what_there_is(accounts: Accounts) -> None:
    warehouse = accounts.warehouse
    build(warehouse, NAMES, f"{ALL} WHERE id = 'a'")
    with warehouse.commit("build") as commit:
        staged = commit.builder.stage_table(NAMES, f"{ALL} WHERE id = 'b'")
        assert content(warehouse, "names") == [("a", "na")]
        assert content(warehouse, staged.relation) == [("b", "nb")]
        commit.builder.publish([staged])
        assert content(warehouse, "names") == [("b", "nb")]


def test_a_change_replaces_the_rows_of_its_keys(accounts: Accounts) -> None:
    warehouse = accounts.warehouse
    build(warehouse, NAMES, ALL)
    rename(accounts, 2, a="new", b="gone")
    with warehouse.commit("build") as commit:
        staged = change(accounts, commit, "a", "b", "c")
        assert (staged.rows, staged.deleted, staged.inserted) == (2, 2, 1)
        assert staged.change is not None
        assert content(warehouse, staged.change.added) == [("a", "new")]
        assert content(warehouse, staged.change.removed) == [("a", "na"), ("b", "nb")]
        assert content(warehouse, staged.relation) == [("a", "new"), ("c", "nc")]
        commit.builder.publish([staged])
    assert content(warehouse, "names") == [("a", "new"), ("c", "nc")]
    assert warehouse.tables() == ["names"]


def test_a_change_that_changes_nothing_counts_no_row(accounts: Accounts) -> None:
    build(accounts.warehouse, NAMES, ALL)
    with accounts.warehouse.commit("build") as commit:
        staged = change(accounts, commit, "a", "b")
        assert (staged.rows, staged.deleted, staged.inserted) == (3, 0, 0)
        commit.builder.publish([staged])
    assert len(content(accounts.warehouse, "names")) == 3


def test_rows_that_are_alike_are_counted(accounts: Accounts) -> None:
    warehouse = accounts.warehouse
    build(warehouse, NAMES, f"{ALL} WHERE id = 'a' UNION ALL {ALL} WHERE id = 'a'")
    with warehouse.commit("build") as commit:
        staged = change(accounts, commit, "a")
        assert (staged.rows, staged.deleted, staged.inserted) == (1, 1, 0)
        commit.builder.publish([staged])
    assert content(warehouse, "names") == [("a", "na")]


def test_several_are_published_together_and_others_discarded(accounts: Accounts) -> None:
    warehouse = accounts.warehouse
    build(warehouse, NAMES, ALL)
    rename(accounts, 2, a="new")
    with warehouse.commit("build") as commit:
        changed = change(accounts, commit, "a")
        sizes = commit.builder.stage_table(SIZES, "SELECT id, size FROM salesforce.account")
        lost = commit.builder.stage_table(TableName("", "lost"), ALL)
        commit.builder.publish([changed, sizes])
        commit.builder.discard([lost])
    assert content(warehouse, "names")[0] == ("a", "new")
    assert sorted(warehouse.tables()) == ["names", "sizes"]


@pytest.mark.parametrize("way", ["discarded", "stopped"])
def test_what_is_not_published_leaves_no_trace(accounts: Accounts, way: str) -> None:
    warehouse = accounts.warehouse
    build(warehouse, NAMES, ALL)
    rename(accounts, 2, a="new")

    def stage() -> None:
        with warehouse.commit("build") as commit:
            staged = [change(accounts, commit, "a"), commit.builder.stage_table(SIZES, ALL)]
            if way == "stopped":
                commit.builder.publish(staged)
                raise _StoppedError
            commit.builder.discard(staged)

    if way == "stopped":
        with pytest.raises(_StoppedError):
            stage()
    else:
        stage()
    assert content(warehouse, "names") == [("a", "na"), ("b", "nb"), ("c", "nc")]
    assert warehouse.tables() == ["names"]


def test_a_select_that_fails_is_refused_with_its_reason(accounts: Accounts) -> None:
    with (
        pytest.raises(StatementError, match="no_such_column"),
        accounts.warehouse.commit("build") as commit,
    ):
        commit.builder.stage_table(NAMES, "SELECT no_such_column FROM salesforce.account")
    assert accounts.warehouse.tables() == []
    assert build(accounts.warehouse, NAMES, ALL).rows == 3


def test_a_row_without_a_key_is_inserted_as_it_is_counted(accounts: Accounts) -> None:
    warehouse = accounts.warehouse
    build(warehouse, NAMES, ALL)
    with warehouse.commit("build") as commit:
        commit.builder.hold_keys(NAMES, "SELECT 'a' AS scope")
        lone = "SELECT NULLIF(id, 'a'), 'lone' FROM salesforce.account WHERE id = 'a'"
        rows = f"{ALL} WHERE id = 'a' UNION ALL {lone}"
        staged = commit.builder.stage_change(NAMES, rows, scope="id")
        commit.builder.publish([staged])
    assert (staged.rows, staged.inserted, staged.deleted) == (4, 1, 0)
    names = select(warehouse, "SELECT name FROM names ORDER BY name")
    assert names == [("lone",), ("na",), ("nb",), ("nc",)]
