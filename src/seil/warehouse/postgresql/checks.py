"""What `seil doctor` checks of a PostgreSQL server. What it writes is rolled back."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from seil.checks import SiteCheck
from seil.errors import WarehouseError
from seil.sizes import size
from seil.warehouse.postgresql.warehouse import connect
from seil.warehouse.sql import Sql, SqlName, compose, join, literal
from seil.warehouse.tables import SCHEMAS

if TYPE_CHECKING:
    from seil.settings import WarehouseSettings
    from seil.warehouse.postgresql.connection import PostgresConnection

_SKEW = timedelta(seconds=30)
_LEAST_CONNECTIONS = 3
_WRITES = """
CREATE SCHEMA seil_doctor;
CREATE TABLE seil_doctor.probe (id BIGINT PRIMARY KEY);
INSERT INTO seil_doctor.probe VALUES (1);
CREATE TEMPORARY TABLE seil_doctor_probe (id BIGINT)"""
# The names of the locale moved between versions 16 and 17.
_SERVER = """
SELECT current_setting('server_version') AS version, CAST(current_user AS text) AS user_name,
       CAST(current_database() AS text) AS database_name,
       pg_encoding_to_char(d.encoding) AS encoding, d.datlocprovider = 'b' AS is_builtin,
       coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale', d.datcollate)
           AS collation,
       clock_timestamp() AS clock,
       (SELECT reset_val FROM pg_settings WHERE name = 'TimeZone') AS time_zone,
       pg_database_size(d.oid) AS bytes,
       (SELECT setting FROM pg_settings WHERE name = 'data_directory') AS folder,
       CAST(current_setting('max_connections') AS bigint)
           - CAST(current_setting('superuser_reserved_connections') AS bigint)
           - (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')
           AS connections,
       EXISTS (SELECT 1 FROM pg_language WHERE lanname = 'plpgsql') AS has_plpgsql
FROM pg_database AS d WHERE d.datname = current_database()"""
_SCHEMAS = """
SELECT n.nspname AS name, pg_get_userbyid(n.nspowner) AS owner,
       pg_has_role(n.nspowner, 'USAGE') AS is_own
FROM pg_namespace AS n WHERE n.nspname IN ({schemas}) ORDER BY 1"""
_TABLES = """
SELECT pg_get_userbyid(c.relowner) AS owner, count(*) AS tables,
       min(format('%I.%I', n.nspname, c.relname)) AS example
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE n.nspname IN ({schemas}) AND c.relkind IN ('r', 'p')
AND pg_has_role(n.nspowner, 'USAGE') AND NOT pg_has_role(c.relowner, 'USAGE')
GROUP BY c.relowner ORDER BY 1"""
_LIMITS = """
SELECT name, current_setting(name) AS value, CAST(min_val AS bigint) AS none FROM pg_settings
WHERE name IN ('statement_timeout', 'idle_in_transaction_session_timeout', 'transaction_timeout',
               'idle_session_timeout', 'temp_file_limit')
AND setting <> min_val ORDER BY 1"""
# Of the others, those that a load waits for are modes that exclude ROW EXCLUSIVE.
_HOLDERS = """
SELECT a.pid, coalesce(CAST(a.usename AS text), '') AS user_name, a.application_name AS program,
       to_char(a.xact_start, 'YYYY-MM-DD HH24:MI:SS') AS since,
       count(DISTINCT c.oid) AS tables, min(format('%I.%I', n.nspname, c.relname)) AS example,
       bool_or(l.mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock',
           'AccessExclusiveLock')) AS is_exclusive
