"""Every version of a record, for tables with history.

`seil_versions.<table>` holds one row per record and SystemModstamp, as last read, and
`seil_versions.<table>__deleted` each deletion from a list. The view `salesforce_history.<table>`
derives intervals from them. So a late version splits its interval, and a repeated one changes
nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from seil.warehouse.merges import EXTRACTED_AT, FILE, Records, StagedFile
from seil.warehouse.relational.row_merge import merge_rows
from seil.warehouse.relational.versions_sql import stays_deleted, version_stamp
from seil.warehouse.sql import Sql, SqlName, compose, join, literal, quote
from seil.warehouse.tables import TableName
from seil.warehouse.types import TEXT, TIMESTAMP

if TYPE_CHECKING:
    from seil.warehouse.relational.database import RelationalDatabase
    from seil.warehouse.relational.forms import SqlForms

_STORE = "seil_versions"
_VIEWS = "salesforce_history"
_INTERVAL = ("valid_from", "valid_to", "is_current")
_DELETED: dict[str, pa.DataType] = {
    "isdeleted": pa.bool_(),
    "systemmodstamp": TIMESTAMP,
    EXTRACTED_AT: TIMESTAMP,
    FILE: TEXT,
}


def store_versions(
    database: RelationalDatabase, records: Records, files: Sequence[StagedFile]
) -> None:
    """Call it before the current records change."""
    table, key = records.table, records.key
    columns = database.columns(table)
    if columns is None:
        return
    versions = TableName(_STORE, table.name)
    deleted = TableName(_STORE, f"{table.name}__deleted")
    _prepare(database, versions, columns)
    database.create_table(deleted, pa.schema({key: TEXT, **_DELETED}))
    if whole := [file for file in files if file.holds == "versions"]:
        merge_rows(database, versions, whole, key=key, every_version=True)
    if deletions := [file for file in files if file.holds == "deletions"]:
        merge_rows(database, deleted, deletions, key=key, every_version=True)
    _record_files(database, table, [file.key for file in files])
    view = TableName(_VIEWS, table.name)
    database.create_view(view, _intervals(database.forms, records, (versions, deleted), columns))


def files_without_versions(
    database: RelationalDatabase, records: Records, object_name: str
) -> frozenset[str]:
    stored_files = _files_table(records.table)
    is_stored = Sql("false")
    if database.columns(stored_files) is not None:
        is_stored = compose("curated_key IN (SELECT file FROM {files})", files=stored_files)
    select = "SELECT curated_key FROM seil.loads WHERE object = {object} AND NOT {is_stored}"
    keys = database.query(compose(select, object=object_name, is_stored=is_stored))
    return frozenset(map(str, keys["curated_key"].to_pylist()))


def store_current_versions(
    database: RelationalDatabase, records: Records, files: Collection[str]
) -> None:
    columns = database.columns(records.table)
    if columns is None or not files:
        return
    versions = TableName(_STORE, records.table.name)
    _prepare(database, versions, columns)
    database.execute(
        compose(
            "INSERT INTO {versions} ({columns}) SELECT {columns} FROM {table} "
            "WHERE _file IN ({files})",
            versions=versions,
            columns=join(", ", map(quote, columns.names)),
            table=records.table,
            files=join(", ", map(literal, sorted(files))),
        )
    )
    _record_files(database, records.table, sorted(files))


def _record_files(database: RelationalDatabase, table: TableName, keys: list[str]) -> None:
    rows = pa.table({"file": pa.array(keys, TEXT)})
    database.create_table(_files_table(table), rows.schema)
    database.append(_files_table(table), rows)


def _files_table(table: TableName) -> TableName:
    return TableName(_STORE, f"{table.name}__files")


def _prepare(database: RelationalDatabase, versions: TableName, columns: pa.Schema) -> None:
    """Creates the table, or brings its columns to those of the current records."""
    existing = database.columns(versions)
    if existing is None:
        database.create_table(versions, columns)
        return
    for column in columns:
        if column.name not in existing.names:
            database.add_column(versions, column)
        elif existing.field(column.name).type != column.type:
            # An engine may tie the view to the old type; the caller makes it again.
            database.drop_view(TableName(_VIEWS, versions.name))
            database.change_type(versions, column)


def _intervals(
    forms: SqlForms, records: Records, stores: tuple[TableName, TableName], columns: pa.Schema
) -> Sql:
    """From the stores of versions and of deletions.

    A deletion read later than the version of the same second ends that version immediately. One
    after which the record was read live does not count.
    """
    versions, deleted = stores
    is_deleted = "isdeleted" in columns.names
    stamp = version_stamp(forms, columns, "v")
    names = [name for name in columns.names if name not in (records.key, EXTRACTED_AT)]
    since, until, current = _interval(columns.names)
    return compose(
        """
        WITH versions AS (
            SELECT {key}, _extracted_at, nullif({stamp}, TIMESTAMPTZ '-infinity') AS _seil_moment,
                   false AS _seil_is_deletion, {deleted_flag} AS _seil_is_deleted, {values}
            FROM {versions} AS v
        ), moments AS (
            SELECT * FROM versions
            UNION ALL
            SELECT {key}, _extracted_at, systemmodstamp, true, true, {nulls}
            FROM {deleted} AS d WHERE NOT EXISTS (
                SELECT 1 FROM versions AS v
                WHERE v.{key} = d.{key} AND NOT v._seil_is_deleted AND {stamp} <= d.systemmodstamp
                AND NOT {holds})
        ), placed AS (
            SELECT *, lead(_seil_moment) OVER (
                PARTITION BY {key}
                ORDER BY _seil_moment NULLS FIRST, _extracted_at, _seil_is_deletion
            ) AS _seil_end
            FROM moments
        )
        SELECT {columns}, _seil_moment AS {since}, _seil_end AS {until},
               _seil_end IS NULL AS {current}
        FROM placed
        WHERE NOT _seil_is_deleted
        AND (_seil_end IS NULL OR _seil_moment IS NULL OR _seil_end > _seil_moment)""",
        versions=versions,
        deleted=deleted,
        key=SqlName(records.key),
        stamp=stamp,
        holds=stays_deleted(forms, records, record="v", deletion="d", stamp=stamp),
        deleted_flag=compose(
            "coalesce({flag}, false)",
            flag=forms.try_cast(Sql("v.isdeleted"), pa.bool_()) if is_deleted else Sql("false"),
        ),
        values=join(", ", map(quote, names)),
        nulls=join(
            ", ",
            (
                compose("CAST(NULL AS {type})", type=forms.type_name(columns.field(name).type))
                for name in names
            ),
        ),
        columns=join(", ", (compose("{name}", name=SqlName(name)) for name in columns.names)),
        since=SqlName(since),
        until=SqlName(until),
        current=SqlName(current),
    )


def _interval(columns: Collection[str]) -> tuple[str, ...]:
    """The names of an interval's columns: where the records have them, `seil_<name>`."""
    used = {name.lower() for name in columns}
    names = []
    for name in _INTERVAL:
        free = name
        while free in used:
            free = f"seil_{free}"
        names.append(free)
    return tuple(names)
