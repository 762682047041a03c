"""The view `salesforce.merged_records`: which record was merged into which.

When accounts, contacts, leads or cases are merged, the losers are deleted, and MasterRecordId names
the winner. A winner may lose to another later on: the view leads to the last one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from seil.sf_to_dw.load.partials import version_stamp
from seil.warehouse.protocol import TableName
from seil.warehouse.sql import Name, Sql, compose, joined, translated

if TYPE_CHECKING:
    from seil.catalog import SyncedObject
    from seil.warehouse.protocol import Warehouse

VIEW = TableName("salesforce", "merged_records")
MASTER = "masterrecordid"
_NONE = Sql(
    "SELECT '' AS object, '' AS loser_id, '' AS winner_id, TIMESTAMPTZ '-infinity' AS merged_at"
    " WHERE false"
)
# More merges in a row than anybody makes; and the end of a circle, which no org should have.
_LONGEST_CHAIN = 100


def make_way(warehouse: Warehouse, objects: Iterable[SyncedObject]) -> bool:
    """Where an object's table has the view's name, there is no view: whether that is so."""
    if all(obj.table != VIEW.name for obj in objects):
        return False
    if has_merged_records(warehouse) and VIEW.name not in warehouse.tables(VIEW.schema):
        warehouse.execute(translated(compose("DROP VIEW {view}", view=VIEW), warehouse.dialect))
    return True


def show_merged_records(warehouse: Warehouse, objects: Iterable[SyncedObject]) -> None:
    """Makes the view anew, over those of the objects' tables that have the column."""
    if not warehouse.tables(VIEW.schema):
        return
    view = compose(
        """
        CREATE OR REPLACE VIEW {view} AS
        WITH RECURSIVE merged AS ({merges}), chains AS (
            SELECT object, loser_id, winner_id, merged_at, 1 AS steps FROM merged
            UNION ALL
            SELECT c.object, c.loser_id, m.winner_id, c.merged_at, c.steps + 1
            FROM chains AS c JOIN merged AS m ON m.object = c.object AND m.loser_id = c.winner_id
            WHERE c.steps < {longest}
        ), placed AS (
            SELECT *, row_number() OVER (PARTITION BY object, loser_id ORDER BY steps DESC) AS place
            FROM chains
        )
        SELECT object, loser_id, winner_id, merged_at FROM placed WHERE place = 1""",
        view=VIEW,
        merges=joined(" UNION ALL ", (_NONE, *_merges(warehouse, objects))),
        longest=_LONGEST_CHAIN,
    )
    warehouse.execute(translated(view, warehouse.dialect))


def has_merged_records(warehouse: Warehouse) -> bool:
    return warehouse.columns(VIEW) is not None


def _merges(warehouse: Warehouse, objects: Iterable[SyncedObject]) -> Iterator[Sql]:
    for obj in objects:
        table = TableName(VIEW.schema, obj.table)
        columns = warehouse.columns(table)
        if columns is None or not {MASTER, "isdeleted"} <= set(columns.names):
            continue
        yield compose(
            """
            SELECT {name} AS object, CAST(t.{key} AS VARCHAR) AS loser_id,
                   CAST(t.masterrecordid AS VARCHAR) AS winner_id, {stamp} AS merged_at
            FROM {table} AS t
            WHERE t.masterrecordid IS NOT NULL AND TRY_CAST(t.isdeleted AS BOOLEAN)""",
            name=obj.api_name,
            key=Name(obj.key.lower()),
            stamp=version_stamp(columns, "t"),
            table=table,
        )
