"""The view `salesforce.merged_records`: which record was merged into which.

When accounts, contacts, leads or cases are merged, the losers are deleted, and MasterRecordId names
the winner. A winner may lose to another later on: the view leads to the last one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from seil.warehouse.merges import MergeSource
from seil.warehouse.tables import TableName

if TYPE_CHECKING:
    from seil.catalog import SyncedObject
    from seil.warehouse.protocol import Warehouse

VIEW = TableName("salesforce", "merged_records")
MASTER = "masterrecordid"


def make_way(warehouse: Warehouse, objects: Iterable[SyncedObject]) -> bool:
    """Where an object's table has the view's name, there is no view: whether that is so."""
    if all(obj.table != VIEW.name for obj in objects):
        return False
    warehouse.drop_view(VIEW)
    return True


def show_merged_records(warehouse: Warehouse, objects: Iterable[SyncedObject]) -> None:
    """Makes the view anew, over those of the objects' tables that have the column."""
    if not warehouse.tables(VIEW.schema):
        return
    sources = [
        MergeSource(obj.api_name, TableName(VIEW.schema, obj.table), obj.key.lower())
        for obj in objects
    ]
    held = {source: warehouse.columns(source.table) for source in sources}
    shown = [s for s, c in held.items() if c is not None and {MASTER, "isdeleted"} <= set(c.names)]
    warehouse.show_merged_records(VIEW, shown)


def has_merged_records(warehouse: Warehouse) -> bool:
    return warehouse.columns(VIEW) is not None
