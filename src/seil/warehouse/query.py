"""A person's question to the warehouse, which must not change it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from seil.errors import ConfigurationError, Problem, StatementError

if TYPE_CHECKING:
    from seil.warehouse.protocol import Warehouse


@dataclass(frozen=True)
class Answer:
    """`truncated` when there are more rows than were asked for."""

    rows: pa.Table
    truncated: bool


def query(warehouse: Warehouse, sql: str, *, limit: int | None = None) -> Answer:
    """Runs SQL of the warehouse's own dialect and reads up to `limit` rows.

    Takes only a warehouse that was opened read-only: it, not the text, refuses what would write.
    Raises ConfigurationError when the statement is refused.
    """
    if not warehouse.read_only:
        raise ValueError("open the warehouse with read_only=True")
    try:
        with warehouse.stream(sql) as batches:
            schema = batches.schema
            found: list[pa.RecordBatch] = []
            count = 0
            for batch in batches:
                found.append(batch)
                count += batch.num_rows
                if limit is not None and count > limit:
                    break
    except StatementError as error:
        cure = "the warehouse is open for reading only; tables: `seil status`, `seil lineage`"
        raise ConfigurationError([Problem("query", error.reason, cure)]) from error
    rows = pa.Table.from_batches(found, schema)
    return Answer(rows.slice(0, limit), limit is not None and count > limit)
