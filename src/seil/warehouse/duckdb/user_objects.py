"""Lists what users created in a warehouse file, and copies it into another file."""

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
    from seil.warehouse.relational.database import RelationalDatabase

_OLD = "seil_old_file"
# In the order of creation: views read tables, and indexes are on tables.
_COPY_ORDER = ("schema", "table", "index", "view")
_LIST_OBJECTS = """
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
    warehouse: RelationalDatabase, *, own_schemas: Pattern[str], own_tables: Collection[TableName]
) -> list[UserObject]:
    """See `seil.warehouse.replacement.Replacement.user_objects`."""
    entries = list(_entries(warehouse))
    tables = {(table.schema or "main", table.name) for table in own_tables}
    own_table_schemas = {schema for schema, _ in tables}
    return [
        entry
        for entry in entries
        if not own_schemas.fullmatch(entry.schema)
        and (entry.schema, entry.name) not in tables
        and not (entry.kind == "schema" and entry.schema in own_table_schemas)
    ]


def copy_user_objects(
    warehouse: RelationalDatabase, file: Path, objects: Sequence[UserObject]
) -> list[UserObject]:
    """Creates the objects of `file` that the warehouse lacks, with their rows; returns them.

    Raises WarehouseError naming an object that fails, such as a view on a dropped column.
    """
    existing = {(entry.kind, entry.schema, entry.name) for entry in _entries(warehouse)}
    missing = [e for e in objects if (e.kind, e.schema, e.name) not in existing and e.is_copied]
    if not missing:
        return []
    warehouse.execute(f"ATTACH {compose('{path}', path=str(file))} AS {_OLD} (READ_ONLY)")
    try:
        _create_all(warehouse, missing)
    finally:
        warehouse.execute(f"DETACH {_OLD}")
    return missing


def _entries(warehouse: RelationalDatabase) -> Iterator[UserObject]:
    for row in warehouse.query(_LIST_OBJECTS).to_pylist():
        yield UserObject(**row, is_copied=row["kind"] in _COPY_ORDER)


def _create_all(warehouse: RelationalDatabase, entries: Sequence[UserObject]) -> None:
    schemas = dict.fromkeys(entry.schema for entry in entries if entry.schema != "main")
    for schema in schemas:
        warehouse.execute(f"CREATE SCHEMA IF NOT EXISTS {quote(schema)}")
    for kind in _COPY_ORDER[1:]:
        waiting = [entry for entry in entries if entry.kind == kind]
        # Tables may reference, and views read, others that follow: those are retried.
        while waiting:
            failed = [entry for entry in waiting if not _try_to_create(warehouse, entry)]
            if len(failed) == len(waiting):
                _create(warehouse, failed[0])
            waiting = failed


def _try_to_create(warehouse: RelationalDatabase, entry: UserObject) -> bool:
    try:
        _create(warehouse, entry)
    except WarehouseError:
        return False
    return True


def _create(warehouse: RelationalDatabase, entry: UserObject) -> None:
    try:
        warehouse.execute(entry.sql)
        if entry.kind == "table":
            table = TableName(entry.schema, entry.name)
            insert = "INSERT INTO {to} SELECT * FROM {old}.{to}"
            warehouse.execute(compose(insert, to=table, old=quote(_OLD)))
    except WarehouseError as error:
        raise WarehouseError(
            warehouse.url, f"{entry} cannot be recreated: {error.reason}", hint=error.hint
        ) from error
