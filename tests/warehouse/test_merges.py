"""Merges into current records, as any engine has to do them."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.warehouse.records import OWN, TABLE, TYPES, Accounts, minute

from seil.errors import StatementError
from seil.warehouse import MergeOutcome, Records, TableName, Warehouse
from seil.warehouse.merges import ChangeLog, MergeSource
from seil.warehouse.types import TEXT

ORDERS = list(permutations(range(3)))
CHANGED: dict[str, pa.DataType] = {"_sequence": pa.int64(), "_is_old": pa.bool_()}


@pytest.fixture
def accounts(warehouse: Warehouse, tmp_path: Path) -> Accounts:
    return Accounts(warehouse, tmp_path)


def row(id_: str = "a", stamp: int = 0, **values: Any) -> dict[str, Any]:
    return {"id": id_, "name": "n", "size": 1, "isdeleted": False, "stamp": stamp} | values


def without(column: str, found: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if name != column}


def test_merging_into_no_table_is_refused(warehouse: Warehouse) -> None:
    with pytest.raises(StatementError, match="there is no table"):
        warehouse.merge(Records(TableName("salesforce", "none"), "id"), [])


def test_every_row_of_a_file_is_counted_once(accounts: Accounts) -> None:
    first = accounts.file(1, [row("a"), row("b"), row(""), row("b", 1)])
    assert accounts.merge(first) == [MergeOutcome(inserted=2, superseded=1, without_key=1)]
    again = accounts.file(3, [row("a"), row("b", 2, isdeleted=True), row("c", 1)])
    assert accounts.merge(again) == [MergeOutcome(inserted=1, deleted=1, unchanged=1)]
    assert accounts.rows("id, isdeleted") == [("a", False), ("b", True), ("c", False)]


@pytest.mark.parametrize("order", ORDERS, ids=str)
def test_the_newest_version_wins_in_whatever_order_files_come(
    accounts: Accounts, order: tuple[int, ...]
) -> None:
    files = [accounts.file(5 + n, [row(stamp=n, name=f"v{n}")]) for n in range(3)]
    for n in order:
        accounts.merge(files[n])
    assert accounts.rows("name") == [("v2",)]
    assert accounts.merge(*files, files[2]) is not None
    assert accounts.rows("name") == [("v2",)]


@pytest.mark.parametrize("order", ORDERS, ids=str)
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


@pytest.mark.parametrize("order", ORDERS, ids=str)
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


@pytest.mark.parametrize("order", ORDERS, ids=str)
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


def test_of_an_added_column_earlier_files_say_nothing(accounts: Accounts) -> None:
    accounts.merge(accounts.file(5, [row(stamp=4)]))
    with accounts.warehouse.transaction():
        accounts.warehouse.add_columns(accounts.records, pa.schema([pa.field("city", TEXT)]))
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
    gone = [{"id": "a", "isdeleted": True, "stamp": 7}]
    accounts.merge(accounts.file(8, gone, "deletions"))
    found = accounts.select(
        "SELECT name, valid_from, valid_to, is_current FROM salesforce_history.account"
        " ORDER BY valid_from"
    )
    assert found == [
        ("one", minute(0), minute(3), False),
        ("four", minute(3), minute(5), False),
        ("six", minute(5), minute(7), False),
    ]


def test_what_a_merge_changes_goes_into_its_log(accounts: Accounts) -> None:
    log = ChangeLog(TableName("seil_changes", "account"), ("id", "name"), 7)
    columns: dict[str, pa.DataType] = {**CHANGED, "id": TEXT, "name": TEXT}
    accounts.warehouse.create_table(log.table, pa.schema(columns))
    accounts.merge(accounts.file(1, [row("a"), row("b")]))
    newer = accounts.file(3, [row("a", 2, name="m"), row("b", 2, size=9), row("c", 2)])
    accounts.merge(newer, log=log)
    found = accounts.select(f"SELECT * FROM {log.table} ORDER BY id, _is_old DESC")
    assert found == [(7, True, "a", "n"), (7, False, "a", "m"), (7, False, "c", "n")]


def test_values_laid_over_go_into_the_log_as_well(accounts: Accounts) -> None:
    log = ChangeLog(TableName("seil_changes", "account"), ("id", "size"), 7)
    columns: dict[str, pa.DataType] = {**CHANGED, "id": TEXT, "size": pa.int64()}
    accounts.warehouse.create_table(log.table, pa.schema(columns))
    accounts.merge(accounts.file(1, [row("a")]))
    accounts.merge(accounts.file(3, [{"id": "a", "size": 2}], "values"), log=log)
    found = accounts.select(f"SELECT * FROM {log.table} ORDER BY _is_old DESC")
    assert found == [(7, True, "a", 1), (7, False, "a", 2)]


def test_merged_records_lead_to_the_last_winner(accounts: Accounts) -> None:
    contact = TableName("salesforce", "contact")
    columns = {**TYPES, "masterrecordid": TEXT, **OWN}
    accounts.warehouse.create_table(contact, pa.schema(columns))
    merges = [("a", "b", True), ("b", "c", True), ("c", None, False), ("d", "a", False)]
    rows = [{"id": i, "masterrecordid": m, "isdeleted": gone} for i, m, gone in merges]
    accounts.warehouse.append(contact, pa.Table.from_pylist(rows, schema=pa.schema(columns)))
    view = TableName("salesforce", "merged_records")
    accounts.warehouse.show_merged_records(view, [MergeSource("Contact", contact, "id")])
    found = accounts.select(f"SELECT object, loser_id, winner_id FROM {view} ORDER BY loser_id")
    assert found == [("Contact", "a", "c"), ("Contact", "b", "c")]
    accounts.warehouse.drop_view(view)
    accounts.warehouse.drop_view(view)
    accounts.warehouse.drop_view(TABLE)
    assert accounts.warehouse.columns(view) is None
    assert accounts.warehouse.columns(TABLE) is not None
