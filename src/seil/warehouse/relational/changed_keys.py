"""The keys of rows that builds changed, of each built table's last versions.

Whoever keeps a copy of a table brings it up to date from these. A full build breaks the chain of
versions: the copy is compared then.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from seil.warehouse.bookkeeping import ChangedKeys, KeyedChange
from seil.warehouse.bookkeeping_tables import CHANGED_KEYS, KEY_PARTS
from seil.warehouse.sql import Sql, SqlName, compose, join, literal, quote

if TYPE_CHECKING:
    from seil.warehouse.relational.database import RelationalDatabase
    from seil.warehouse.tables import TableName

_VERSIONS = 20
_RECORD = """
    INSERT INTO seil.changed_keys (table_name, version, previous, {parts})
    SELECT DISTINCT {table}, {version}, {previous}, {values} FROM (
        SELECT {columns} FROM {added} UNION ALL SELECT {columns} FROM {removed}
    ) AS changed"""
_PRUNE = """
    DELETE FROM seil.changed_keys WHERE table_name = {table} AND version NOT IN (
        SELECT version FROM (
            SELECT DISTINCT version FROM seil.changed_keys WHERE table_name = {table}
        ) AS versions ORDER BY version DESC LIMIT {count})"""
_KEYS = """
    SELECT DISTINCT {parts} FROM seil.changed_keys
    WHERE table_name = {table} AND version IN ({versions})"""
# An equality, not IS NOT DISTINCT FROM, which PostgreSQL would join row by row. No key is the
# noncharacter U+FFFF.
_ROWS = "SELECT t.* FROM {place} AS t JOIN ({keys}) AS k ON {same}"
_NULL = "\uffff"


def record_changed_keys(database: RelationalDatabase, change: KeyedChange) -> None:
    """Once for each version; keeps the last ones. Not of a key with more parts than are stored."""
    if not 0 < len(change.key) <= KEY_PARTS:
        return
    values = [compose("CAST({n} AS VARCHAR)", n=SqlName(name)) for name in change.key]
    record = compose(
        _RECORD,
        table=str(change.table),
        version=change.version,
        previous=change.previous,
        parts=_parts(change.key),
        values=join(", ", values),
        columns=join(", ", map(quote, change.key)),
        added=SqlName(change.rows.added),
        removed=SqlName(change.rows.removed),
    )
    database.execute(record)
    database.execute(compose(_PRUNE, table=str(change.table), count=_VERSIONS))


def changed_keys(
    database: RelationalDatabase, table: TableName, key: Sequence[str], *, since: str, until: str
) -> ChangedKeys | None:
    """See `seil.warehouse.bookkeeping.Bookkeeping.changed_keys`."""
    if not 0 < len(key) <= KEY_PARTS or database.columns(CHANGED_KEYS) is None:
        return None
    versions = _chain(database, table, since, until)
    if not versions:
        return None
    names = [quote(f"part_{number}") for number in range(1, len(key) + 1)]
    aliases = zip(names, map(quote, key), strict=True)
    select = compose(
        _KEYS,
        parts=join(", ", [compose("{p} AS {n}", p=p, n=n) for p, n in aliases]),
        table=str(table),
        versions=join(", ", map(literal, versions)),
    )
    same = [
        compose(
            "coalesce(CAST(t.{n} AS VARCHAR), {null}) = coalesce(k.{n}, {null})",
            n=SqlName(name),
            null=_NULL,
        )
        for name in key
    ]
    rows = compose(_ROWS, place=quote(table), keys=select, same=join(" AND ", same))
    return ChangedKeys(database.query(select), rows)


def _chain(database: RelationalDatabase, table: TableName, since: str, until: str) -> list[str]:
    """The versions that lead from one to another; empty where one of them is not stored."""
    select = "SELECT DISTINCT version, previous FROM seil.changed_keys WHERE table_name = {table}"
    rows = database.query(compose(select, table=str(table))).to_pylist()
    previous = {row["version"]: row["previous"] for row in rows}
    versions: list[str] = []
    version = until
    while version != since:
        if version not in previous:
            return []
        versions.append(version)
        version = previous.pop(version)
    return versions


def _parts(key: Sequence[str]) -> Sql:
    return join(", ", [quote(f"part_{number}") for number in range(1, len(key) + 1)])
