"""Rows of the source beside a table's records."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.warehouse.records import TABLE, Accounts, minute

from seil.warehouse import TableName, Warehouse
from seil.warehouse.merges import SourceRows
from seil.warehouse.types import TEXT, TIMESTAMP

KINDS: dict[str, pa.DataType] = {
    "Id": TEXT,
    "IsDeleted": pa.bool_(),
    "SystemModstamp": TIMESTAMP,
    "Name": TEXT,
    "Size": pa.int64(),
}


@pytest.fixture
def accounts(warehouse: Warehouse, tmp_path: Path) -> Accounts:
    opened = Accounts(warehouse, tmp_path)
    stored = [("kept", 0, False), ("gone", 0, False), ("new", 9, False), ("hidden", 0, True)]
    opened.merge(
        opened.file(
            10,
            [
                {"id": i, "name": "n", "size": 1, "isdeleted": is_deleted, "stamp": stamp}
                for i, stamp, is_deleted in stored
            ],
        )
    )
    return opened


def source(names: Sequence[str], *rows: tuple[Any, ...]) -> SourceRows:
    schema = pa.schema({name: KINDS[name] for name in names})
    records = [dict(zip(names, row, strict=True)) for row in rows]
    return SourceRows(schema, [pa.RecordBatch.from_pylist([one], schema=schema) for one in records])


def test_ids_are_gone_missing_or_hidden(accounts: Accounts) -> None:
    ids = source(
        ("Id", "SystemModstamp", "IsDeleted"),
        ("kept", minute(0), False),
        ("hidden", minute(0), False),
        ("missing", minute(1), False),
        ("later", minute(9), False),
    )
    with accounts.warehouse.compare(TABLE, ids, key="Id", cursor="SystemModstamp") as comparison:
        assert comparison.living() == 3
        assert comparison.ids_not_in_source(minute(5)) == ["gone"]
        assert comparison.ids_not_in_source(minute(20)) == ["gone", "new"]
        assert comparison.missing(minute(5)) == [("missing", minute(1))]
        assert comparison.hidden(minute(5)) == ["hidden"]


def test_a_deletion_counts_once_the_cursor_is_past_it(accounts: Accounts) -> None:
    ids = source(
        ("Id", "SystemModstamp", "IsDeleted"),
        ("kept", minute(1), True),
        ("new", minute(9), True),
        ("hidden", minute(1), True),
        ("missing", minute(1), True),
    )
    with accounts.warehouse.compare(TABLE, ids, key="Id", cursor="SystemModstamp") as comparison:
        assert comparison.deleted(minute(5)) == ["kept"]
        assert comparison.deleted(minute(20)) == ["kept", "new"]


def test_without_a_cursor_everything_counts(accounts: Accounts) -> None:
    ids = source(("Id",), ("kept",), ("missing",))
    with accounts.warehouse.compare(TABLE, ids, key="Id") as comparison:
        assert comparison.ids_not_in_source(minute(-9)) == ["gone", "new"]
        assert comparison.missing(minute(-9)) == [("missing", None)]


@pytest.mark.parametrize(
    ("names", "rows", "differing"),
    [
        (("Id", "Size"), [("kept", 1), ("gone", 2)], [{"Id": "gone", "Size": 2}]),
        (("Id", "Size"), [("kept", None)], [{"Id": "kept", "Size": None}]),
        (("Id", "Name"), [("kept", "n")], []),
        (("Id", "Size"), [("unknown", 5)], []),
    ],
    ids=["another value", "null", "the same", "no such record"],
)
def test_rows_differ_where_a_column_says_otherwise(
    accounts: Accounts,
    names: tuple[str, ...],
    rows: list[tuple[Any, ...]],
    differing: list[dict[str, Any]],
) -> None:
    with (
        accounts.warehouse.compare(TABLE, source(names, *rows), key="Id") as comparison,
        comparison.differing(names[1:]) as (count, batches),
    ):
        assert batches.read_all().to_pylist() == differing
        assert count == len(differing)


def test_numbers_are_compared_with_text_as_text(accounts: Accounts) -> None:
    narrow = pa.RecordBatch.from_pylist([{"Id": "kept", "Size": 1}])
    wide = pa.RecordBatch.from_pylist([{"Id": "gone", "Size": "many"}])
    rows = SourceRows(pa.schema([("Id", TEXT), ("Size", TEXT)]), [narrow, wide])
    with (
        accounts.warehouse.compare(TABLE, rows, key="Id") as comparison,
        comparison.differing(["Size"]) as (count, batches),
    ):
        assert (count, batches.read_all()["Size"].to_pylist()) == (1, ["many"])


def test_a_comparison_leaves_nothing_behind(accounts: Accounts) -> None:
    def fail() -> None:
        with accounts.warehouse.compare(TABLE, source(("Id",), ("kept",)), key="Id"):
            raise KeyboardInterrupt

    tables = accounts.warehouse.tables("salesforce")
    with pytest.raises(KeyboardInterrupt):
        fail()
    assert accounts.warehouse.tables("salesforce") == tables
    assert accounts.warehouse.columns(TableName("", "_seil_read")) is None
