"""Tables as files: complete, and the same as the warehouse has them."""

from __future__ import annotations

import csv
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from seil.app.site import Site
from seil.app.table_export import FileFormat, export_tables
from seil.errors import ConfigurationError, WarehouseError
from seil.settings import load_settings
from seil.warehouse import TableName, open_warehouse

ODD = pa.table(
    {
        "id": pa.array(["a", "b", "c"]),
        "text": pa.array(['a "word", a\nline', "", None]),
        "amount": pa.array([Decimal("0.0000000001"), Decimal("-1.5000000000"), None]),
        "count": pa.array([2**63 - 1, 0, None], pa.int64()),
        "flag": pa.array([True, False, None]),
        "day": pa.array([date(1, 1, 1), date(9999, 12, 31), None]),
        "at": pa.array(
            [
                datetime(2026, 5, 31, 9, 30, 0, 1, tzinfo=UTC),
                datetime(1, 1, 1, tzinfo=UTC),
                None,
            ],
            pa.timestamp("us", tz="UTC"),
        ),
    }
)
CSV = (
    "id,text,amount,count,flag,day,at\r\n"
    'a,"a ""word"", a\nline",0.0000000001,9223372036854775807,true,0001-01-01,'
    "2026-05-31T09:30:00.000001Z\r\n"
    'b,"",-1.5000000000,0,false,9999-12-31,0001-01-01T00:00:00.000000Z\r\n'
    "c,,,,,,\r\n"
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    (folder / "seil.toml").write_text('[warehouse]\nurl = "duckdb:w.duckdb"\npublish = false\n')
    settings = load_settings(folder / "seil.toml").warehouse
    with open_warehouse(settings) as warehouse:
        warehouse.prepare()
        with warehouse.commit("planted") as commit:
            commit.tables.replace(TableName("salesforce", "odd"), ODD, key="id")
    return folder


def export(folder: Path, file_format: FileFormat, *tables: str) -> Path:
    to = folder / file_format
    with Site(load_settings(folder / "seil.toml")) as site:
        (file,), _ = export_tables(site, str(to), tables, file_format=file_format)
    assert (file.table, file.rows) == ("salesforce.odd", 3)
    assert [path.name for path in to.iterdir()] == [f"salesforce.odd.{file_format}"]
    return to / f"salesforce.odd.{file_format}"


def test_a_csv_file_distinguishes_null_from_empty_text(folder: Path) -> None:
    text = export(folder, "csv", "salesforce.odd").read_bytes().decode()
    assert text == CSV
    rows: list[Any] = list(csv.reader(text.splitlines(keepends=True)))
    assert [len(row) for row in rows] == [7, 7, 7, 7]


def test_a_parquet_file_has_the_warehouses_values(folder: Path) -> None:
    assert pq.read_table(export(folder, "parquet", "salesforce.odd")).equals(ODD)


def test_a_table_that_is_not_built_is_named_before_anything_is_written(folder: Path) -> None:
    with pytest.raises(WarehouseError, match=r"table salesforce\.account is not built"):
        export(folder, "csv", "salesforce.odd", "salesforce.account")


def test_a_raw_table_of_no_object_is_no_table(folder: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"salesforce\.nobody: is no table"):
        export(folder, "csv", "salesforce.odd", "salesforce.nobody")
