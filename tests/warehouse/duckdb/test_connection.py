"""The connection to a DuckDB file."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from seil.errors import StatementError
from seil.settings import WarehouseSettings
from seil.warehouse import TableName, open_warehouse
from seil.warehouse.duckdb.connection import DuckDBConnection
from seil.warehouse.types import TEXT, TIMESTAMP

ORDERS = TableName("salesforce", "order")
_COLUMNS: list[pa.Field[Any]] = [
    pa.field("id", TEXT),
    pa.field("flag", pa.bool_()),
    pa.field("whole", pa.int64()),
    pa.field("amount", pa.decimal128(18, 2)),
    pa.field("ratio", pa.float64()),
    pa.field("day", pa.date32()),
    pa.field("at", TIMESTAMP),
    pa.field("clock", pa.time64("us")),
]
EVERY_TYPE = pa.schema(_COLUMNS)


def test_a_table_keeps_the_types_it_was_made_with(database: DuckDBConnection) -> None:
    database.create_table(ORDERS, EVERY_TYPE)
    database.create_table(ORDERS, EVERY_TYPE)
    assert database.columns(ORDERS) == EVERY_TYPE
    assert database.tables("salesforce") == ["order"]
    assert database.tables() == []
    assert database.columns(TableName("", "order")) is None


def test_appended_rows_come_back_exactly(database: DuckDBConnection) -> None:
    database.create_table(ORDERS, EVERY_TYPE)
    at = datetime(2024, 2, 29, 13, 0, 0, 123456, UTC)
    row = {"id": "1", "amount": Decimal("12345678901234.56"), "at": at, "day": date(2024, 2, 29)}
    schema = pa.schema([EVERY_TYPE.field(name) for name in reversed(list(row))])
    database.append(ORDERS, pa.Table.from_pylist([row], schema=schema))
    stored = database.query('SELECT * FROM salesforce."order"').to_pylist()[0]
    assert {name: stored[name] for name in row} == row
    assert stored["flag"] is None


def test_columns_are_added_and_widened_in_one_transaction(database: DuckDBConnection) -> None:
    database.create_table(ORDERS, pa.table({"a": [1], "d": ["x"]}).schema)
    database.execute("INSERT INTO salesforce.\"order\" VALUES (7, ' 2024-02-29 '), (8, '')")
    with database.transaction():
        database.add_column(ORDERS, pa.field("new", TEXT))
        database.change_type(ORDERS, pa.field("a", pa.decimal128(21, 2)))
        database.change_type(ORDERS, pa.field("d", pa.date32()))
        database.execute("INSERT INTO salesforce.\"order\" VALUES (1.25, NULL, 'x')")
    assert database.query('SELECT * FROM salesforce."order" ORDER BY a').to_pylist() == [
        {"a": Decimal("1.25"), "d": None, "new": "x"},
        {"a": Decimal("7.00"), "d": date(2024, 2, 29), "new": None},
        {"a": Decimal("8.00"), "d": None, "new": None},
    ]


def test_a_failed_transaction_leaves_nothing_and_the_warehouse_usable(
    database: DuckDBConnection,
) -> None:
    def fail() -> None:
        with database.transaction():
            database.create_table(ORDERS, EVERY_TYPE)
            database.execute("SELECT CAST('x' AS INTEGER)")

    with pytest.raises(StatementError, match="Could not convert string 'x'"):
        fail()
    assert database.columns(ORDERS) is None
    assert database.query("SELECT 1 AS a").to_pylist() == [{"a": 1}]


def test_an_interrupted_transaction_leaves_nothing(database: DuckDBConnection) -> None:
    def interrupt() -> None:
        with database.transaction():
            database.execute("CREATE TABLE t AS SELECT 1 AS a")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupt()
    assert database.tables() == []


def test_a_result_streams_in_batches(database: DuckDBConnection) -> None:
    with database.stream("SELECT range AS n FROM range(100000)") as batches:
        sizes = [batch.num_rows for batch in batches]
    assert sum(sizes) == 100_000
    assert max(sizes) <= 16_384


@pytest.mark.parametrize("bad_row", [0, 900_000])
def test_a_value_that_fails_in_a_stream_is_a_statement_error(
    database: DuckDBConnection, bad_row: int
) -> None:
    sql = f"SELECT CAST(if(range = {bad_row}, 'x', '1') AS INTEGER) AS n FROM range(1000000)"
    with (
        pytest.raises(StatementError, match="Could not convert string 'x'"),
        database.stream(sql) as batches,
    ):
        list(batches)
    assert database.query("SELECT 1 AS a").to_pylist() == [{"a": 1}]


def test_what_does_not_fit_in_memory_goes_to_a_folder_beside_the_file(
    tmp_path: Path,
) -> None:
    settings = WarehouseSettings(url=f"duckdb:{tmp_path / 'w.duckdb'}", memory="64MB", threads=1)
    sql = "SELECT count(*) AS n FROM (SELECT DISTINCT md5(range::VARCHAR) FROM range(1000000))"
    with open_warehouse(settings) as warehouse:
        spill = warehouse.query("SELECT current_setting('temp_directory') AS folder")
        assert spill["folder"][0].as_py() == f"{tmp_path / 'w.duckdb'}.tmp"
        assert warehouse.query(sql)["n"][0].as_py() == 1_000_000
