"""Builds in Spark."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from seil.warehouse.builds import StagedBuild, keys_relation
from seil.warehouse.sql import SqlName, compose
from seil.warehouse.tables import TableName

if TYPE_CHECKING:
    from seil.warehouse.spark.database import IcebergDatabase


class SparkBuilder:
    """Within a commit of the warehouse."""

    def __init__(self, database: IcebergDatabase) -> None:
        self._database = database

    def hold_keys(self, table: TableName, select: str) -> int:
        frame = self._database.native_frame(select)
        self._database.hold(keys_relation(table), frame)
        return frame.count()

    def stage_table(self, table: TableName, select: str) -> StagedBuild:
        relation = f"{table.name}__new"
        self._database.hold(relation, self._database.native_frame(select))
        count = compose("SELECT count(*) AS n FROM {t}", t=SqlName(relation))
        rows = self._database.query(count)["n"][0].as_py()
        return StagedBuild(table, relation, rows, inserted=rows)

    def stage_change(self, table: TableName, select: str, *, scope: str) -> StagedBuild:
        raise NotImplementedError

    def publish(self, staged: Sequence[StagedBuild]) -> None:
        for entry in staged:
            self._database.replace_content(entry.table, entry.relation)

    def discard(self, staged: Sequence[StagedBuild]) -> None:
        for entry in staged:
            self._database.drop_temporary(entry.relation)
