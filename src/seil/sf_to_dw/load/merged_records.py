"""The view `salesforce.merged_records`: which record was merged into which.

When accounts, contacts, leads or cases are merged, the losers are deleted, and their MasterRecordId
is the winner. A winner may lose a later merge: the view gives the final winner.
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


def is_name_free(objects: Iterable[SyncedObject]) -> bool:
    """Whether no object's table has the view's name."""
    return all(obj.table != VIEW.name for obj in objects)


def drop_view(warehouse: Warehouse) -> None:
    if view_exists(warehouse) and VIEW.name not in warehouse.tables(VIEW.schema):
        with warehouse.commit(commit_id("drop-view", str(VIEW))) as commit:
            commit.tables.drop_view(VIEW)


def replace_view(warehouse: Warehouse, objects: Iterable[SyncedObject]) -> None:
    """Creates or replaces the view over those objects' tables that have MasterRecordId."""
    if not warehouse.tables(VIEW.schema):
        return
    sources = [
        MergeSource(obj.api_name, TableName(VIEW.schema, obj.table), obj.key.lower())
        for obj in objects
    ]
    columns = {source: warehouse.columns(source.table) for source in sources}
    needed = {MASTER, "isdeleted"}
    sources = [s for s, c in columns.items() if c is not None and needed <= set(c.names)]
    with warehouse.commit(commit_id("view", str(VIEW), *(s.object for s in sources))) as commit:
        commit.merger.show_merged_records(VIEW, sources)


def view_exists(warehouse: Warehouse) -> bool:
    return warehouse.columns(VIEW) is not None
