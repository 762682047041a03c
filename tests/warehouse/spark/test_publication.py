"""A commit over two tables that ends between the two is finished by the next writer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from tests.spark import require_spark, spark_settings
from tests.warehouse.records import select

from seil.errors import WarehouseError
from seil.warehouse import TableName, open_warehouse
from seil.warehouse.spark.commit_log import COMMIT_ID
from seil.warehouse.spark.warehouse import SparkWarehouse

pytestmark = [pytest.mark.matrix, pytest.mark.spark]

A, B = TableName("salesforce", "a"), TableName("salesforce", "b")
COLUMNS = pa.schema([pa.field("id", pa.string())])


@pytest.fixture
def warehouse(tmp_path: Path) -> Iterator[SparkWarehouse]:
    require_spark()
    with open_warehouse(spark_settings(tmp_path)) as opened:
        assert isinstance(opened, SparkWarehouse)
        opened.prepare()
        yield opened


def write(warehouse: SparkWarehouse, commit_id: str) -> None:
    """A row into each table."""
    with warehouse.commit(commit_id) as commit:
        for table in (A, B):
            commit.tables.create_table(table, COLUMNS, key="id")
            rows = pa.table({"id": [commit_id]}, schema=COLUMNS)
            warehouse.database.append(table, rows)


def heads(warehouse: SparkWarehouse) -> list[Any]:
    loaded = [warehouse.database.load(table) for table in (A, B)]
    return [table and (table.head(), table.summary().get("seil.commit")) for table in loaded]


def ids(warehouse: SparkWarehouse) -> list[list[tuple[Any, ...]]]:
    return [select(warehouse, f"SELECT id FROM {table} ORDER BY id") for table in (A, B)]


def break_next_version(table: Path) -> Path:
    """Makes the catalog refuse the next commit of a table."""
    versions = sorted(int(path.name[1:].split(".")[0]) for path in table.glob("metadata/v*.json"))
    broken = table / f"metadata/v{versions[-1] + 1}.metadata.json"
    broken.write_text("{")
    return broken


def test_only_the_table_that_is_missing_is_published(
    warehouse: SparkWarehouse, tmp_path: Path
) -> None:
    write(warehouse, "first")
    with pytest.raises(WarehouseError), warehouse.commit("second") as commit:
        for table in (A, B):
            rows = pa.table({"id": [commit.id]}, schema=COLUMNS)
            warehouse.database.append(table, rows)
        broken = break_next_version(tmp_path / "salesforce/b")
    broken.unlink()
    assert ids(warehouse) == [[("first",), ("second",)], [("first",)]]
    a, b = heads(warehouse)
    assert (a[1], b[1]) == ("second", "first")
    with open_warehouse(spark_settings(tmp_path)) as again:
        again.prepare()
        assert isinstance(again, SparkWarehouse)
        assert heads(again)[0] == a
        assert heads(again)[1][1] == "second"
        assert ids(again) == [[("first",), ("second",)]] * 2


def test_of_two_commits_at_a_time_one_gets_on(warehouse: SparkWarehouse, tmp_path: Path) -> None:
    write(warehouse, "first")
    with (
        pytest.raises(WarehouseError, match="another run has committed"),
        warehouse.commit("slow"),
    ):
        warehouse.database.append(A, pa.table({"id": ["slow"]}, schema=COLUMNS))
        with open_warehouse(spark_settings(tmp_path)) as other:
            assert isinstance(other, SparkWarehouse)
            write(other, "fast")
    assert ids(warehouse) == [[("fast",), ("first",)]] * 2


def test_a_commit_that_loses_leaves_the_tables_of_the_other(
    warehouse: SparkWarehouse, tmp_path: Path
) -> None:
    """Both created them."""
    with (
        pytest.raises(WarehouseError, match="another run has committed"),
        warehouse.commit("slow") as commit,
    ):
        commit.tables.create_table(A, COLUMNS, key="id")
        with open_warehouse(spark_settings(tmp_path)) as other:
            assert isinstance(other, SparkWarehouse)
            write(other, "fast")
    assert ids(warehouse) == [[("fast",)]] * 2


def test_commits_of_two_warehouses_at_a_time_keep_their_ids(
    warehouse: SparkWarehouse, tmp_path: Path
) -> None:
    with open_warehouse(spark_settings(tmp_path / "other")) as other:
        assert isinstance(other, SparkWarehouse)
        other.prepare()
        with warehouse.commit("one") as one, other.commit("two") as two:
            for commit in (one, two):
                commit.tables.create_table(A, COLUMNS, key="id")
            for opened in (warehouse, other):
                opened.database.append(A, pa.table({"id": ["a"]}, schema=COLUMNS))
        summaries = [w.database.load(A).summary() for w in (warehouse, other)]  # type: ignore[union-attr]
    assert [summary[COMMIT_ID] for summary in summaries] == ["one", "two"]
    assert select(warehouse, f"SELECT id FROM {A}") == [("a",)]
