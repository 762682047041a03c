"""A plan's rows as batches to write, and the org's values in the plan's form.

Evaluated on an embedded DuckDB.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import gettempdir
from typing import Any
from uuid import uuid4

import pyarrow as pa

from seil.dw_to_sf.plan import CHECKED_AT_ONCE, Plan
from seil.dw_to_sf.values import quoted, stored, text
from seil.salesforce.writes.batch import BEFORE, CLEAR, PARENT
from seil.salesforce.writes.rules import FieldRule

RECORD_ID = "_record_id"
_MEMORY = "512MB"


def stored_values(
    rules: Sequence[FieldRule], records: Sequence[Mapping[str, str | None]]
) -> list[dict[str, str | None]]:
    """Each record's values in the plan's form, by field; in the order of `records`."""
    import duckdb

    if not rules or not records:
        return [{} for _ in records]
    texts = pa.table({r.name: pa.array([v[r.name] for v in records], pa.string()) for r in rules})
    columns = ", ".join(f"{stored(r, quoted(r.name))} AS {quoted(r.name)}" for r in rules)
    with duckdb.connect(config={"threads": 1}) as database:
        database.register("texts", texts)
        rows: list[dict[str, str | None]]
        rows = database.execute(f"SELECT {columns} FROM texts").to_arrow_table().to_pylist()  # noqa: S608
    return rows


def plan_rows(plan: Plan) -> Iterator[pa.Table]:
    """One row per record to write: its key, and a column per field that is null if unchanged.

    The image before of a record that does not exist has an Id of null.
    """
    import duckdb

    # Made by DuckDB when it spills, and removed by it.
    spill = Path(gettempdir()) / f"seil-apply-{uuid4().hex}"
    settings: dict[str, Any] = {"memory_limit": _MEMORY, "temp_directory": str(spill)}
    with duckdb.connect(config=settings) as database:
        file = f"read_parquet({text(str(plan.path))})"
        names = database.execute(
            f"SELECT DISTINCT field FROM {file} WHERE write AND field <> '' ORDER BY field"  # noqa: S608
        ).fetchall()
        sql = _rows_sql(file, plan.definition.key, [name for (name,) in names])
        for batch in database.execute(sql).to_arrow_reader(CHECKED_AT_ONCE):
            yield pa.Table.from_batches([batch])


def _rows_sql(file: str, key: str, fields: Sequence[str]) -> str:
    values = [
        f"any_value(coalesce(new, {text(CLEAR)})) FILTER (field = {text(name)}) AS {quoted(name)}"
        for name in fields
    ]
    return f"""
        SELECT key AS {quoted(key)}, any_value(record_id) AS {RECORD_ID},
            any_value(parent) AS {PARENT},
            CAST(to_json(map_from_entries(list_concat(
                list((field, old)) FILTER (field <> ''),
                CASE WHEN any_value(record_id) IS NULL THEN [('Id', CAST(NULL AS VARCHAR))] END
            ))) AS VARCHAR) AS {BEFORE}
            {"".join(", " + value for value in values)}
        FROM {file} WHERE write
        GROUP BY key ORDER BY {PARENT} NULLS LAST, key
    """  # noqa: S608
