"""Values in the form of versions before layout 2: empty texts, and Ids of 15 characters.

Only files of other tools had them. A load converts those in curated files, but a table may hold
them from earlier merges, and the same record with an Id of 18 characters would be a second row.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pyarrow as pa

from seil.errors import WarehouseError
from seil.warehouse.sql import SqlName, compose, join
from seil.warehouse.tables import TableName

if TYPE_CHECKING:
    from seil.warehouse.relational.database import RelationalDatabase

_SCHEMA = "salesforce"
_EXAMPLES = 3


def refuse_earlier_values(database: RelationalDatabase) -> None:
    """Raises WarehouseError if there are any. Scans the texts of every current-record table."""
    findings = list(_findings(database))
    if not findings:
        return
    more = f" and {len(findings) - _EXAMPLES} more" if len(findings) > _EXAMPLES else ""
    raise WarehouseError(
        database.url,
        f"holds {', '.join(findings[:_EXAMPLES])}{more}, written by an earlier version;"
        " this one stores them differently. Nothing was changed",
        hint="Run `seil rebuild`: it recreates the tables from the curated files",
    )


def _findings(database: RelationalDatabase) -> Iterator[str]:
    for name in database.tables(_SCHEMA):
        table = TableName(_SCHEMA, name)
        columns = database.columns(table)
        texts = [c.name for c in columns or () if pa.types.is_string(c.type)]
        if not texts:
            continue
        empty = (compose("{c} = ''", c=SqlName(text)) for text in texts)
        short = "length(id) = 15" if "id" in texts else "false"
        counts = compose(
            "SELECT count(*) FILTER (WHERE {empty}) AS empty_texts,"
            " count(*) FILTER (WHERE {short}) AS short_ids FROM {table}",
            empty=join(" OR ", empty),
            short=join("", [short]),
            table=table,
        )
        row = database.query(counts).to_pylist()[0]
        if row["empty_texts"]:
            yield f"empty texts in {row['empty_texts']:,} records of {table}"
        if row["short_ids"]:
            yield f"{row['short_ids']:,} Ids of 15 characters in {table}"
