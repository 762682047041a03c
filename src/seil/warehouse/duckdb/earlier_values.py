"""Values that versions before layout 2 kept otherwise: empty texts, and Ids of 15 characters.

They came with files of other tools only. A load completes them in curated files, but a table may
hold the records they were merged into, and the same record of 18 characters would be a second one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pyarrow as pa

from seil.errors import WarehouseError
from seil.warehouse.sql import SqlName, compose, join
from seil.warehouse.tables import TableName

if TYPE_CHECKING:
    from seil.warehouse.duckdb.database import EmbeddedDatabase

_SCHEMA = "salesforce"
_NAMED = 3


def refuse_earlier_values(database: EmbeddedDatabase) -> None:
    """Raises WarehouseError. Reads the texts of every current-record table once."""
    places = list(_places(database))
    if not places:
        return
    more = f" and {len(places) - _NAMED} more" if len(places) > _NAMED else ""
    raise WarehouseError(
        database.url,
        f"an earlier version kept {', '.join(places[:_NAMED])}{more}, which are read otherwise now;"
        " nothing was changed",
        hint="Run `seil rebuild`: it makes the tables again from the curated files",
    )


def _places(database: EmbeddedDatabase) -> Iterator[str]:
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
        found = database.query(counts).to_pylist()[0]
        if found["empty_texts"]:
            yield f"empty texts in {found['empty_texts']:,} records of {table}"
        if found["short_ids"]:
            yield f"{found['short_ids']:,} Ids of 15 characters in {table}"
