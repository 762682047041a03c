"""Merges into current records, as any engine has to do them."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.warehouse.records import TABLE, Accounts, minute

from seil.errors import StatementError
from seil.warehouse import MergeOutcome, Records, TableName, Warehouse
from seil.warehouse.bookkeeping import BuiltVersion
from seil.warehouse.merges import MergeSource
from seil.warehouse.types import TEXT

# Of each two files, either comes first in one of these.
FEW = ((0, 1, 2), (2, 1, 0))
ORDERS = [
    pytest.param(order, marks=() if order in FEW else pytest.mark.many, id=str(order))
    for order in permutations(range(3))
]


@pytest.fixture
def accounts(warehouse: Warehouse, tmp_path: Path) -> Accounts:
    return Accounts(warehouse, tmp_path)


def row(id_: str = "a", stamp: int = 0, **values: Any) -> dict[str, Any]:
    return {"id": id_, "name": "n", "size": 1, "isdeleted": False, "stamp": stamp} | values


def without(column: str, row_: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row_.items() if name != column}


def test_merging_into_no_table_is_refused(warehouse: Warehouse) -> None:
    records = Records(TableName("salesforce", "none"), "id")
    with (
        pytest.raises(StatementError, match="there is no table"),
        warehouse.commit("load") as commit,
    ):
        commit.merger.merge(records, [])


def test_every_row_of_a_file_is_counted_once(accounts: Accounts) -> None:
    first = accounts.file(1, [row("a"), row("b"), row(""), row("b", 1)])
    assert accounts.merge(first) == [MergeOutcome(inserted=2, superseded=1, without_key=1)]
    again = accounts.file(3, [row("a"), row("b", 2, isdeleted=True), row("c", 1)])
    assert accounts.merge(again) == [MergeOutcome(inserted=1, deleted=1, unchanged=1)]
    assert accounts.rows("id, isdeleted") == [("a", False), ("b", True), ("c", False)]


@pytest.mark.parametrize("order", ORDERS)
def test_the_newest_version_wins_in_whatever_order_files_come(
    accounts: Accounts, order: tuple[int, ...]
) -> None:
    files = [accounts.file(5 + n, [row(stamp=n, name=f"v{n}")]) for n in range(3)]
    for n in order:
        accounts.merge(files[n])
    assert accounts.rows("name") == [("v2",)]
    assert accounts.merge(*files, files[2]) is not None
    assert accounts.rows("name") == [("v2",)]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("seen", "is_deleted"), [(4, True), (6, False)], ids=["before", "after"])
def test_a_deletion_holds_unless_the_record_was_seen_alive_later(
    accounts: Accounts, order: tuple[int, ...], seen: int, is_deleted: bool
) -> None:
    files = [
        accounts.file(1, [row()]),
        accounts.file(5, [{"id": "a", "isdeleted": True, "stamp": 3}], "deletions"),
        accounts.file(seen, [row(name="seen")]),
    ]
    for n in order:
        accounts.merge(files[n])
    assert accounts.rows("isdeleted") == [(is_deleted,)]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("read", "size"), [(4, 1), (6, 7)], ids=["before", "after"])
def test_values_read_by_themselves_count_where_they_were_read_later(
    accounts: Accounts, order: tuple[int, ...], read: int, size: int
) -> None:
    files = [
        accounts.file(1, [row()]),
        accounts.file(5, [row(stamp=2, name="later")]),
        accounts.file(read, [{"id": "a", "size": 7}], "values"),
    ]
    for n in order:
        accounts.merge(files[n])
    assert accounts.rows() == [("a", "later", size)]


@pytest.mark.parametrize("order", ORDERS)
def test_a_column_that_newer_files_lack_keeps_its_last_value(
    accounts: Accounts, order: tuple[int, ...]
) -> None:
    files = [
        accounts.file(1, [row(size=1)]),
        accounts.file(3, [row(stamp=2, size=2, name="second")]),
        accounts.file(5, [without("size", row(stamp=4, name="third"))]),
    ]
    for n in order:
        accounts.merge(files[n])
    assert accounts.rows() == [("a", "third", 2)]


def test_a_column_that_was_given_up_keeps_nothing(accounts: Accounts) -> None:
    accounts.records = replace(accounts.records, given_up=frozenset({"size"}))
    accounts.merge(accounts.file(1, [row()]))
    accounts.merge(accounts.file(3, [without("size", row(stamp=2))]))
    assert accounts.rows() == [("a", "n", None)]


def test_earlier_files_have_no_value_for_an_added_column(accounts: Accounts) -> None:
    accounts.merge(accounts.file(5, [row(stamp=4)]))
    city = pa.schema([pa.field("city", TEXT)])
    with accounts.warehouse.commit("tables") as commit:
        commit.tables.add_columns(TABLE, city)
        commit.tables.add_columns(TABLE, city)
    file = accounts.file(1, [row(stamp=0)])
    late = replace(file, columns={**file.columns, "city": pa.field("name", TEXT)})
    assert accounts.merge(late) == [MergeOutcome(superseded=1)]
    assert accounts.rows("name, city") == [("n", "n")]


def test_a_history_shows_every_version_with_its_interval(accounts: Accounts) -> None:
    accounts.records = replace(accounts.records, history=True)
    accounts.merge(
        accounts.file(1, [row(name="one")]), accounts.file(6, [row(stamp=5, name="six")])
    )
    accounts.merge(accounts.file(4, [row(stamp=3, name="four")]))
    deletions = [{"id": "a", "isdeleted": True, "stamp": 7}]
    accounts.merge(accounts.file(8, deletions, "deletions"))
    versions = accounts.select(
        "SELECT name, valid_from, valid_to, is_current FROM salesforce_history.account"
        " ORDER BY valid_from"
    )
    assert versions == [
        ("one", minute(0), minute(3), False),
        ("four", minute(3), minute(5), False),
        ("six", minute(5), minute(7), False),
    ]


def watch(accounts: Accounts, *columns: str) -> None:
    """Has a built table read these columns."""
    built = BuiltVersion("orders", "fingerprint", 0, "build")
    with accounts.warehouse.commit("build") as commit:
        watched = {"orders": {TABLE: columns}}
        commit.recorder.record_built([built], watched, models=["orders"])


def changes(accounts: Accounts, columns: str) -> list[tuple[Any, ...]]:
    """What the merges wrote down; of an engine that does not, that there was something."""
    if not accounts.warehouse.traits.follows_changes:
        assert all(change.is_whole for change in accounts.warehouse.bookkeeping.changes())
        pytest.skip("this engine does not keep which records a merge changed")
    return accounts.select(
        f"SELECT _is_old, {columns} FROM seil_changes.account ORDER BY id, _is_old DESC"
    )


def test_a_merge_keeps_which_watched_values_it_changed(accounts: Accounts) -> None:
    accounts.merge(accounts.file(1, [row("a"), row("b")]))
    watch(accounts, "name")
    newer = accounts.file(3, [row("a", 2, name="m"), row("b", 2, size=9), row("c", 2)])
    accounts.merge(newer)
    assert [(c.source, c.rows) for c in accounts.warehouse.bookkeeping.changes()] == [(TABLE, 2)]
    entries = changes(accounts, "id, name")
    assert entries == [(True, "a", "n"), (False, "a", "m"), (False, "c", "n")]
    accounts.merge(newer)
    assert changes(accounts, "id, name") == entries


def test_values_laid_over_are_changes_as_well(accounts: Accounts) -> None:
    accounts.merge(accounts.file(1, [row("a")]))
    watch(accounts, "size")
    accounts.merge(accounts.file(3, [{"id": "a", "size": 2}], "values"))
    assert changes(accounts, "id, size") == [(True, "a", 1), (False, "a", 2)]


def test_a_table_that_nothing_reads_is_not_followed(accounts: Accounts) -> None:
    accounts.merge(accounts.file(1, [row("a")]))
    assert accounts.warehouse.bookkeeping.changes() == []


def test_merged_records_lead_to_the_last_winner(warehouse: Warehouse, tmp_path: Path) -> None:
    accounts = Accounts(warehouse, tmp_path)
    merges = [("a", "b", True), ("b", "c", True), ("c", None, False), ("d", "a", False)]
    rows = [row(i, isdeleted=is_deleted, name=winner) for i, winner, is_deleted in merges]
    file = accounts.file(1, rows)
    master = pa.field("masterrecordid", TEXT)
    columns = {**file.columns, "masterrecordid": file.columns["name"]}
    view = TableName("salesforce", "merged_records")
    with warehouse.commit("load") as commit:
        commit.tables.add_columns(TABLE, pa.schema([master]))
        commit.merger.merge(accounts.records, [replace(file, columns=columns)])
        commit.merger.show_merged_records(view, [MergeSource("Account", TABLE, "id")])
    winners = accounts.select(f"SELECT object, loser_id, winner_id FROM {view} ORDER BY loser_id")
    assert winners == [("Account", "a", "c"), ("Account", "b", "c")]
    with warehouse.commit("drop") as commit:
        commit.tables.drop_view(view)
        commit.tables.drop_view(view)
        commit.tables.drop_view(TABLE)
    assert warehouse.columns(view) is None
    assert warehouse.columns(TABLE) is not None
