"""Rows of a SELECT, at once and streamed."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from typing import Any

import psycopg
import pyarrow as pa
import pytest
from tests.postgresql import Server

from seil.errors import StatementError, WarehouseError
from seil.settings import WarehouseSettings
from seil.warehouse import TableName, Warehouse, open_warehouse

_TYPES = (
    *("int2", "int8", "float4", "varchar(9)", "text", "bool", "date", "timestamptz", "timestamp"),
    *("time", "numeric", "numeric(12,2)", "numeric(50,2)", "numeric(3,5)", "numeric(3,-2)"),
    *("money", "uuid", "jsonb", "int[]", "public.price"),
)
THIRD = Decimal("0.333333333333333333")


def streamed(warehouse: Warehouse, sql: str) -> list[tuple[Any, ...]]:
    with warehouse.stream(sql) as batches:
        columns = [column.to_pylist() for column in batches.read_all().columns]
    return list(zip(*columns, strict=True))


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT * FROM (VALUES ('a'), (NULL), ('')) AS v (x)", [("a",), (None,), ("",)]),
        ("SELECT repeat('x', 3000000), 1", [("x" * 3_000_000, 1)]),
        ("SELECT '10%' -- '; a comment", [("10%",)]),
        ("SELECT ';'", [(";",)]),
        ("SELECT 'a -- b;' ; ; -- end;", [("a -- b;",)]),
        ("SELECT 1 AS a, 'x' AS a", [(1, "x")]),
        ("SELECT 1.0 / 3, sum(x) FROM (VALUES (2)) AS v (x)", [(THIRD, 2)]),
        ("SELECT CAST(1.5 AS NUMERIC(50, 2))", [(Decimal("1.5"),)]),
        ("SELECT E'a\\r\\n\"b\\\\', 'NaN', '\\.'", [('a\r\n"b\\', "NaN", "\\.")]),
        ("SELECT CAST('-Infinity' AS FLOAT8), true", [(float("-inf"), True)]),
    ],
    ids=[
        "null alone",
        "long",
        "comment",
        "text",
        "semicolon",
        "same name",
        "endless",
        "wide",
        "quotes",
        "floats",
    ],
)
def test_streamed_rows_are_what_the_select_returns(
    reading: Warehouse, sql: str, rows: list[tuple[Any, ...]]
) -> None:
    assert streamed(reading, sql) == rows
    at_once = [column.to_pylist() for column in reading.query(sql).columns]
    assert list(zip(*at_once, strict=True)) == rows


@pytest.mark.parametrize(
    "value",
    ["CAST('infinity' AS DATE)", "CAST('0044-03-15 BC' AS DATE)", "1e30", "CAST('NaN' AS NUMERIC)"],
)
def test_a_value_that_no_engine_can_return_is_refused(reading: Warehouse, value: str) -> None:
    with pytest.raises(StatementError):
        streamed(reading, f"SELECT {value}")
    with pytest.raises(StatementError):
        reading.query(f"SELECT {value}")


def test_a_stream_that_is_not_read_to_its_end_leaves_the_connection_free(
    reading: Warehouse,
) -> None:
    with reading.stream("SELECT repeat('y', 1000) FROM generate_series(1, 20000)") as batches:
        batches.read_next_batch()
        with pytest.raises(WarehouseError, match="still being read"):
            reading.query("SELECT 1 AS a")
    assert reading.query("SELECT 1 AS a").num_rows == 1


def test_a_nul_does_not_end_a_statement(reading: Warehouse) -> None:
    assert reading.query("SELECT 'a\0b' AS a").to_pylist() == [{"a": "a\N{REPLACEMENT CHARACTER}b"}]


def test_a_question_cannot_smuggle_a_second_statement(server: Server) -> None:
    url = server.url(server.new_database())
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute("CREATE TABLE public.kept (id INT)")
        sql = "SELECT 1) AS r; COMMIT; BEGIN READ WRITE; DROP TABLE public.kept; COMMIT; --"
        with open_warehouse(WarehouseSettings(url=url), read_only=True) as opened:
            for question in (sql, sql.replace("1) AS r", "1")):
                with pytest.raises(StatementError):
                    streamed(opened, question)
                with pytest.raises(StatementError):
                    opened.query(question)
        assert owner.execute("SELECT * FROM public.kept").fetchall() == []


def test_columns_of_a_table_are_those_that_a_select_returns(server: Server) -> None:
    url = server.url(server.new_database())
    columns = ", ".join(f'"C {n}" {kind}' for n, kind in enumerate(_TYPES))
    with psycopg.connect(url, autocommit=True) as owner:
        owner.execute("CREATE SCHEMA analytics; CREATE DOMAIN public.price AS numeric(9,3)")
        owner.execute(f"CREATE TABLE analytics.every (gone text, {columns})".encode())
        owner.execute("ALTER TABLE analytics.every DROP COLUMN gone")
        owner.execute("CREATE VIEW analytics.seen AS SELECT * FROM analytics.every")
    with open_warehouse(WarehouseSettings(url=url), read_only=True) as opened:
        for name in ("every", "seen"):
            selected = opened.query(f"SELECT * FROM analytics.{name}").schema
            assert opened.columns(TableName("", name)) == selected
        assert opened.columns(TableName("", "none")) is None


def test_columns_that_change_within_a_commit_are_seen_there(warehouse: Warehouse) -> None:
    table = TableName("", "growing")

    def names() -> list[str] | None:
        columns = warehouse.columns(table)
        return None if columns is None else columns.names

    with suppress(ZeroDivisionError), warehouse.commit("lost") as commit:
        assert names() is None
        commit.tables.create_table(table, pa.schema([pa.field("a", pa.string())]), key="a")
        assert names() == ["a"]
        commit.tables.add_columns(table, pa.schema([pa.field("b", pa.int64())]))
        assert names() == ["a", "b"]
        commit.tables.change_type(table, pa.field("b", pa.string()))
        assert warehouse.columns(table) == pa.schema([("a", pa.string()), ("b", pa.string())])
        commit.tables.replace(table, pa.table({"c": ["x"]}), key="c")
        assert names() == ["c"]
        commit.tables.drop(table)
        assert names() is None
        raise ZeroDivisionError
    assert names() is None
