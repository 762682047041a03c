"""Which of two versions of a record is the newer, and which deletions hold for one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from seil.warehouse.sql import Sql, SqlName, compose, join
from seil.warehouse.types import TEXT

if TYPE_CHECKING:
    from seil.warehouse.merges import Records

STAMPS = ("systemmodstamp", "lastmodifieddate")


def version_stamp(columns: pa.Schema, alias: str) -> Sql:
    stamps = [
        compose("TRY_CAST({t}.{name} AS TIMESTAMPTZ)", t=Sql(alias), name=SqlName(name))
        for name in STAMPS
        if name in columns.names
    ]
    return compose(
        "coalesce({stamps})", stamps=join(", ", [*stamps, Sql("TIMESTAMPTZ '-infinity'")])
    )


def version_order(columns: pa.Schema, alias: str) -> Sql:
    """A row value that orders versions as seil.warehouse.duckdb.merge_sql does."""
    modified = [pa.field(n, TEXT) for n in columns.names if n == "lastmodifieddate"]
    return compose(
        "row({stamp}, {modified}, {t}._extracted_at, {t}._file)",
        stamp=version_stamp(columns, alias),
        modified=version_stamp(pa.schema(modified), alias),
        t=Sql(alias),
    )


def is_timed(records: Records, alias: str) -> Sql:
    """Whether `_extracted_at` of a row is when its source was read."""
    if not records.timed_files:
        return Sql("false")
    pattern = records.timed_files
    return compose("regexp_matches({t}._file, {pattern})", t=Sql(alias), pattern=pattern)


def stays_deleted(records: Records, record: str, deletion: str, stamp: Sql) -> Sql:
    """Whether a deletion holds for a version of the record: it is not older than the version, and
    the version was not read live later. Takes aliases, and the version's stamp.
    """
    return compose(
        """
        ({d}.systemmodstamp >= {stamp}
         AND ({d}._extracted_at >= {t}._extracted_at
              OR ({d}.systemmodstamp > {stamp} AND NOT {timed})))""",
        d=Sql(deletion),
        t=Sql(record),
        stamp=stamp,
        timed=is_timed(records, record),
    )
