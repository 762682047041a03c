"""What upkeep would do with Iceberg tables, as Iceberg itself plans it. Changes nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from seil.warehouse.spark.commit_log import BRANCH_PREFIX, COMMITS
from seil.warehouse.spark.jvm import java
from seil.warehouse.spark.upkeep import layout_changes, lost_files, rewrite_options, tables_of
from seil.warehouse.spark.warehouse import connect
from seil.warehouse.upkeep import UpkeepPlan

if TYPE_CHECKING:
    from seil.settings import WarehouseSettings
    from seil.warehouse.spark.connection import SparkConnection
    from seil.warehouse.spark.iceberg import IcebergTable
    from seil.warehouse.tables import TableName


def plan_upkeep(settings: WarehouseSettings) -> list[UpkeepPlan]:
    """Of tables as they are: a killed commit that is still to be finished is left out."""
    with connect(settings, read_only=True) as warehouse:
        database = warehouse.database
        plans = [_plan(database, table, settings) for table in tables_of(warehouse)]
    return [plan for plan in plans if not plan.is_empty]


def _plan(database: SparkConnection, table: TableName, settings: WarehouseSettings) -> UpkeepPlan:
    loaded = database.load(table)
    if loaded is None or loaded.head() is None:
        return UpkeepPlan(str(table))
    with database.errors():
        is_laid_out = table != COMMITS and bool(layout_changes(database, table, loaded))
        files, size = (
            _rewritten(database, loaded, is_whole=is_laid_out) if table != COMMITS else (0, 0)
        )
        return UpkeepPlan(
            str(table),
            files=files,
            bytes=size,
            snapshots=_expired(loaded, datetime.now(UTC) - settings.spark.keep_snapshots),
            lost_files=lost_files(database, table, settings, is_dry_run=True),
            branches=sum(name.startswith(BRANCH_PREFIX) for name in loaded.refs()),
            is_laid_out=is_laid_out,
        )


def _rewritten(
    database: SparkConnection, loaded: IcebergTable, *, is_whole: bool
) -> tuple[int, int]:
    """The number and the bytes of the data files that would be written anew."""
    planner = java(database.session).org.apache.iceberg.actions.BinPackRewriteFilePlanner(
        loaded.java
    )
    planner.init(rewrite_options(database, is_whole=is_whole))
    groups = planner.plan().groups()
    files = size = 0
    iterator = groups.iterator()
    while iterator.hasNext():
        group = iterator.next()
        files += int(group.inputFileNum())
        size += int(group.inputFilesSizeInBytes())
    groups.close()
    return files, size


def _expired(loaded: IcebergTable, older: datetime) -> int:
    milliseconds = int(older.timestamp() * 1000)
    expiry = loaded.java.expireSnapshots().expireOlderThan(milliseconds).retainLast(1)
    return int(expiry.apply().size())
