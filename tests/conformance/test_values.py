"""Values arrive exact and in one order, at the ends of what each type holds."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.engines import duckdb_file

from seil.warehouse import Records, StagedFile, TableName, Warehouse, open_warehouse
from seil.warehouse.equality import KeyedTable, compare_tables
from seil.warehouse.types import TEXT, TIMESTAMP

TABLE = TableName("salesforce", "value")
KEYED = KeyedTable(TABLE, ("text_column",))
TYPES: dict[str, pa.DataType] = {
    "text_column": TEXT,
    "other_text": TEXT,
    "flag": pa.bool_(),
    "whole": pa.int64(),
    "money": pa.decimal128(18, 2),
    "longest": pa.decimal128(38, 0),
    "finest": pa.decimal128(38, 18),
    "double": pa.float64(),
    "day": pa.date32(),
    "moment": TIMESTAMP,
    "clock": pa.time64("us"),
}
# By their UTF-8 bytes U+FFFD comes before U+1F600, as it does not in UTF-16.
TEXTS = sorted(
    (
        *("", " ", "\t", "'\"\\", "0012", "NA", "\\N", "null", "A", "B", "a", "b", "zebra"),
        *("\u00c5", "\u00fc", "\u00e9", "e\u0301", "\u4e2d"),
        *("\ufffd", "\U0001f600", "\U0001f469\u200d\U0001f680"),
    ),
    key=str.encode,
)
ENDS: dict[str, tuple[Any, ...]] = {
    "other_text": (None, "", "line\r\nand\nline", "x" * 131_072, "ü" * 32_000),
    "flag": (None, True, False),
    "whole": (None, -(2**63), 2**63 - 1, 0),
    "money": (None, Decimal("-9999999999999999.99"), Decimal("9999999999999999.99"), Decimal(0)),
    "longest": (None, Decimal(10**38 - 1), Decimal(1 - 10**38)),
    "finest": (
        None,
        Decimal("99999999999999999999.999999999999999999"),
        Decimal("0.000000000000000001"),
        Decimal("-0.100000000000000000"),
    ),
    "double": (None, 0.1, 1.7976931348623157e308, 5e-324, -1e-7, float("inf")),
    "day": (None, date.min, date(1582, 10, 4), date(1900, 2, 28), date.max),
    "moment": (
        None,
        datetime.min.replace(tzinfo=UTC),
        datetime(1582, 10, 14, 23, 59, 59, 999_999, UTC),
        datetime(1969, 12, 31, 23, 59, 59, 1, UTC),
        datetime.max.replace(tzinfo=UTC),
    ),
    "clock": (None, time.min, time(12, 0, 0, 1), time.max),
}


def rows() -> pa.Table:
    columns = {
        name: pa.array([values[n % len(values)] for n in range(len(TEXTS))], TYPES[name])
        for name, values in {"text_column": TEXTS, **ENDS}.items()
    }
    return pa.table(columns)


def replace(warehouse: Warehouse, content: pa.Table) -> None:
    with warehouse.commit("values") as commit:
        commit.tables.replace(TABLE, content, key="text_column")


def test_rows_are_stored_exact_and_sorted_by_bytes(warehouse: Warehouse) -> None:
    sorted_rows = rows()
    backwards = sorted_rows.take(list(reversed(range(sorted_rows.num_rows))))
    replace(warehouse, backwards)
    assert warehouse.columns(TABLE) == sorted_rows.schema
    with warehouse.sorted_rows(TABLE, [*TYPES], order=["text_column"]) as batches:
        assert batches.read_all().to_pylist() == sorted_rows.to_pylist()


@pytest.fixture
def file(tmp_path: Path) -> StagedFile:
    """The same values, and a text with a NUL."""
    texts = ["", "a\0b", *TEXTS[2:]]
    content = rows().set_column(0, "text_column", pa.array(TEXTS, TEXT))
    content = content.set_column(1, "other_text", pa.array(texts, TEXT))
    pq.write_table(content, tmp_path / "values.parquet")
    columns = {column.name: column for column in content.schema}
    url = (tmp_path / "values.parquet").as_uri()
    return StagedFile("values", "values", datetime(2026, 3, 1, tzinfo=UTC), columns, url)


def merge(warehouse: Warehouse, file: StagedFile) -> None:
    warehouse.prepare()
    own = [pa.field("_extracted_at", TIMESTAMP), pa.field("_file", TEXT)]
    with warehouse.commit("table") as commit:
        columns = pa.schema([*rows().schema, *own])
        commit.tables.create_table(TABLE, columns, key="text_column")
    with warehouse.commit("merge") as commit:
        commit.merger.merge(Records(TABLE, "text_column"), [file])


def test_merged_values_are_those_of_duckdb(
    warehouse: Warehouse, file: StagedFile, tmp_path: Path
) -> None:
    merge(warehouse, file)
    folder = tmp_path / "reference"
    folder.mkdir()
    with open_warehouse(duckdb_file(folder)) as reference:
        merge(reference, file)
        (compared,) = compare_tables(reference, warehouse, [KEYED])
    # The record without a key is not merged.
    assert (compared.rows, compared.difference) == (len(TEXTS) - 1, None)
