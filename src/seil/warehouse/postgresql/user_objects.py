"""What users created in the schemas of a warehouse, and views elsewhere that read its tables."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from seil.errors import StatementError, WarehouseError
from seil.warehouse.postgresql.readers import VIEW_BODY, replace_view
from seil.warehouse.postgresql.rights import without_suffix
from seil.warehouse.replacement import UserObject
from seil.warehouse.sql import compose, join, literal, quote
from seil.warehouse.tables import TableName

if TYPE_CHECKING:
    from seil.warehouse.postgresql.connection import PostgresConnection

# A view depends on what its rule reads. A table moves with its indexes.
_LIST_OBJECTS = """
WITH RECURSIVE inside AS (
    SELECT c.oid, c.relkind, n.nspname, c.relname FROM pg_class AS c
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname IN ({schemas}) AND c.relkind IN ('r', 'p', 'v', 'm')
), readers AS (
    SELECT oid, relkind, nspname, relname, 0 AS depth FROM inside
    UNION
    SELECT c.oid, c.relkind, n.nspname, c.relname, r.depth + 1
    FROM readers AS r JOIN pg_depend AS d ON d.refobjid = r.oid
    JOIN pg_rewrite AS w ON w.oid = d.objid AND w.ev_class <> r.oid
    JOIN pg_class AS c ON c.oid = w.ev_class
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE d.classid = CAST('pg_rewrite' AS regclass) AND r.depth < 50
)
SELECT CASE c.relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' ELSE 'table' END
           AS kind,
       r.nspname AS schema, r.relname AS name,
       CASE WHEN c.relkind IN ('v', 'm') THEN {body} ELSE '' END AS sql
FROM readers AS r JOIN pg_class AS c ON c.oid = r.oid
GROUP BY c.oid, r.nspname, r.relname ORDER BY max(r.depth), r.nspname, r.relname"""


def user_objects(
    database: PostgresConnection, schemas: Collection[str], *, own_tables: Collection[TableName]
) -> list[UserObject]:
    """In the order of their creation."""
    own = {(table.schema or database.schema, table.name) for table in own_tables}
    schema_list = join(", ", map(literal, sorted(schemas)))
    rows = database.query(compose(_LIST_OBJECTS, schemas=schema_list, body=VIEW_BODY)).to_pylist()
    return [
        UserObject(row["kind"], row["schema"], row["name"], row["sql"])
        for row in rows
        if (row["schema"], row["name"]) not in own
        and not (row["schema"] in schemas and row["schema"] != database.schema)
    ]


def copy_user_objects(
    database: PostgresConnection, objects: Sequence[UserObject], *, old: str
) -> list[UserObject]:
    """Raises WarehouseError naming an object that fails, such as a view on a dropped column."""
    for entry in objects:
        try:
            database.create_schema(entry.schema)
            with database.transaction():
                _copy(database, entry, old)
        except WarehouseError as error:
            raise WarehouseError(
                database.url, f"{entry} cannot be recreated: {error.reason}", hint=error.hint
            ) from error
    return list(objects)


def _copy(database: PostgresConnection, entry: UserObject, old: str) -> None:
    place = quote(TableName(entry.schema, entry.name))
    if entry.kind == "table":
        moved = quote(TableName(entry.schema + old, entry.name))
        database.execute(f"ALTER TABLE {moved} SET SCHEMA {quote(entry.schema)}")
        return
    if entry.kind == "view":
        with suppress(StatementError), database.transaction():
            database.execute(f"CREATE OR REPLACE VIEW {place} {entry.sql}")
            return
    replace_view(database, place, entry.kind, entry.sql)


def relation_names(database: PostgresConnection, schema: str) -> frozenset[str]:
    select = compose(_LIST_OBJECTS, schemas=literal(schema), body=VIEW_BODY)
    rows = database.query(select).to_pylist()
    return frozenset(str(row["name"]) for row in rows if row["schema"] == schema)


def late_objects(
    database: PostgresConnection,
    schemas: Collection[str],
    before: Collection[str] | None,
    *,
    old: str,
) -> list[UserObject]:
    """Views elsewhere that read the schemas of before, and what was made in the default one of them
    since its names were those in `before`, if these are known.
    """
    names = [schema + old for schema in schemas]
    schema_list = join(", ", map(literal, sorted(names)))
    select = compose(_LIST_OBJECTS, schemas=schema_list, body=VIEW_BODY)
    rows = database.query(select).to_pylist()
    objects = [UserObject(row["kind"], row["schema"], row["name"], row["sql"]) for row in rows]
    return [
        entry
        for entry in objects
        if entry.schema not in names
        or (
            before is not None
            and entry.schema == database.schema + old
            and entry.name not in before
        )
    ]


def keep_late_object(database: PostgresConnection, entry: UserObject, *, old: str) -> None:
    """Raises WarehouseError where it does not fit the new schemas."""
    schema = entry.schema.removesuffix(old)
    with database.transaction():
        if entry.kind == "table":
            moved = quote(TableName(entry.schema, entry.name))
            database.execute(f"ALTER TABLE {moved} SET SCHEMA {quote(schema)}")
        else:
            sql = without_suffix(entry.sql, old)
            replace_view(database, quote(TableName(schema, entry.name)), entry.kind, sql)
