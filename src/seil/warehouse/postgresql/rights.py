"""What a DBA gave and wrote in the schemas of a warehouse: routines, rights and comments, which
follow into the schemas that a rebuild makes.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from seil.warehouse.sql import Sql, compose, join, literal

if TYPE_CHECKING:
    from seil.warehouse.relational.database import RelationalDatabase

_ROUTINES = """
SELECT format('ALTER ROUTINE %s SET SCHEMA %I', CAST(p.oid AS regprocedure), {schema}) AS statement
FROM pg_proc AS p JOIN pg_namespace AS n ON n.oid = p.pronamespace
WHERE n.nspname = {schema} || {old}"""
# `next` is the name of the new schema. Rights of the owner come with what it makes.
_SCHEMAS = """
WITH schemas AS (
    SELECT oid, nspacl, nspowner, left(nspname, -length({old})) AS next FROM pg_namespace
    WHERE nspname IN ({schemas})
)
SELECT format('GRANT %s ON SCHEMA %I TO %s', a.privilege_type, s.next, {grantee}) AS statement
FROM schemas AS s, aclexplode(s.nspacl) AS a
WHERE a.grantee <> s.nspowner AND to_regnamespace(quote_ident(s.next)) IS NOT NULL
UNION ALL
SELECT format('COMMENT ON SCHEMA %I IS %L', next, obj_description(oid, 'pg_namespace'))
FROM schemas WHERE obj_description(oid, 'pg_namespace') IS NOT NULL
    AND obj_description(to_regnamespace(quote_ident(next)), 'pg_namespace') IS NULL
    AND to_regnamespace(quote_ident(next)) IS NOT NULL"""
_MOVED_TABLES = Sql("""
SELECT c.oid, to_regclass(format('%I.%I', left(n.nspname, -length({old})), c.relname)) AS next
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname IN ({schemas}) AND c.relkind IN ('r', 'p', 'v', 'm')""")
_ONE_TABLE = Sql("SELECT CAST(to_regclass({table}) AS oid) AS oid, to_regclass({next}) AS next")
# A policy hides rows: without it, whoever may read the table would see them all.
_TABLES = """
WITH pairs AS ({pairs}), tables AS (
    SELECT c.oid, c.relacl, c.relowner, p.next, c.relrowsecurity, c.relforcerowsecurity,
           CASE c.relkind WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'TABLE' END
               AS kind
    FROM pairs AS p JOIN pg_class AS c ON c.oid = p.oid WHERE p.next IS NOT NULL
), columns AS (
    SELECT t.oid, t.next, t.relowner, a.attname, a.attacl, a.attnum, n.attnum AS next_number
    FROM tables AS t JOIN pg_attribute AS a ON a.attrelid = t.oid
    JOIN pg_attribute AS n ON n.attrelid = t.next AND n.attname = a.attname
    WHERE a.attnum > 0 AND NOT a.attisdropped
), policies AS (
    SELECT t.next, p.*, pg_get_expr(p.polqual, p.polrelid) AS condition,
           pg_get_expr(p.polwithcheck, p.polrelid) AS new_condition
    FROM tables AS t JOIN pg_policy AS p ON p.polrelid = t.oid
)
SELECT format('GRANT %s ON %s TO %s', a.privilege_type, t.next, {grantee}) AS statement
FROM tables AS t, aclexplode(t.relacl) AS a WHERE a.grantee <> t.relowner
UNION ALL
SELECT format('GRANT %s (%I) ON %s TO %s', a.privilege_type, c.attname, c.next,
           {grantee})
FROM columns AS c, aclexplode(c.attacl) AS a WHERE a.grantee <> c.relowner
UNION ALL
SELECT format('COMMENT ON %s %s IS %L', kind, next, obj_description(oid, 'pg_class'))
FROM tables WHERE obj_description(oid, 'pg_class') IS NOT NULL
    AND obj_description(next, 'pg_class') IS NULL
UNION ALL
SELECT format('COMMENT ON COLUMN %s.%I IS %L', next, attname, col_description(oid, attnum))
FROM columns WHERE col_description(oid, attnum) IS NOT NULL
    AND col_description(next, next_number) IS NULL
UNION ALL
SELECT format('CREATE POLICY %I ON %s AS %s FOR %s TO %s%s%s', polname, next,
           CASE WHEN polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
           CASE polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE'
               WHEN 'd' THEN 'DELETE' ELSE 'ALL' END,
           (SELECT string_agg(CASE role WHEN 0 THEN 'PUBLIC'
               ELSE quote_ident(pg_get_userbyid(role)) END, ', ') FROM unnest(polroles) AS role),
           ' USING (' || condition || ')', ' WITH CHECK (' || new_condition || ')')
FROM policies
UNION ALL
SELECT format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', next) FROM tables WHERE relrowsecurity
UNION ALL
SELECT format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', next)
FROM tables WHERE relforcerowsecurity"""
# `a` is an entry of aclexplode.
GRANTEE = Sql("""CASE a.grantee WHEN 0 THEN 'PUBLIC'
    ELSE quote_ident(pg_get_userbyid(a.grantee)) END ||
    CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END""")


def move_routines(database: RelationalDatabase, schema: str, *, old: str) -> None:
    """Of the default schema, before the views that call them; `old` is the suffix of what was."""
    _run(database, compose(_ROUTINES, schema=literal(schema), old=literal(old)))


def copy_rights(database: RelationalDatabase, schemas: Collection[str], *, old: str) -> None:
    """Of what exists in both; comments that the new one has stay."""
    names = join(", ", (literal(schema + old) for schema in sorted(schemas)))
    parts = {"old": literal(old), "schemas": names, "grantee": GRANTEE}
    _run(database, compose(_SCHEMAS, **parts))
    _run(database, compose(_TABLES, pairs=compose(_MOVED_TABLES, **parts), **parts), old)


def copy_table_rights(database: RelationalDatabase, table: Sql, next_table: Sql) -> None:
    """From one table to another, by their qualified names."""
    pairs = compose(_ONE_TABLE, table=literal(table), next=literal(next_table))
    _run(database, compose(_TABLES, pairs=pairs, grantee=GRANTEE))


def _run(database: RelationalDatabase, select: Sql, old: str = "") -> None:
    """What names the schemas of before, such as a policy, names the new ones then."""
    for statement in map(str, database.query(select)["statement"].to_pylist()):
        database.execute(without_suffix(statement, old) if old else statement)


def without_suffix(sql: str, old: str) -> str:
    """Of the schemas' names."""
    return sql.replace(f"{old}.", ".").replace(f'{old}".', '".')
