"""What a DBA gave and wrote in the schemas of a warehouse: routines, rights and comments, which
follow into the schemas that a rebuild makes.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from seil.warehouse.sql import Sql, compose, join, literal

if TYPE_CHECKING:
    from seil.warehouse.postgresql.connection import PostgresConnection

_ROUTINES = """
SELECT format('ALTER ROUTINE %s SET SCHEMA %I', CAST(p.oid AS regprocedure), {schema}) AS statement
FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
WHERE n.nspname = {schema} || {old}"""
# `next` is the name of the new schema. Rights of the owner come with what it makes.
_STATEMENTS = """
WITH schemas AS (
    SELECT oid, nspacl, nspowner, left(nspname, -length({old})) AS next FROM pg_namespace
    WHERE nspname IN ({schemas})
), tables AS (
    SELECT c.oid, c.relacl, c.relowner, to_regclass(format('%I.%I', s.next, c.relname)) AS next,
           CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'TABLE' END
               AS kind
    FROM pg_class AS c JOIN schemas AS s ON s.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm')
), grants AS (
    SELECT format('%s ON SCHEMA %I', a.privilege_type, s.next) AS words, a.grantee, a.is_grantable
    FROM schemas AS s, aclexplode(s.nspacl) AS a
    WHERE a.grantee <> s.nspowner AND to_regnamespace(quote_ident(s.next)) IS NOT NULL
    UNION ALL
    SELECT format('%s ON %s', a.privilege_type, t.next), a.grantee, a.is_grantable
    FROM tables AS t, aclexplode(t.relacl) AS a
    WHERE a.grantee <> t.relowner AND t.next IS NOT NULL
)
SELECT format('GRANT %s TO %s%s', words,
           CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
           CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END) AS statement
FROM grants
UNION ALL
SELECT format('COMMENT ON %s %s IS %L', kind, next, obj_description(oid, 'pg_class'))
FROM tables WHERE obj_description(oid, 'pg_class') IS NOT NULL
    AND obj_description(next, 'pg_class') IS NULL AND next IS NOT NULL
UNION ALL
SELECT format('COMMENT ON SCHEMA %I IS %L', next, obj_description(oid, 'pg_namespace'))
FROM schemas WHERE obj_description(oid, 'pg_namespace') IS NOT NULL
    AND obj_description(to_regnamespace(quote_ident(next)), 'pg_namespace') IS NULL
    AND to_regnamespace(quote_ident(next)) IS NOT NULL"""


def move_routines(database: PostgresConnection, *, old: str) -> None:
    """Of the default schema, before the views that call them; `old` is the suffix of what was."""
    _run(database, compose(_ROUTINES, schema=literal(database.schema), old=literal(old)))


def copy_rights(database: PostgresConnection, schemas: Collection[str], *, old: str) -> None:
    """Of what exists in both; comments that the new one has stay."""
    names = join(", ", (literal(schema + old) for schema in sorted(schemas)))
    _run(database, compose(_STATEMENTS, schemas=names, old=literal(old)))


def _run(database: PostgresConnection, select: Sql) -> None:
    for statement in database.query(select)["statement"].to_pylist():
        database.execute(str(statement))
