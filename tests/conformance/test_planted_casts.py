"""A wrong cast is a difference between two engines' tables, whichever engine makes it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from tests.engines import duckdb_file

from seil.settings import WarehouseSettings
from seil.warehouse import TableName, Warehouse, open_warehouse
from seil.warehouse.dialect import render
from seil.warehouse.equality import KeyedTable, compare_tables
from seil.warehouse.types import TEXT, TIMESTAMP

SOURCE, BUILT = TableName("salesforce", "item"), TableName("", "items")
KEYED = KeyedTable(BUILT, ("id",))
ROWS = pa.table(
    {
        "id": pa.array(["a", "b"], TEXT),
        "money": pa.array([Decimal("1.00"), Decimal("12345678901234.56")], pa.decimal128(18, 2)),
        "moment": pa.array(
            [datetime(2026, 3, 1, 1, tzinfo=UTC), datetime(2026, 3, 1, 13, 30, 0, 1, UTC)],
            TIMESTAMP,
        ),
        "text_column": pa.array(["x", ""], TEXT),
        "flag": pa.array([True, None], pa.bool_()),
    }
)
RIGHT = {
    "money": "money",
    "moment": "moment",
    "day": "CAST(moment AT TIME ZONE 'Australia/Sydney' AS DATE)",
    "text_column": "text_column",
    "flag": "flag",
}
# By column: a wrong expression, and the value that it makes of row b.
WRONG = {
    "scale": ("money", "CAST(CAST(money AS DECIMAL(18,1)) AS DECIMAL(18,2))", "12345678901234.60"),
    "whole": ("money", "CAST(floor(money) AS DECIMAL(18,2))", "12345678901234.00"),
    "zone": ("day", "CAST(moment AT TIME ZONE 'UTC' AS DATE)", str(date(2026, 3, 1))),
    "empty": ("text_column", "nullif(text_column, '')", "null"),
    "null": ("flag", "coalesce(flag, false)", "False"),
}
VALUES = {
    "money": "12345678901234.56",
    "day": "2026-03-02",
    "moment": "2026-03-01T13:30:00.000001+00:00",
    "text_column": "''",
    "flag": "null",
}


def build(warehouse: Warehouse, columns: dict[str, str]) -> None:
    warehouse.prepare()
    select = ", ".join(f"{expression} AS {name}" for name, expression in columns.items())
    sql = render(f"SELECT id, {select} FROM salesforce.item", warehouse.dialect)
    with warehouse.commit("source") as commit:
        commit.tables.replace(SOURCE, ROWS, key="id")
    with warehouse.commit(f"build {sql}") as commit:
        commit.builder.publish([commit.builder.stage_table(BUILT, sql)])


@pytest.fixture
def reference(tmp_path: Path) -> Warehouse:
    folder = tmp_path / "reference"
    folder.mkdir()
    with open_warehouse(duckdb_file(folder)) as warehouse:
        build(warehouse, RIGHT)
    return open_warehouse(duckdb_file(folder), read_only=True)


def test_a_planted_cast_is_named(reference: Warehouse, engine: WarehouseSettings) -> None:
    with reference, open_warehouse(engine) as warehouse:
        build(warehouse, RIGHT)
        (compared,) = compare_tables(reference, warehouse, [KEYED])
        assert (compared.rows, compared.difference) == (2, None)
        for column, expression, value in WRONG.values():
            build(warehouse, {**RIGHT, column: expression})
            (compared,) = compare_tables(reference, warehouse, [KEYED])
            difference = compared.difference
            assert difference is not None, expression
            assert difference.describe("DuckDB", "the engine") == (
                f"items where id = 'b', column {column}: "
                f"DuckDB has {VALUES[column]}, the engine has {value}"
            )