FROM pg_locks AS l JOIN pg_class AS c ON c.oid = l.relation
JOIN pg_namespace AS n ON n.oid = c.relnamespace JOIN pg_stat_activity AS a ON a.pid = l.pid
WHERE l.granted AND l.pid <> pg_backend_pid() AND c.relkind <> 'i' AND n.nspname IN ({schemas})
AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
GROUP BY a.pid, a.usename, a.application_name, a.xact_start ORDER BY a.xact_start"""


@dataclass(frozen=True)
class _Server:
    version: str
    user_name: str
    database_name: str
    encoding: str
    is_builtin: bool
    collation: str
    clock: datetime
    time_zone: str
    bytes: int
    folder: str | None
    connections: int
    has_plpgsql: bool


def checks(settings: WarehouseSettings) -> Iterator[SiteCheck]:
    """Raises WarehouseError where the server cannot be reached, or cannot hold a warehouse."""
    with connect(settings) as warehouse:
        database = warehouse.database
        server = _Server(**_rows(database, _SERVER)[0])
        ours = datetime.now(UTC)
        current = len(warehouse.tables("salesforce"))
        yield SiteCheck("warehouse", "ok", f"{database.url}, {current:,} objects loaded")
        yield SiteCheck("warehouse version", "ok", f"PostgreSQL {server.version}")
        yield from _rights(database, server)
        yield _extensions(server)
        yield _text_order(server)
        yield _clock(server, ours)
        yield _space(server)
        yield _connections(server)
        yield from _limits(database, server)
        yield from _holders(database)


def _rights(database: PostgresConnection, server: _Server) -> Iterator[SiteCheck]:
    user, owners = server.user_name, list(_owners(database, server))
    yield from owners
    try:
        with _rolled_back(database):
            database.execute(_WRITES)
    except WarehouseError as error:
        grant = "GRANT CREATE, TEMPORARY ON DATABASE {database} TO {user}"
        names = {"database": SqlName(server.database_name), "user": SqlName(user)}
        is_denied = "permission denied" in error.reason
        command = compose(grant, **names) if is_denied else error.hint or error.cure
        yield SiteCheck("warehouse rights", "fail", f"{user}: {error.reason}", command)
        return
    if not owners:
        detail = f"{user} may create schemas, tables and temporary tables, and write"
        yield SiteCheck("warehouse rights", "ok", detail)


def _owners(database: PostgresConnection, server: _Server) -> Iterator[SiteCheck]:
    """Only an owner changes a table, and a rebuild drops schemas."""
    name, user = "warehouse rights", server.user_name
    roles = set()
    for row in _rows(database, compose(_SCHEMAS, schemas=_schema_list(database))):
        if row["is_own"]:
            roles.add(row["owner"])
            continue
        detail = f"the schema {row['name']} belongs to {row['owner']}, not to {user}"
        cure = compose(
            "ALTER SCHEMA {name} OWNER TO {user}, or run as {owner}",
            name=SqlName(row["name"]),
            user=SqlName(user),
            owner=SqlName(row["owner"]),
        )
        yield SiteCheck(name, "warn", detail, f"{cure}: `seil rebuild` needs it")
    for role in sorted(roles - {user}):
        detail = f"{role} owns the warehouse, and what {user} makes would belong to {user}"
        option = f"options=-c%20role%3D{quote(role)}"
        yield SiteCheck(name, "warn", detail, f"add {option} to [warehouse] url")
    for row in _rows(database, compose(_TABLES, schemas=_schema_list(database))):
        more = f" and {row['tables'] - 1:,} more" if row["tables"] > 1 else ""
        detail = f"the table {row['example']}{more}: owned by {row['owner']}, not by {user}"
        command = compose(
            "ALTER TABLE {table} OWNER TO {user}", table=Sql(row["example"]), user=SqlName(user)
        )
        needs = "for each: builds and rebuilds need it"
        yield SiteCheck(name, "warn", detail, f"{command}, {needs}")


@contextmanager
def _rolled_back(database: PostgresConnection) -> Iterator[None]:
    database.begin()
    try:
        yield
    finally:
        database.end(commit=False)


def _extensions(server: _Server) -> SiteCheck:
    if server.has_plpgsql:
        return SiteCheck("warehouse extensions", "ok", "plpgsql; no other is needed")
    detail = "the language plpgsql is missing, in which SEIL writes functions"
    return SiteCheck("warehouse extensions", "fail", detail, "CREATE EXTENSION plpgsql")


def _text_order(server: _Server) -> SiteCheck:
    """Columns have the collation C; what else a SELECT sorts by has the database's."""
    order = f"{server.encoding}, {server.collation}, time zone {server.time_zone}"
    name = "warehouse text order"
    if server.is_builtin or server.collation in ("C", "POSIX"):
        return SiteCheck(name, "ok", order)
    detail = f"{order}: texts that no column holds sort otherwise than in the other warehouses"
    cure = 'write COLLATE "C" where your own models order such texts, or create the database with'
    return SiteCheck(name, "warn", detail, f"{cure} `createdb --locale C --template template0`")


