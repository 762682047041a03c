"""A plan's rows as batches to write, and the org's values in the plan's form.

Evaluated on an embedded DuckDB.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from seil.dw_to_sf.database import bounded_database
from seil.dw_to_sf.plan import CHECKED_AT_ONCE, Plan
from seil.dw_to_sf.values import stored
from seil.salesforce.writes.batch import BEFORE, CLEAR, PARENT
from seil.salesforce.writes.rules import FieldRule, ObjectRules
from seil.warehouse.sql import SqlName, compose, join, quote

if TYPE_CHECKING:
    import duckdb

RECORD_ID = "_record_id"
_FIELDS = (
    "SELECT DISTINCT field FROM read_parquet({file}) WHERE write AND field <> '' ORDER BY field"
)
_ROWS = """
SELECT key AS {key}, any_value(record_id) AS {record_id}, any_value(parent) AS {parent},
    CAST(to_json(map_from_entries(list_concat(
        list((field, old)) FILTER (field <> ''),
        CASE WHEN any_value(record_id) IS NULL THEN [('Id', CAST(NULL AS VARCHAR))] END
    ))) AS VARCHAR) AS {before}
    {values}
FROM read_parquet({file}) WHERE write
GROUP BY key ORDER BY {parent} NULLS LAST, key
"""
_VALUE = ", any_value(coalesce(new, {clear})) FILTER (field = {name}) AS {column}"


def stored_values(
    database: duckdb.DuckDBPyConnection,
    rules: Sequence[FieldRule],
    records: Sequence[Mapping[str, str | None]],
) -> list[dict[str, str | None]]:
    """Each record's values in the plan's form, by field; in the order of `records`."""
    if not rules or not records:
        return [{} for _ in records]
    texts = {r.name: pa.array([v[r.name] for v in records], pa.string()) for r in rules}
    columns = [f"{stored(r, quote(r.name))} AS {quote(r.name)}" for r in rules]
    database.register("texts", pa.table(texts))
    statement = compose("SELECT {columns} FROM texts", columns=join(", ", columns))
    rows: list[dict[str, str | None]] = database.execute(statement).to_arrow_table().to_pylist()
    return rows


def plan_rows(plan: Plan, rules: ObjectRules) -> Iterator[pa.Table]:
    """One row per record to write: its key, and a column per field that is null if unchanged.

    The image before of a record that does not exist has an Id of null.
    """
    file = str(plan.path)
    fields = [rule for name in plan.definition.fields if (rule := rules.get(name))]
    with bounded_database(fields) as database:
        names = database.execute(compose(_FIELDS, file=file)).fetchall()
        values = [
            compose(_VALUE, clear=CLEAR, name=name, column=SqlName(name)) for (name,) in names
        ]
        statement = compose(
            _ROWS,
            key=SqlName(plan.definition.key),
            record_id=SqlName(RECORD_ID),
            parent=SqlName(PARENT),
            before=SqlName(BEFORE),
            values=join("", values),
            file=file,
        )
        for batch in database.execute(statement).to_arrow_reader(CHECKED_AT_ONCE):
            yield pa.Table.from_batches([batch])
