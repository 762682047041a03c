"""The view `salesforce.merged_records`: which record was merged into which.

When accounts, contacts, leads or cases are merged, the losers are deleted, and MasterRecordId names
the winner. A winner may lose to another later on: the view leads to the last one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from seil.warehouse.commits import commit_id
from seil.warehouse.merges import MergeSource
from seil.warehouse.tables import TableName

if TYPE_CHECKING:
    from seil.catalog import SyncedObject
    from seil.warehouse.protocol import Warehouse

VIEW = TableName("salesforce", "merged_records")
MASTER = "masterrecordid"


def can_show(objects: Iterable[SyncedObject]) -> bool:
    """Not where an object's table has the view's name."""
    return all(obj.table != VIEW.name for obj in objects)


def drop_merged_records(warehouse: Warehouse) -> None:
    if has_merged_records(warehouse) and VIEW.name not in warehouse.tables(VIEW.schema):
        with warehouse.commit(commit_id("drop-view", str(VIEW))) as commit:
            commit.tables.drop_view(VIEW)


def show_merged_records(warehouse: Warehouse, objects: Iterable[SyncedObject]) -> None:
    """Makes the view anew, over those of the objects' tables that have the column."""
    if not warehouse.tables(VIEW.schema):
        return
    sources = [
        MergeSource(obj.api_name, TableName(VIEW.schema, obj.table), obj.key.lower())
        for obj in objects
    ]
    columns = {source: warehouse.columns(source.table) for source in sources}
    wanted = {MASTER, "isdeleted"}
    read = [s for s, c in columns.items() if c is not None and wanted <= set(c.names)]
    with warehouse.commit(commit_id("view", str(VIEW), *(s.object for s in read))) as commit:
        commit.merger.show_merged_records(VIEW, read)


def has_merged_records(warehouse: Warehouse) -> bool:
    return warehouse.columns(VIEW) is not None
