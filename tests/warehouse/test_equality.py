"""Two warehouses' tables, compared value by value."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.engines import duckdb_file

from seil.warehouse import TableName, Warehouse, open_warehouse
from seil.warehouse.equality import ComparedTable, KeyedTable, compare_tables

TABLE = TableName("", "names")
KEYED = KeyedTable(TABLE, ("id", "day"))
TYPES: dict[str, pa.DataType] = {
    "id": pa.string(),
    "day": pa.date32(),
    "size": pa.int64(),
    "share": pa.float64(),
}
ROWS = [{"id": f"a{n:05d}", "day": None, "size": n, "share": float("nan")} for n in range(5000)]


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Warehouse]:
    folder = tmp_path / "other"
    folder.mkdir()
    with open_warehouse(duckdb_file(folder)) as opened:
        yield opened


def fill(warehouse: Warehouse, rows: list[dict[str, Any]], **types: pa.DataType) -> None:
    table = pa.Table.from_pylist(rows, schema=pa.schema({**TYPES, **types}))
    with warehouse.commit("fill") as commit:
        commit.tables.replace(TABLE, table, key="")


def compare(one: Warehouse, other: Warehouse, keyed: KeyedTable = KEYED) -> ComparedTable:
    (result,) = compare_tables(one, other, [keyed])
    return result


def test_equal_tables_are_equal_in_whatever_order_they_were_filled(
    warehouse: Warehouse, other: Warehouse
) -> None:
    fill(warehouse, ROWS)
    fill(other, ROWS[::-1])
    assert compare(warehouse, other) == ComparedTable(TABLE, 5000)
    counted: list[int] = []
    list(compare_tables(warehouse, other, [KEYED, KEYED], advance=counted.append))
    assert sum(counted) == 10_000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": 1}, "where id = 'a03000', day = null, column size: A has 3000, B has 1"),
        ({"size": None}, "where id = 'a03000', day = null, column size: A has 3000, B has null"),
        ({"share": 0.5}, "where id = 'a03000', day = null, column share: A has nan, B has 0.5"),
        ({"id": "a03000x"}, "where id = 'a03000', day = null: A has a row, B has no row"),
        ({"id": "A"}, "where id = 'A', day = null: A has no row, B has a row"),
    ],
    ids=lambda case: "-".join(case) if isinstance(case, dict) else "",
)
def test_the_first_difference_is_named(
    warehouse: Warehouse, other: Warehouse, change: dict[str, Any], message: str
) -> None:
    fill(warehouse, ROWS)
    fill(other, [*ROWS[:3000], ROWS[3000] | change, *ROWS[3001:4000]])
    difference = compare(warehouse, other).difference
    assert difference is not None
    assert difference.describe("A", "B") == f"names {message}"


def test_a_missing_last_row_is_a_difference(warehouse: Warehouse, other: Warehouse) -> None:
    fill(warehouse, ROWS)
    fill(other, ROWS[:-1])
    for one, two in ((warehouse, other), (other, warehouse)):
        result = compare(one, two)
        assert result.rows == 4999
        assert result.difference is not None
        assert result.difference.key == {"id": "'a04999'", "day": "null"}


def test_columns_are_compared_by_name_and_type(warehouse: Warehouse, other: Warehouse) -> None:
    fill(warehouse, ROWS[:1])
    assert compare(warehouse, other).difference is not None
    fill(other, ROWS[:1], size=pa.decimal128(19, 0))
    difference = compare(warehouse, other).difference
    assert difference is not None
    assert difference.describe("A", "B") == "names, column size: A has bigint, B has decimal(19,0)"
    assert compare(warehouse, other, KeyedTable(TABLE, ("id",), ignored=frozenset({"size"}))) == (
        ComparedTable(TABLE, 1)
    )


def test_rows_of_one_key_are_compared_whatever_their_order(
    warehouse: Warehouse, other: Warehouse
) -> None:
    versions = [ROWS[0] | {"size": n} for n in range(100)]
    fill(warehouse, versions)
    fill(other, versions[::-1])
    keyed = KeyedTable(TABLE, ("id",), is_unique=False)
    assert compare(warehouse, other, keyed) == ComparedTable(TABLE, 100)
