"""Tables and their columns, as any engine has to keep them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.warehouse.records import OWN, TABLE, Accounts, select

from seil.errors import WarehouseError
from seil.warehouse import TableName, Warehouse
from seil.warehouse.merges import Misfits
from seil.warehouse.types import TEXT, TIMESTAMP

ORDERS = TableName("salesforce", "order")
EVERY_TYPE: dict[str, pa.DataType] = {
    "id": TEXT,
    "flag": pa.bool_(),
    "whole": pa.int64(),
    "amount": pa.decimal128(18, 2),
    "ratio": pa.float64(),
    "day": pa.date32(),
    "at": TIMESTAMP,
    "select": TEXT,
}
VALUES: dict[str, Any] = {
    "id": "NA",
    "flag": False,
    "whole": -(2**63),
    "amount": Decimal("1234567890123456.78"),
    "ratio": 0.1,
    "day": date(1, 1, 1),
    "at": datetime(9999, 12, 31, 23, 59, 59, 999999, UTC),
    "select": "ü'\"\\ \U0001f600",
}


def create(warehouse: Warehouse, table: TableName, columns: dict[str, pa.DataType]) -> None:
    with warehouse.commit(f"create {table}") as commit:
        commit.tables.create_table(table, pa.schema(columns), key="id")


def test_a_table_keeps_the_types_it_was_made_with(warehouse: Warehouse) -> None:
    create(warehouse, ORDERS, EVERY_TYPE)
    create(warehouse, ORDERS, {"id": TEXT})
    assert warehouse.columns(ORDERS) == pa.schema(EVERY_TYPE)
    assert warehouse.tables("salesforce") == ["order"]
    assert warehouse.tables() == []
    assert warehouse.columns(TableName("", "order")) is None


def test_a_replaced_table_has_the_new_rows_and_columns_only(warehouse: Warehouse) -> None:
    table = TableName("gam", "ad_units")
    for rows in ([{"id": "1", "flag": True}], [{"id": "2", "at": VALUES["at"]}], []):
        columns = pa.schema([(name, EVERY_TYPE[name]) for name in (rows or [{"id": 0}])[0]])
        content = pa.Table.from_pylist(rows, schema=columns)
        with warehouse.commit(f"replace {rows}") as commit:
            commit.tables.replace(table, content, key="id")
        assert warehouse.columns(table) == columns
        assert warehouse.query("SELECT * FROM gam.ad_units").to_pylist() == rows


def test_values_come_back_exactly(warehouse: Warehouse, tmp_path: Path) -> None:
    accounts = Accounts(warehouse, tmp_path, types=EVERY_TYPE)
    accounts.merge(accounts.file(1, [VALUES, dict.fromkeys(VALUES) | {"id": "nulls"}]))
    rows = warehouse.query("SELECT * FROM salesforce.account").to_pylist()
    values = {row["id"]: {name: row[name] for name in EVERY_TYPE} for row in rows}
    assert values == {"NA": VALUES, "nulls": dict.fromkeys(VALUES) | {"id": "nulls"}}


def test_columns_are_added_and_widened(warehouse: Warehouse, tmp_path: Path) -> None:
    types: dict[str, pa.DataType] = {"id": TEXT, "a": pa.int64(), "d": TEXT}
    accounts = Accounts(warehouse, tmp_path, types=types)
    accounts.merge(accounts.file(1, [{"id": "x", "a": 7, "d": "2024-02-29"}]))
    with warehouse.commit("tables") as commit:
        commit.tables.add_columns(TABLE, pa.schema([pa.field("new", TEXT)]))
        commit.tables.change_type(TABLE, pa.field("a", pa.decimal128(21, 2)))
        commit.tables.change_type(TABLE, pa.field("d", pa.date32()))
    rows = select(warehouse, f"SELECT id, a, d, new FROM {TABLE}")
    assert rows == [("x", Decimal("7.00"), date(2024, 2, 29), None)]
    columns = warehouse.columns(TABLE)
    assert columns is not None
    assert set(columns.names) == {"id", "a", "d", "new", *OWN}


def test_a_type_that_a_value_does_not_fit_is_refused(warehouse: Warehouse, tmp_path: Path) -> None:
    accounts = Accounts(warehouse, tmp_path)
    accounts.merge(accounts.file(1, [{"id": "a", "name": "x", "size": 1}]))
    before = warehouse.columns(TABLE)
    with pytest.raises(WarehouseError), warehouse.commit("tables") as commit:
        commit.tables.change_type(TABLE, pa.field("name", pa.int64()))
    assert warehouse.columns(TABLE) == before
    assert accounts.rows() == [("a", "x", 1)]


def test_a_table_is_described_and_dropped(warehouse: Warehouse) -> None:
    create(warehouse, ORDERS, EVERY_TYPE)
    with warehouse.commit("drop") as commit:
        commit.tables.comment(ORDERS, "it's new", {"id": "a key"})
        commit.tables.drop(ORDERS)
        commit.tables.drop(ORDERS)
    assert warehouse.columns(ORDERS) is None
    assert warehouse.tables("salesforce") == []


@pytest.mark.parametrize(
    ("type_", "fits", "misfits"),
    [
        (pa.int64(), ["1", "-7", " 3 ", "4.0"], ["1.5", "x", "1e40"]),
        (pa.decimal128(6, 2), ["1.5", "1.500", "-9999.99"], ["1.555", "10000"]),
        (pa.date32(), ["2024-02-29", "2024-02-29T00:00:00"], ["2024-02-30", "2024-02-29T10:00:00"]),
        (TIMESTAMP, ["2024-02-29T10:00:00.000+0000", "2024-02-29 10:00:00Z"], ["yesterday"]),
        (pa.bool_(), ["true", "FALSE"], ["maybe"]),
    ],
    ids=str,
)
def test_misfits_are_texts_that_lose_something(
    warehouse: Warehouse, tmp_path: Path, type_: pa.DataType, fits: list[str], misfits: list[str]
) -> None:
    accounts = Accounts(warehouse, tmp_path)
    rows = [{"id": f"fits-{n}", "name": text} for n, text in enumerate([*fits, None, " "])]
    file = accounts.file(1, rows)
    assert warehouse.misfits(file, "name", type_) == Misfits(0, "")
    accounts.merge(file)
    assert warehouse.misfits(TABLE, "name", type_) == Misfits(0, "")
    rows = [{"id": f"not-{n}", "name": text} for n, text in enumerate(misfits)]
    late = accounts.file(2, rows)
    expected = Misfits(len(misfits), min(misfits))
    assert warehouse.misfits(late, "name", type_) == expected
    accounts.merge(late)
    assert warehouse.misfits(TABLE, "name", type_) == expected


def test_a_stream_gives_what_a_query_gives(warehouse: Warehouse, tmp_path: Path) -> None:
    accounts = Accounts(warehouse, tmp_path)
    rows = [{"id": f"{n:05d}", "size": n, "stamp": n} for n in range(3_000)]
    accounts.merge(accounts.file(1, rows))
    sql = "SELECT id, size FROM salesforce.account ORDER BY id"
    with warehouse.stream(sql) as batches:
        streamed = batches.read_all()
    assert streamed.num_rows == 3_000
    assert streamed.to_pylist() == warehouse.query(sql).to_pylist()
