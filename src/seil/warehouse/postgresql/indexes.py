"""Primary keys and indexes of the tables that builds read and write.

Making an index locks out no reader. A primary key and the end of an index need a moment alone with
the table; where a reader has it, they are left to the next build.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg.errors import IntegrityError, LockNotAvailable, ProgramLimitExceeded

from seil.errors import WarehouseError
from seil.warehouse.sql import Sql, SqlName, compose, join, literal, quote

if TYPE_CHECKING:
    from seil.warehouse.builds import TableAccess
    from seil.warehouse.postgresql.connection import PostgresConnection
    from seil.warehouse.tables import TableName

log = logging.getLogger(__name__)

_PREFIX = "seil_by_"
_TABLES = """
SELECT n.nspname AS schema, c.relname AS name,
       (SELECT CAST(json_agg(a.attname) AS text) FROM pg_attribute AS a
        WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns,
       (SELECT CAST(json_agg(a.attname) AS text) FROM pg_attribute AS a
        WHERE a.attrelid = c.oid AND a.attnum > 0
        AND a.atttypid = CAST('text' AS regtype)) AS texts,
       (SELECT k.conname FROM pg_constraint AS k
        WHERE k.conrelid = c.oid AND k.contype = 'p') AS key_name,
       (SELECT CAST(json_agg(a.attname ORDER BY array_position(k.conkey, a.attnum)) AS text)
        FROM pg_constraint AS k
        JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = ANY (k.conkey)
        WHERE k.conrelid = c.oid AND k.contype = 'p') AS key,
       (SELECT CAST(json_agg(i.relname) AS text)
        FROM pg_index AS x JOIN pg_class AS i ON i.oid = x.indexrelid
        WHERE x.indrelid = c.oid AND starts_with(i.relname, {prefix})) AS indexes
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND n.nspname IN ({schemas})"""
# Of a text only the hash is stored: a sorted index refuses texts above a third of a page, and with
# them the row, for ever. Joins look for equal values alone.
# https://www.postgresql.org/docs/current/hash-index.html
_CREATE = "CREATE INDEX {index} ON {table} USING {method} ({column})"
_ADD_KEY = "ALTER TABLE {table} ADD PRIMARY KEY ({columns})"
_DROP_KEY = "ALTER TABLE {table} DROP CONSTRAINT {name}"


@dataclass(frozen=True)
class _Table:
    """As it is; `indexes` are those that SEIL made."""

    place: Sql
    columns: frozenset[str]
    texts: frozenset[str]
    key_name: str | None
    key: tuple[str, ...]
    indexes: frozenset[str]

    def method(self, column: str) -> str:
        return "hash" if column in self.texts else "btree"

    def index_name(self, table: TableName, column: str) -> str:
        """Within the 63 bytes that a name can have; of another method, another name."""
        digest = hashlib.sha256(f"{table}.{column} {self.method(column)}".encode()).hexdigest()[:8]
        return f"{_PREFIX}{table.name[:20]}_{column[:24]}_{digest}"


@dataclass
class Indexes:
    database: PostgresConnection

    def arrange(self, tables: Mapping[TableName, TableAccess]) -> None:
        """Within a transaction, as its last step: it may lock tables until the end."""
        existing = self.existing(tables)
        for name, access in sorted(tables.items()):
            if table := existing.get(name):
                self._make_indexes(table, name, access)
        for name, access in sorted(tables.items()):
            if table := existing.get(name):
                self._set_key(table, access.key)
                self._drop_indexes(table, name, access)

    def _make_indexes(self, table: _Table, name: TableName, access: TableAccess) -> None:
        for column in sorted(access.lookups & table.columns - {*access.key[:1], *table.key[:1]}):
            index = table.index_name(name, column)
            if index not in table.indexes:
                names = {"index": SqlName(index), "column": SqlName(column)}
                method = Sql(table.method(column))
                create = compose(_CREATE, table=table.place, method=method, **names)
                self.database.execute(create)

    def _set_key(self, table: _Table, key: tuple[str, ...]) -> None:
        if not key or table.key == key or not table.columns.issuperset(key):
            return
        place = table.place
        drop = compose(_DROP_KEY, table=place, name=SqlName(table.key_name or ""))
        add = compose(_ADD_KEY, table=place, columns=join(", ", map(quote, key)))
        self._change(table, [drop, add] if table.key_name else [add])

    def _drop_indexes(self, table: _Table, name: TableName, access: TableAccess) -> None:
        unused = table.indexes - {table.index_name(name, column) for column in access.lookups}
        schema = name.schema or self.database.schema
        places = [quote(name._replace(schema=schema, name=index)) for index in sorted(unused)]
        if places:
            self._change(table, [compose("DROP INDEX {i}", i=place) for place in places])

    def _change(self, table: _Table, statements: Sequence[Sql]) -> None:
        """Left out while somebody reads the table."""
        lock = compose("LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE NOWAIT", table=table.place)
        try:
            with self.database.savepoint():
                for statement in (lock, *statements):
                    self.database.execute(statement)
        except WarehouseError as error:
            if isinstance(error.__cause__, LockNotAvailable):
                log.info("%s is read: its key and indexes stay as they are", table.place)
            elif isinstance(error.__cause__, IntegrityError | ProgramLimitExceeded):
                log.warning("%s has no primary key: %s", table.place, error.reason)
            else:
                raise

    def existing(self, tables: Iterable[TableName]) -> dict[TableName, _Table]:
        tables, own = list(tables), self.database.schema
        names = sorted({literal(table.schema or own) for table in tables})
        select = compose(_TABLES, schemas=join(", ", names), prefix=_PREFIX)
        places = {(table.schema or own, table.name): table for table in tables}
        return {
            places[row["schema"], row["name"]]: _Table(
                self.database.qualify(places[row["schema"], row["name"]]),
                frozenset(_texts(row["columns"])),
                frozenset(_texts(row["texts"])),
                row["key_name"],
                tuple(_texts(row["key"])),
                frozenset(_texts(row["indexes"])),
            )
            for row in self.database.query(select).to_pylist()
            if (row["schema"], row["name"]) in places
        }


def _texts(names: str | None) -> list[str]:
    return [str(name) for name in json.loads(names or "[]")]


def insert_rows(database: PostgresConnection, table: TableName, insert: Sql) -> None:
    """Without the primary key from then on, if a value is too long for it."""
    try:
        with database.savepoint():
            database.execute(insert)
    except WarehouseError as error:
        keys = [t.key_name for t in Indexes(database).existing([table]).values() if t.key_name]
        if not isinstance(error.__cause__, ProgramLimitExceeded) or not keys:
            raise
        place = database.qualify(table)
        database.execute(compose(_DROP_KEY, table=place, name=SqlName(keys[0])))
        database.execute(insert)
        log.warning("%s has no primary key any more: %s", place, error.reason)
