"""Which of two versions of a record is the newer, and which deletions hold for one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from seil.warehouse.sql import Sql, SqlName, compose, join
from seil.warehouse.types import TEXT, TIMESTAMP

if TYPE_CHECKING:
    from seil.warehouse.merges import Records
    from seil.warehouse.relational.forms import SqlForms

STAMPS = ("systemmodstamp", "lastmodifieddate")


def version_stamp(forms: SqlForms, columns: pa.Schema, alias: str) -> Sql:
    stamps = [
        forms.try_cast(compose("{t}.{name}", t=Sql(alias), name=SqlName(name)), TIMESTAMP)
        for name in STAMPS
        if name in columns.names
    ]
    return compose(
        "coalesce({stamps})", stamps=join(", ", [*stamps, Sql("TIMESTAMPTZ '-infinity'")])
    )


def version_order(forms: SqlForms, columns: pa.Schema, alias: str) -> Sql:
    """A row value that orders versions as seil.warehouse.relational.merge_sql does."""
    modified = [pa.field(n, TEXT) for n in columns.names if n == "lastmodifieddate"]
    return compose(
        "row({stamp}, {modified}, {t}._extracted_at, {t}._file)",
        stamp=version_stamp(forms, columns, alias),
        modified=version_stamp(forms, pa.schema(modified), alias),
        t=Sql(alias),
    )


def is_timed(forms: SqlForms, records: Records, alias: str) -> Sql:
    """Whether `_extracted_at` of a row is when its source was read."""
    if not records.timed_files:
        return Sql("false")
    return forms.matches(Sql(f"{alias}._file"), records.timed_files)


def stays_deleted(
    forms: SqlForms, records: Records, *, record: str, deletion: str, stamp: Sql
) -> Sql:
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
        timed=is_timed(forms, records, record),
    )
