"""Decisions on an object's fields, as a load applies them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from seil.sf_to_dw.schema.review import is_blocking, table_type_name
from seil.warehouse.bookkeeping import SchemaChange
from seil.warehouse.types import stored_type

if TYPE_CHECKING:
    from seil.sf_to_dw.load.files import CuratedFile
    from seil.state.decisions import Decision
    from seil.warehouse.protocol import Warehouse
    from seil.warehouse.tables import TableName


def route(file: CuratedFile, decisions: Mapping[str, Decision]) -> CuratedFile:
    """Drops a column of a new type, or renames it to its target, as decided."""
    columns = dict(file.columns)
    for name, entry in decisions.items():
        column = columns.get(name)
        if column is None or file.untyped or not entry.old:
            continue
        arriving = stored_type(column.type)
        if arriving is None or not is_blocking(entry.old, str(arriving)):
            continue
        if entry.policy in ("column", "drop"):
            del columns[name]
        if entry.policy == "column":
            columns[entry.target] = column
    if columns == file.columns:
        return file
    return file.with_columns(columns)


def unrecorded_decisions(
    warehouse: Warehouse, table: TableName, decisions: Iterable[Decision]
) -> list[SchemaChange]:
    """Decisions that are not among the table's schema changes yet."""
    changes = [
        SchemaChange(
            str(table),
            entry.column,
            f"accepted-{entry.policy}",
            table_type_name(entry.old) if entry.old else "",
            table_type_name(entry.new) if entry.new else "",
            curated_key="",
            changed_at=datetime.fromisoformat(entry.at),
        )
        for entry in decisions
        if entry.column
    ]
    stored = warehouse.bookkeeping.schema_changes(table) if changes else []
    recorded = {(change.column, change.change, change.changed_at) for change in stored}
    return [c for c in changes if (c.column, c.change, c.changed_at) not in recorded]
