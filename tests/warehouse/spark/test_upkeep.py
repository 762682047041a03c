"""Upkeep: fewer files, the same rows, the same last commit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.spark import spark_settings
from tests.warehouse.spark.held_lock import HeldLock

from seil.settings import WarehouseSettings
from seil.warehouse import TableName, open_warehouse
from seil.warehouse.spark.commit_log import COMMIT_ID
from seil.warehouse.spark.rows import collect
from seil.warehouse.spark.upkeep import upkeep, upkeep_due
from seil.warehouse.spark.upkeep_plan import plan_upkeep
from seil.warehouse.spark.warehouse import SparkWarehouse
from seil.warehouse.upkeep import UpkeepMark

pytestmark = [pytest.mark.matrix, pytest.mark.spark]

NUMBERS = TableName("", "numbers")
ROWS = "SELECT id, n FROM numbers ORDER BY id"
DELTAS = 6
WAIT = timedelta(seconds=1)


@pytest.fixture
def settings(spark: None, tmp_path: Path) -> WarehouseSettings:
    """Of a warehouse after some deltas, each of which changed a row."""
    settings = spark_settings(tmp_path / "iceberg")
    # All snapshots but the last are old.
    spark_section = settings.spark.model_copy(update={"keep_snapshots": timedelta()})
    settings = settings.model_copy(update={"spark": spark_section})
    with open_warehouse(settings) as warehouse:
        warehouse.prepare()
        with warehouse.commit("build") as commit:
            rows = "SELECT 'a' AS id, 0 AS n UNION ALL SELECT 'b', 0 UNION ALL SELECT 'c', 0"
            commit.builder.publish([commit.builder.stage_table(NUMBERS, rows)])
        for n in range(1, DELTAS + 1):
            with warehouse.commit(f"build {n}") as commit:
                commit.builder.hold_keys(NUMBERS, "SELECT 'a' AS scope")
                row = f"SELECT 'a' AS id, {n} AS n"
                staged = commit.builder.stage_change(NUMBERS, row, scope="id")
                commit.builder.publish([staged])
    return settings


def files_read(warehouse: SparkWarehouse) -> list[tuple[int, int]]:
    """Their content, 0 where they hold rows, and size."""
    database = warehouse.database
    select = f"SELECT content, file_size_in_bytes AS size FROM {database.place(NUMBERS)}.files"
    rows = collect(database.session.sql(select)).to_pylist()
    return [(row["content"], row["size"]) for row in rows]


def test_small_files_and_old_snapshots_go(settings: WarehouseSettings, tmp_path: Path) -> None:
    with open_warehouse(settings) as warehouse:
        assert isinstance(warehouse, SparkWarehouse)
        database = warehouse.database
        before, rows = database.load(NUMBERS), warehouse.query(ROWS)
        assert before
        # As a commit leaves it that is killed before it is decided.
        before.java.manageSnapshots().createBranch("seil_dead", before.head()).commit()
        files = sorted((tmp_path / "iceberg").rglob("*"))
        (plan,) = [p for p in plan_upkeep(settings) if p.place == str(NUMBERS)]
        assert sorted((tmp_path / "iceberg").rglob("*")) == files
        snapshots = before.java.snapshots
        assert plan.snapshots == sum(1 for _ in snapshots()) - 1
        assert (plan.branches, plan.lost_files, plan.is_laid_out) == (1, 0, False)
        sizes = [size for content, size in files_read(warehouse) if content == 0]
        assert (plan.files, plan.bytes) == (len(sizes), sum(sizes))
        (result,) = [
            entry
            for entry in upkeep(settings, fence=HeldLock(), wait=WAIT)
            if entry.place == str(NUMBERS)
        ]
        assert result.act.startswith("1 of killed commits' branches removed, rewritten, ")
        assert "of expired snapshots" in result.act
        after = database.load(NUMBERS)
        assert after
        assert [content for content, _ in files_read(warehouse)] == [0]
        assert after.refs() == {"main"}
        assert after.summary()[COMMIT_ID] == before.summary()[COMMIT_ID]
        assert warehouse.query(ROWS).equals(rows)
    again = upkeep(settings, fence=HeldLock(), wait=WAIT)
    assert [entry.act for entry in again if entry.place == str(NUMBERS)] == []
    assert [plan for plan in plan_upkeep(settings) if plan.place == str(NUMBERS)] == []


def test_upkeep_is_due_once_a_day(tmp_path: Path) -> None:
    settings = spark_settings(tmp_path)
    now = datetime.now(UTC)
    assert upkeep_due(settings, UpkeepMark(now - timedelta(hours=23), 0)) == ""
    assert upkeep_due(settings, UpkeepMark(now - timedelta(hours=25), 0))
