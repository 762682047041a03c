from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from tests.iceberg.tables import (
    MemorySource,
    folder_catalog,
    ordered,
    publish,
    read_by_duckdb,
    read_by_pyiceberg,
)

from seil.errors import IcebergError
from seil.iceberg.schema import new_schema

IDS = pa.array([str(n) for n in range(10)])


def table(**columns: pa.Array[pa.Scalar[pa.DataType]]) -> pa.Table:
    return pa.table({"id": IDS, **columns})


def texts(*values: str | None) -> pa.Array[pa.Scalar[pa.DataType]]:
    return pa.array([*values, *["same"] * (10 - len(values))], pa.string())


def amounts(precision: int, scale: int) -> pa.Array[pa.Scalar[pa.DataType]]:
    return pa.array([Decimal(n) for n in range(10)], pa.decimal128(precision, scale))


NAME = table(name=texts("a"))
CHANGES = {
    "added, empty": (NAME, table(name=texts("a"), more=pa.nulls(10, pa.string())), 0),
    "added, some filled": (
        NAME,
        table(name=texts("a"), more=pa.array(["x", *[None] * 9], pa.string())),
        1,
    ),
    "added, all filled": (NAME, table(name=texts("a"), more=texts()), 10),
    "dropped": (NAME, table(), 0),
    "more digits": (table(amount=amounts(10, 2)), table(amount=amounts(18, 2)), 0),
    "another scale": (table(amount=amounts(10, 2)), table(amount=amounts(20, 4)), 10),
    "fewer digits": (table(amount=amounts(18, 2)), table(amount=amounts(10, 2)), 10),
    "another type": (table(amount=pa.array(range(10), pa.int64())), table(amount=texts()), 10),
}


@pytest.mark.parametrize(("before", "after", "written"), CHANGES.values(), ids=CHANGES)
def test_a_changed_column_is_read_as_the_warehouse_has_it(
    tmp_path: Path, before: pa.Table, after: pa.Table, written: int
) -> None:
    catalog = folder_catalog(tmp_path)
    publish(catalog, MemorySource(before, "1"))
    (outcome,) = publish(catalog, MemorySource(after, "2"))
    assert (outcome.message, outcome.inserted) == ("", written)
    assert len(outcome.schema_changes) == 1
    assert read_by_pyiceberg(catalog) == ordered(after)
    assert read_by_duckdb(tmp_path) == ordered(after)


def test_a_column_created_anew_has_none_of_its_old_values(tmp_path: Path) -> None:
    catalog = folder_catalog(tmp_path)
    anew = table(name=pa.array([None] * 9 + ["new"], pa.string()))
    for number, content in enumerate((NAME, table(), anew)):
        publish(catalog, MemorySource(content, str(number)))
    assert read_by_pyiceberg(catalog) == ordered(anew)
    assert read_by_duckdb(tmp_path) == ordered(anew)


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"Name": pa.string(), "name": pa.string()}, "two columns 'name'"),
        ({"parts": pa.list_(pa.string())}, "column parts has the type list<item: string>"),
    ],
    ids=["names that differ in case", "a list"],
)
def test_a_table_that_iceberg_cannot_hold_is_refused_by_name(
    columns: dict[str, pa.DataType], reason: str
) -> None:
    with pytest.raises(IcebergError, match="own: ") as caught:
        new_schema("own", pa.schema(columns))
    assert reason in str(caught.value)
