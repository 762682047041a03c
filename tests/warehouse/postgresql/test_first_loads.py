"""A load into an empty table, copied into the table itself, is what a merge would make of it."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from tests.warehouse.records import NOON, OWN, TABLE, TYPES, Accounts, Row

from seil.warehouse import MergeOutcome, TableName, Warehouse
from seil.warehouse.postgresql.warehouse import PostgresWarehouse
from seil.warehouse.relational.merge_sql import RowKey

VALUES = {
    **TYPES,
    "amount": pa.decimal128(18, 3),
    "ratio": pa.float64(),
    "day": pa.date32(),
    "at": pa.timestamp("us", tz="UTC"),
    "time": pa.time64("us"),
}
VERSIONS = TableName("seil_versions", "account")
NUL, REPLACEMENT = "A\0", "A\N{REPLACEMENT CHARACTER}"
A, B = {"id": "A", "size": 1, "stamp": 1}, {"id": "B", "size": 2, "stamp": 2}


def appended(
    accounts: Accounts,
    *files: Sequence[Row],
    table: TableName = TABLE,
    every_version: bool = False,
) -> dict[int, MergeOutcome]:
    """What was copied by `append_new`; empty if nothing was."""
    assert isinstance(accounts.warehouse, PostgresWarehouse)
    staged = [accounts.file(n, rows) for n, rows in enumerate(files)]
    database = accounts.warehouse.database
    with database.transaction():
        key = RowKey("id", every_version)
        columns = pa.schema(accounts.types)
        return dict(database.append_new(table, staged, columns, key=key))


@pytest.fixture
def accounts(warehouse: Warehouse, tmp_path: Path) -> Accounts:
    return Accounts(warehouse, tmp_path)


@pytest.mark.parametrize(
    ("files", "counts"),
    [
        ([[A, B]], [(2, 0)]),
        ([[A], [B]], [(1, 0), (1, 0)]),
        ([[{**A, "isdeleted": True}, {**B, "isdeleted": False}]], [(1, 1)]),
        ([[A, {**A, "stamp": 3}]], []),
        ([[A], [{**A, "stamp": 3}]], []),
        ([[A, {**B, "id": None}]], []),
        ([[A, {**B, "id": ""}]], []),
        ([[{**A, "id": NUL}, {**B, "id": REPLACEMENT}]], []),
        ([[{**A, "id": NUL}], [{**B, "id": REPLACEMENT}]], []),
        ([[{**A, "id": NUL}, B]], [(2, 0)]),
    ],
    ids=[
        "one file",
        "two files",
        "deleted",
        "repeated",
        "repeated in another file",
        "null",
        "empty",
        "NUL",
        "NUL in another file",
        "one NUL",
    ],
)
def test_files_are_copied_if_no_key_repeats(
    accounts: Accounts,
    files: list[list[Row]],
    counts: list[tuple[int, int]],
) -> None:
    outcomes = appended(accounts, *files)
    expected = [MergeOutcome(inserted=live, deleted=dead) for live, dead in counts]
    assert outcomes == dict(enumerate(expected))
    ids = [row["id"] for rows in files for row in rows] if counts else []
    stored = sorted(str(i).replace("\0", "\N{REPLACEMENT CHARACTER}") for i in ids)
    assert [row[0] for row in accounts.rows("id")] == stored


def test_versions_of_a_record_differ_by_their_stamps(
    warehouse: Warehouse, accounts: Accounts
) -> None:
    with warehouse.commit("versions") as commit:
        commit.tables.create_table(VERSIONS, pa.schema({**TYPES, **OWN}), key="")
    versions = [A, {**A, "stamp": 2}, {**A, "id": NUL}, {**A, "id": NUL, "stamp": 2}]
    outcomes = appended(accounts, versions, table=VERSIONS, every_version=True)
    assert outcomes == {0: MergeOutcome(inserted=4)}


@pytest.mark.parametrize("is_first", [True, False], ids=["copied", "merged"])
def test_of_two_keys_that_are_one_in_the_table_the_newer_row_stays(
    accounts: Accounts, is_first: bool
) -> None:
    """As of one key that repeats, whichever way the rows take."""
    if not is_first:
        accounts.merge(accounts.file(1, [{"id": "Z", "size": 9, "stamp": 1}]))
    rows = [{"id": REPLACEMENT, "size": 1, "stamp": 1}, {"id": NUL, "size": 2, "stamp": 2}]
    (outcome,) = accounts.merge(accounts.file(2, rows))
    assert outcome == MergeOutcome(inserted=1, superseded=1)
    assert accounts.rows("id, size")[0] == (REPLACEMENT, 2)


@pytest.mark.parametrize("is_first", [True, False], ids=["copied", "merged"])
def test_values_are_the_same_whichever_way_the_rows_take(
    warehouse: Warehouse, tmp_path: Path, is_first: bool
) -> None:
    accounts = Accounts(warehouse, tmp_path, VALUES)
    if not is_first:
        accounts.merge(accounts.file(1, [{"id": "0", "stamp": 1}]))
    row: Row = {
        "id": "1",
        "name": "x\0\N{GRINNING FACE}\\N\t\n" * 1000,
        "size": -(2**63),
        "amount": Decimal("-0.001"),
        "ratio": float("-inf"),
        "day": NOON.date(),
        "at": NOON.replace(year=1, microsecond=1),
        "time": NOON.time().replace(microsecond=999_999),
        "isdeleted": False,
        "stamp": 1,
    }
    accounts.merge(accounts.file(2, [row, {**dict.fromkeys(row), "id": "2", "stamp": 1}]))
    stored = accounts.select("SELECT * FROM salesforce.account WHERE id <> '0' ORDER BY id")
    name = str(row["name"]).replace("\0", "\N{REPLACEMENT CHARACTER}")
    values = [value for key, value in {**row, "name": name}.items() if key != "stamp"]
    first, second = ([*entry[:3], *entry[5:10], entry[3]] for entry in stored)
    assert first == values
    assert second == ["2", *[None] * 8]
