"""Views that read a table: PostgreSQL ties them to its columns, so that they stand in the way of a
change of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from seil.errors import WarehouseError
from seil.warehouse.postgresql.rights import GRANTEE
from seil.warehouse.sql import Sql, SqlName, compose, literal

if TYPE_CHECKING:
    from seil.warehouse.relational.database import RelationalDatabase

# Each after those that it reads. The owner's own rights come with the view.
_LIST = """
WITH RECURSIVE readers AS (
    SELECT CAST(to_regclass({table}) AS oid) AS oid, 0 AS depth
    UNION
    SELECT w.ev_class, r.depth + 1
    FROM readers AS r JOIN pg_depend AS d ON d.refobjid = r.oid
    JOIN pg_rewrite AS w ON w.oid = d.objid AND w.ev_class <> r.oid
    WHERE d.classid = CAST('pg_rewrite' AS regclass) AND r.depth < 50
), views AS (SELECT oid, max(depth) AS depth FROM readers GROUP BY oid)
SELECT format('%I.%I', n.nspname, c.relname) AS name,
       CASE c.relkind WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'VIEW' END AS kind,
       {body} AS sql, pg_get_userbyid(c.relowner) AS owner,
       coalesce(obj_description(c.oid, 'pg_class'), '') AS description,
       concat_ws(';',
           (SELECT string_agg(format('GRANT %s ON %I.%I TO %s', a.privilege_type, n.nspname,
               c.relname, {grantee}), ';')
            FROM aclexplode(c.relacl) AS a WHERE a.grantee <> c.relowner),
           (SELECT string_agg(format('GRANT %s (%I) ON %I.%I TO %s', a.privilege_type, t.attname,
               n.nspname, c.relname, {grantee}), ';')
            FROM pg_attribute AS t, aclexplode(t.attacl) AS a
            WHERE t.attrelid = c.oid AND a.grantee <> c.relowner),
           (SELECT string_agg(format('COMMENT ON COLUMN %I.%I.%I IS %L', n.nspname, c.relname,
               t.attname, col_description(c.oid, t.attnum)), ';')
            FROM pg_attribute AS t
            WHERE t.attrelid = c.oid AND col_description(c.oid, t.attnum) IS NOT NULL)
       ) AS additions,
       coalesce((SELECT string_agg(pg_get_indexdef(i.indexrelid), ';')
           FROM pg_index AS i WHERE i.indrelid = c.oid), '') AS indexes
FROM views AS v JOIN pg_class AS c ON c.oid = v.oid JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('v', 'm') AND v.depth >= {least_depth} ORDER BY v.depth, 1"""


# What follows the name in CREATE VIEW; options such as security_barrier are no part of the SELECT.
VIEW_BODY = Sql("""concat('WITH (' || array_to_string(c.reloptions, ', ') || ') ', 'AS ',
    pg_get_viewdef(c.oid))""")


@dataclass(frozen=True)
class View:
    """`sql` is what follows the name; `additions` are rights and comments of columns."""

    name: str
    kind: str
    sql: str
    owner: str
    description: str
    additions: str
    indexes: str

    @property
    def drop(self) -> str:
        return f"DROP {self.kind} {self.name}"

    @property
    def create(self) -> str:
        place, owner = Sql(f"{self.kind} {self.name}"), SqlName(self.owner)
        statements = (
            f"CREATE {place} {self.sql.rstrip(';')}",
            self.indexes,
            compose("COMMENT ON {place} IS {text}", place=place, text=self.description),
            compose("ALTER {place} OWNER TO {owner}", place=place, owner=owner),
            self.additions,
        )
        return "; ".join(statements)


@contextmanager
def readers_set_aside(database: RelationalDatabase, table: Sql) -> Iterator[None]:
    """Drops the views that read the table, given by its qualified name, and makes them again, with
    their rights, when the block ends. Raises WarehouseError naming a view that cannot be made on
    the new columns.
    """
    views = _views(database, table, least_depth=1)
    for view in reversed(views):
        database.execute(view.drop)
    yield
    for view in views:
        try:
            database.execute(view.create)
        except WarehouseError as error:
            source = table.replace('"', "")
            reason = f"the {view.kind.lower()} {view.name} reads {source} and does not fit its new"
            hint = "Change or drop that view, then run the same command again"
            raise WarehouseError(
                database.url, f"{reason} columns: {error.reason}", hint=hint
            ) from error


def replace_view(database: RelationalDatabase, view: Sql, kind: str, sql: str) -> None:
    """Keeps the rights of one that exists; takes its qualified name, and what follows it."""
    existing = _views(database, view, least_depth=0)
    if not existing:
        place = compose("{kind} {view}", kind=Sql(kind.upper()), view=view)
        database.execute(f"CREATE {place} {sql}")
        return
    with readers_set_aside(database, view):
        database.execute(existing[0].drop)
        database.execute(replace(existing[0], sql=sql).create)


def _views(database: RelationalDatabase, table: Sql, *, least_depth: int) -> list[View]:
    """At depth 0 itself."""
    parts = {"table": literal(table), "body": VIEW_BODY, "grantee": GRANTEE}
    rows = database.query(compose(_LIST, least_depth=least_depth, **parts))
    return [View(**row) for row in rows.to_pylist()]