def _clock(server: _Server, ours: datetime) -> SiteCheck:
    off = abs(server.clock - ours)
    detail = f"the server's clock is {off.total_seconds():.0f} s off this machine's"
    cure = "let both machines keep their time by NTP: timedatectl set-ntp true"
    return SiteCheck("warehouse clock", "warn" if off > _SKEW else "ok", detail, cure)


def _space(server: _Server) -> SiteCheck:
    used = f"the database has {size(server.bytes)}"
    name, folder = "warehouse space", Path(server.folder or "")
    if not server.folder or not os.path.exists(folder):  # noqa: PTH110 - of no right to look
        return SiteCheck(name, "ok", f"{used}; the server does not say what is free")
    free = shutil.disk_usage(folder).free
    detail = f"{size(free)} free, {used}"
    if free < server.bytes:
        cure = f"free some space in {folder}: a rebuild needs as much again"
        return SiteCheck(name, "warn", detail, cure)
    return SiteCheck(name, "ok", detail)


def _connections(server: _Server) -> SiteCheck:
    detail = f"{server.connections:,} connections are free"
    if server.connections < _LEAST_CONNECTIONS:
        cure = "raise max_connections of the server, or let other programs end"
        return SiteCheck("warehouse connections", "warn", detail, cure)
    return SiteCheck("warehouse connections", "ok", detail)


def _limits(database: PostgresConnection, server: _Server) -> Iterator[SiteCheck]:
    limits = _rows(database, _LIMITS)
    for row in limits:
        detail = f"{row['name']} is {row['value']}: a load or a rebuild that takes more is ended"
        cure = compose(
            "ALTER ROLE {user} IN DATABASE {database} SET {limit} = {none}",
            user=SqlName(server.user_name),
            database=SqlName(server.database_name),
            limit=Sql(row["name"]),
            none=row["none"],
        )
        yield SiteCheck("warehouse limits", "warn", detail, cure)
    if not limits:
        yield SiteCheck("warehouse limits", "ok", "no limit of time or temporary files ends a run")


def _holders(database: PostgresConnection) -> Iterator[SiteCheck]:
    holders = _rows(database, compose(_HOLDERS, schemas=_schema_list(database)))
    for row in holders:
        who = " ".join(filter(None, (row["user_name"], row["program"] and f"({row['program']})")))
        since = f" since {row['since']}Z" if row["since"] else ""
        more = f" and {row['tables'] - 1:,} more" if row["tables"] > 1 else ""
        detail = f"session {row['pid']} of {who} holds {row['example']}{more}{since}"
        if row["is_exclusive"]:
            cure = f"end it, or SELECT pg_terminate_backend({row['pid']})"
            yield SiteCheck("warehouse locks", "warn", f"{detail}: a load waits for it", cure)
        else:
            waits = "only a change of columns waits for it"
            yield SiteCheck("warehouse locks", "ok", f"{detail}; {waits}")
    if not holders:
        yield SiteCheck("warehouse locks", "ok", "no other session holds a table")


def _schema_list(database: PostgresConnection) -> Sql:
    return join(", ", map(literal, sorted({*SCHEMAS, database.schema})))


def _rows(database: PostgresConnection, sql: str) -> list[dict[str, Any]]:
    return database.query(sql).to_pylist()
