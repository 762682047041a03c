"""Partitions, sort order and size of files: at creation, in replacements, changed by upkeep."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.spark import spark_settings
from tests.warehouse.spark.held_lock import HeldLock
from tests.warehouse.spark.test_upkeep import WAIT

from seil.settings import WarehouseSettings
from seil.warehouse import TableName, open_warehouse
from seil.warehouse.spark.layout import TableLayout, field_of, fields_of
from seil.warehouse.spark.properties import FILE_BYTES
from seil.warehouse.spark.rows import collect
from seil.warehouse.spark.upkeep import upkeep
from seil.warehouse.spark.warehouse import SparkWarehouse

EVENTS = TableName("", "events")
FIRST = "SELECT 'a' AS id, DATE '2026-03-01' AS day UNION ALL SELECT 'b', DATE '2026-03-02'"


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("Region", ["region"]),
        ("months(Day), bucket(16,id)", ["months(day)", "bucket(16, id)"]),
        ("day DESC, id asc", ["day desc", "id"]),
        ("", []),
    ],
)
def test_fields_have_one_spelling(text: str, fields: list[str]) -> None:
    assert fields_of(text) == fields


def test_fields_are_read_from_iceberg() -> None:
    names = [field_of(name, "c") for name in ("identity", "month", "bucket[16]", "truncate[4]")]
    assert names == ["c", "months(c)", "bucket(16, c)", "truncate(4, c)"]


def laid_out(folder: Path, partition_by: str, sort_by: str = "id") -> WarehouseSettings:
    return spark_settings(
        folder,
        partition_by={"events": partition_by},
        sort_by={"events": sort_by},
        file_mb=64,
    )


def files(warehouse: SparkWarehouse) -> dict[str, int]:
    """The partition specification of each data file."""
    place = warehouse.database.place(EVENTS)
    select = f"SELECT file_path, spec_id FROM {place}.files WHERE content = 0"
    rows = collect(warehouse.database.session.sql(select)).to_pylist()
    return {row["file_path"]: row["spec_id"] for row in rows}


def layout(warehouse: SparkWarehouse) -> TableLayout:
    loaded = warehouse.database.load(EVENTS)
    assert loaded
    assert loaded.properties()[FILE_BYTES] == str(64 * 2**20)
    return loaded.layout()


def replace_whole(warehouse: SparkWarehouse, select: str) -> None:
    with warehouse.commit(select) as commit:
        commit.builder.publish([commit.builder.stage_table(EVENTS, select)])


@pytest.mark.matrix
@pytest.mark.spark
@pytest.mark.usefixtures("spark")
def test_partitions_and_sort_order_of_a_table(tmp_path: Path) -> None:
    by_day, by_month = (
        TableLayout(["days(day)"], ["id"]),
        TableLayout(["months(day)"], ["day desc"]),
    )
    settings = laid_out(tmp_path, "days(day)")
    with open_warehouse(settings) as warehouse:
        assert isinstance(warehouse, SparkWarehouse)
        warehouse.prepare()
        replace_whole(warehouse, FIRST)
        assert layout(warehouse) == by_day
        before = files(warehouse)
        with warehouse.commit("a day") as commit:
            commit.builder.hold_keys(EVENTS, "SELECT 'c' AS scope")
            row = "SELECT 'c' AS id, DATE '2026-03-02' AS day"
            commit.builder.publish([commit.builder.stage_change(EVENTS, row, scope="id")])
        assert len(before) == 2
        assert before.items() < files(warehouse).items()
        replace_whole(warehouse, f"SELECT *, 1 AS n FROM ({FIRST}) AS first")
        assert layout(warehouse) == by_day
    (result,) = [
        entry
        for entry in upkeep(
            laid_out(tmp_path, "months(day)", "day desc"), fence=HeldLock(), wait=WAIT
        )
        if entry.place == str(EVENTS)
    ]
    assert result.act.startswith("laid out anew, rewritten")
    with open_warehouse(spark_settings(tmp_path, file_mb=64), read_only=True) as warehouse:
        assert isinstance(warehouse, SparkWarehouse)
        assert layout(warehouse) == by_month
        assert len(files(warehouse)) == 1
        assert warehouse.query("SELECT id, n FROM events ORDER BY id").num_rows == 2
