"""The state as a SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from seil.errors import StateError
from seil.sqlite_file import SqliteFile, SqliteFormat
from seil.state.database import Row, storable
from seil.state.schema import is_current, migrate, read_meta

_CURE = (
    "Move it away with `mv {path} {path}.broken`, then put a backup back with `seil state restore`;"
    " without one, runs are forgotten and decisions have to be taken again"
)


class SqliteDatabase:
    def __init__(self, path: Path) -> None:
        kind = SqliteFormat("[state] url", _CURE, _error)
        self._is_old = False
        self._file = SqliteFile(path, kind, self._create, self._check)
        self.path = path

    @property
    def place(self) -> str:
        return str(self.path)

    @property
    def is_stored(self) -> bool:
        return self.path.exists() and self.path.stat().st_size > 0

    def rows(self, sql: str, **parameters: Any) -> list[Row]:
        self._migrate()
        return self._file.rows(sql, storable(parameters))

    @contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[SqliteTransaction]:
        self._migrate()
        with self._file.transaction(durable=durable) as connection:
            yield SqliteTransaction(connection)

    @contextmanager
    def snapshot(self) -> Iterator[SqliteTransaction]:
        """It keeps the write lock: the whole of a state is small."""
        with self.transaction() as transaction:
            yield transaction

    def copy(self, target: Path) -> None:
        self._migrate()
        self._file.copy(target)

    def settle(self) -> None:
        """All in the one file, for who moves it."""
        self._file.rows("PRAGMA wal_checkpoint(TRUNCATE)")
        self._file.rows("PRAGMA journal_mode = DELETE")

    def close(self) -> None:
        self._file.close()

    def _migrate(self) -> None:
        """A file of an earlier version: seen when it is opened, migrated before it is used."""
        self._file.rows("SELECT 1")
        if self._is_old:
            with self._file.transaction() as connection:
                migrate(self.place, SqliteTransaction(connection))
            self._is_old = False

    def _create(self, connection: sqlite3.Connection) -> None:
        migrate(self.place, SqliteTransaction(connection))

    def _check(self, connection: sqlite3.Connection) -> None:
        try:
            meta = read_meta(SqliteTransaction(connection).rows)
        except sqlite3.OperationalError as error:
            reason = f"it is no state that SEIL wrote ({error})"
            raise self._file.error(
                "open", reason, "Point [state] url at a file of its own"
            ) from error
        self._is_old = not is_current(self.place, meta)


class SqliteTransaction:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def rows(self, sql: str, **parameters: Any) -> list[Row]:
        return self._connection.execute(sql, storable(parameters)).fetchall()

    def stream(self, sql: str) -> Iterator[Row]:
        yield from self._connection.execute(sql)

    def execute(self, sql: str, **parameters: Any) -> int:
        return self._connection.execute(sql, storable(parameters)).rowcount

    def execute_many(self, sql: str, many: Iterable[Mapping[str, Any]]) -> None:
        for parameters in many:
            self._connection.execute(sql, storable(parameters))


def _error(path: str, operation: str, reason: str, hint: str) -> StateError:
    return StateError(path, operation, reason, hint=hint)
