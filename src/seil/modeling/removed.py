"""Built tables whose model was removed."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from seil.warehouse.commits import commit_id
from seil.warehouse.tables import TableName

if TYPE_CHECKING:
    from seil.warehouse.protocol import Warehouse


def removed_tables(warehouse: Warehouse, models: Collection[str]) -> tuple[str, ...]:
    """They keep their last content until they are dropped or the warehouse is rebuilt."""
    return tuple(sorted(warehouse.bookkeeping.built_tables() - set(models)))


def drop_removed(warehouse: Warehouse, models: Collection[str]) -> tuple[str, ...]:
    """Returns the dropped tables."""
    names = removed_tables(warehouse, models)
    if names:
        with warehouse.commit(commit_id("drop", *names)) as commit:
            for name in names:
                commit.tables.drop(TableName("", name))
    return names
