"""Every version of a record, for objects with `history = true` in the catalog.

`seil_versions.<table>` holds one row per record and SystemModstamp, the last reading of it, and
`seil_versions.<table>__deleted` each deletion that was told. The view `salesforce_history.<table>`
makes intervals of them. So a version that comes late splits the interval it belongs in, and one
that comes twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from seil.sf_to_dw.extract.flows import PARTIAL_MODES
from seil.sf_to_dw.extract.partials import DELETIONS
from seil.sf_to_dw.load.partials import stays_deleted, version_stamp
from seil.sf_to_dw.schema.column_names import beside
from seil.warehouse.protocol import EXTRACTED_AT, FILE, TableName
from seil.warehouse.sql import Name, Sql, compose, joined, literal, quoted, translated
from seil.warehouse.types import TEXT, TIMESTAMP

if TYPE_CHECKING:
    from seil.sf_to_dw.load.files import CuratedFile
    from seil.warehouse.protocol import Warehouse

_STORE = "seil_versions"
_VIEWS = "salesforce_history"
_INTERVAL = ("valid_from", "valid_to", "is_current")
_DELETED: dict[str, pa.DataType] = {
    "isdeleted": pa.bool_(),
    "systemmodstamp": TIMESTAMP,
    EXTRACTED_AT: TIMESTAMP,
    FILE: TEXT,
}


def keep_versions(
    warehouse: Warehouse, table: TableName, files: Sequence[CuratedFile], *, key: str
) -> None:
    """Inside the load's transaction, before the current records change."""
    columns = warehouse.columns(table)
    if columns is None:
        return
    versions = TableName(_STORE, table.name)
    deleted = TableName(_STORE, f"{table.name}__deleted")
    _prepare(warehouse, versions, columns)
    warehouse.create_table(deleted, pa.schema({key: TEXT, **_DELETED}))
    if whole := [file.staged for file in files if file.mode not in PARTIAL_MODES]:
        warehouse.merge(versions, whole, key=key, every_version=True)
    if told := [file.staged for file in files if file.mode == DELETIONS]:
        warehouse.merge(deleted, told, key=key, every_version=True)
    _note(warehouse, table, [file.key for file in files])
    _run(warehouse, Sql(f"CREATE SCHEMA IF NOT EXISTS {quoted(_VIEWS)}"))
    view = TableName(_VIEWS, table.name)
    _run(warehouse, _view(view, versions, deleted, key=key, columns=columns))


def files_without_versions(
    warehouse: Warehouse, table: TableName, object_name: str
) -> frozenset[str]:
    """Those of the object's merged files, by key, whose versions were not kept."""
    noted = _noted(table)
    kept = Sql("false")
    if warehouse.columns(noted) is not None:
        kept = compose("curated_key IN (SELECT file FROM {files})", files=noted)
    select = "SELECT curated_key FROM seil.loads WHERE object = {object} AND NOT {kept}"
    found = warehouse.query(
        translated(compose(select, object=object_name, kept=kept), warehouse.dialect)
    )
    return frozenset(map(str, found["curated_key"].to_pylist()))


def keep_current(warehouse: Warehouse, table: TableName, gone: Collection[str]) -> None:
    """Of files that are not in curated any more, the current records are all there is."""
    columns = warehouse.columns(table)
    if columns is None or not gone:
        return
    versions = TableName(_STORE, table.name)
    _prepare(warehouse, versions, columns)
    insert = "INSERT INTO {versions} BY NAME SELECT * FROM {table} WHERE _file IN ({gone})"
    listed = joined(", ", map(literal, sorted(gone)))
    _run(warehouse, compose(insert, versions=versions, table=table, gone=listed))
    _note(warehouse, table, sorted(gone))


def _note(warehouse: Warehouse, table: TableName, keys: list[str]) -> None:
    rows = pa.table({"file": pa.array(keys, TEXT)})
    warehouse.create_table(_noted(table), rows.schema)
    warehouse.append(_noted(table), rows)


def _noted(table: TableName) -> TableName:
    return TableName(_STORE, f"{table.name}__files")


def _prepare(warehouse: Warehouse, versions: TableName, columns: pa.Schema) -> None:
    """The columns of the current records, whatever they have become."""
    known = warehouse.columns(versions)
    if known is None:
        warehouse.create_table(versions, columns)
        return
    for column in columns:
        if column.name not in known.names:
            warehouse.add_column(versions, column)
        elif known.field(column.name).type != column.type:
            warehouse.change_type(versions, column)


def _view(
    view: TableName, versions: TableName, deleted: TableName, *, key: str, columns: pa.Schema
) -> Sql:
    """A deletion told later than the version of the same second ends that version at once. One
    after which the version was seen alive was none.
    """
    is_deleted = "isdeleted" in columns.names
    since, until, current = beside(_INTERVAL, columns.names)
    return compose(
        """
        CREATE OR REPLACE VIEW {view} AS
        WITH versions AS (
            SELECT v.*, nullif({stamp}, TIMESTAMPTZ '-infinity') AS _seil_moment,
                   false AS _seil_told, {deleted_flag} AS _seil_gone
            FROM {versions} AS v
        ), moments AS (
            SELECT * FROM versions
            UNION ALL BY NAME
            SELECT {key}, _extracted_at, systemmodstamp AS _seil_moment, true AS _seil_told,
                   true AS _seil_gone
            FROM {deleted} AS d WHERE NOT EXISTS (
                SELECT 1 FROM versions AS v
                WHERE v.{key} = d.{key} AND NOT v._seil_gone AND {stamp} <= d.systemmodstamp
                AND NOT {holds})
        ), placed AS (
            SELECT *, lead(_seil_moment) OVER (
                PARTITION BY {key} ORDER BY _seil_moment NULLS FIRST, _extracted_at, _seil_told
            ) AS _seil_end
            FROM moments
        )
        SELECT {columns}, _seil_moment AS {since}, _seil_end AS {until},
               _seil_end IS NULL AS {current}
        FROM placed
        WHERE NOT _seil_gone
        AND (_seil_end IS NULL OR _seil_moment IS NULL OR _seil_end > _seil_moment)""",
        view=view,
        versions=versions,
        deleted=deleted,
        key=Name(key),
        stamp=version_stamp(columns, "v"),
        holds=stays_deleted("v", "d", version_stamp(columns, "v")),
        deleted_flag=Sql(
            "coalesce(TRY_CAST(v.isdeleted AS BOOLEAN), false)" if is_deleted else "false"
        ),
        columns=joined(", ", (compose("{name}", name=Name(name)) for name in columns.names)),
        since=Name(since),
        until=Name(until),
        current=Name(current),
    )


def _run(warehouse: Warehouse, sql: Sql) -> None:
    warehouse.execute(translated(sql, warehouse.dialect))
