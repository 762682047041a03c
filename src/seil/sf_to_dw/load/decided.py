"""What was decided on an object's fields, as a load follows it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

import pyarrow as pa

from seil.sf_to_dw.load.ledger import SCHEMA_CHANGES, ledger_schema
from seil.sf_to_dw.schema.review import is_blocking, named
from seil.warehouse.sql import compose, translated
from seil.warehouse.types import stored_type

if TYPE_CHECKING:
    from seil.sf_to_dw.load.files import CuratedFile
    from seil.state.decisions import Decision
    from seil.warehouse.protocol import TableName, Warehouse


def routed(file: CuratedFile, decisions: Mapping[str, Decision]) -> CuratedFile:
    """Values of a new type under the name that was decided for them."""
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


def record_decisions(warehouse: Warehouse, table: TableName, decisions: Iterable[Decision]) -> None:
    """Rows of seil.schema_changes for those that have none yet."""
    rows = [
        {
            "table_name": str(table),
            "column_name": entry.column,
            "change": f"accepted-{entry.policy}",
            "old_type": named(entry.old) if entry.old else "",
            "new_type": named(entry.new) if entry.new else "",
            "provisional": False,
            "curated_key": "",
            "changed_at": datetime.fromisoformat(entry.at),
        }
        for entry in decisions
        if entry.column
    ]
    if not rows:
        return
    known = compose(
        "SELECT column_name, change, changed_at FROM seil.schema_changes "
        "WHERE table_name = {table}",
        table=str(table),
    )
    found = warehouse.query(translated(known, warehouse.dialect)).to_pylist()
    told = {(row["column_name"], row["change"], row["changed_at"]) for row in found}
    new = [r for r in rows if (r["column_name"], r["change"], r["changed_at"]) not in told]
    if new:
        schema = ledger_schema(SCHEMA_CHANGES)
        warehouse.append(SCHEMA_CHANGES, pa.Table.from_pylist(new, schema=schema))
