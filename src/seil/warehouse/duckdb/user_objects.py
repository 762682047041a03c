"""What users made in a warehouse file beside SEIL's own: listed, and copied into another file."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from re import Pattern
from typing import TYPE_CHECKING

from seil.errors import WarehouseError
from seil.warehouse.replacement import UserObject
from seil.warehouse.sql import compose, quote
from seil.warehouse.tables import TableName

if TYPE_CHECKING:
    from seil.warehouse.duckdb.database import EmbeddedDatabase

_OLD = "seil_old_file"
# In the order in which they can be made again: views may read tables, indexes are on them.
_COPIED = ("schema", "table", "index", "view")
_LISTED = """
SELECT 'schema' AS kind, schema_name AS schema, '' AS name, '' AS sql
FROM duckdb_schemas() WHERE database_name = current_database() AND NOT internal
UNION ALL SELECT 'table', schema_name, table_name, sql
FROM duckdb_tables() WHERE database_name = current_database() AND NOT internal AND NOT temporary
UNION ALL SELECT 'view', schema_name, view_name, sql
FROM duckdb_views() WHERE database_name = current_database() AND NOT internal AND NOT temporary
UNION ALL SELECT 'index', schema_name, index_name, sql
FROM duckdb_indexes() WHERE database_name = current_database() AND sql IS NOT NULL
UNION ALL SELECT function_type, schema_name, function_name, ''
FROM duckdb_functions() WHERE database_name = current_database() AND NOT internal
UNION ALL SELECT 'sequence', schema_name, sequence_name, ''
FROM duckdb_sequences() WHERE database_name = current_database() AND NOT temporary
UNION ALL SELECT 'type', schema_name, type_name, ''
FROM duckdb_types() WHERE database_name = current_database() AND NOT internal
ORDER BY 1, 2, 3
"""


def user_objects(
    warehouse: EmbeddedDatabase, *, own_schemas: Pattern[str], own_tables: Collection[TableName]
) -> list[UserObject]:
    """All but schemas of such names, with what is in them, and `own_tables`, with their indexes."""
    found = list(_entries(warehouse))
    tables = {(table.schema or "main", table.name) for table in own_tables}
    holding = {schema for schema, _ in tables}
    return [
        entry
        for entry in found
        if not own_schemas.fullmatch(entry.schema)
        and (entry.schema, entry.name) not in tables
        and not (entry.kind == "schema" and entry.schema in holding)
    ]


def copy_user_objects(
    warehouse: EmbeddedDatabase, file: Path, objects: Sequence[UserObject]
) -> list[UserObject]:
    """Makes those of `file` in the warehouse that are not there yet. Returns what it made.

    Raises WarehouseError naming what cannot be made, such as a view on a column that is gone.
    """
    there = {(entry.kind, entry.schema, entry.name) for entry in _entries(warehouse)}
    wanted = [e for e in objects if (e.kind, e.schema, e.name) not in there and e.is_copied]
    if not wanted:
        return []
    warehouse.execute(f"ATTACH {compose('{path}', path=str(file))} AS {_OLD} (READ_ONLY)")
    try:
        _make(warehouse, wanted)
    finally:
        warehouse.execute(f"DETACH {_OLD}")
    return wanted


def _entries(warehouse: EmbeddedDatabase) -> Iterator[UserObject]:
    for row in warehouse.query(_LISTED).to_pylist():
        yield UserObject(**row, is_copied=row["kind"] in _COPIED)


def _make(warehouse: EmbeddedDatabase, wanted: Sequence[UserObject]) -> None:
    schemas = dict.fromkeys(entry.schema for entry in wanted if entry.schema != "main")
    for schema in schemas:
        warehouse.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(schema)}")
    for kind in _COPIED[1:]:
        waiting = [entry for entry in wanted if entry.kind == kind]
        # Tables may refer to, and views read, others that come later: those are tried again.
        while waiting:
            left = [entry for entry in waiting if not _try_to_create(warehouse, entry)]
            if len(left) == len(waiting):
                _create(warehouse, left[0])
            waiting = left


def _try_to_create(warehouse: EmbeddedDatabase, entry: UserObject) -> bool:
    try:
        _create(warehouse, entry)
    except WarehouseError:
        return False
    return True


def _create(warehouse: EmbeddedDatabase, entry: UserObject) -> None:
    try:
        warehouse.execute(entry.sql)
        if entry.kind == "table":
            table = TableName(entry.schema, entry.name)
            insert = "INSERT INTO {to} SELECT * FROM {old}.{to}"
            warehouse.execute(compose(insert, to=table, old=quote(_OLD)))
    except WarehouseError as error:
        raise WarehouseError(
            warehouse.url, f"{entry} cannot be made again: {error.reason}", hint=error.hint
        ) from error
