"""The SQLite file below the journal: opening it, transactions, one kind of error.

WAL, so that other processes read while a run writes. synchronous=FULL, because `Bus.publish`
promises that an event is stored when it returns: with NORMAL a power cut takes back the last
commits of a WAL database (https://www.sqlite.org/pragma.html#pragma_synchronous). That costs one
fsync per call of publish, and events come one per file, not one per record.
"""

from __future__ import annotations

import os
import shlex
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from seil.errors import JournalError

APPLICATION_ID = 0x5345494C  # "SEIL"
VERSION = 1
LOCK_TIMEOUT = 30.0
_WAL_BYTES = 64 * 1024 * 1024

_TABLES = """
CREATE TABLE events (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    time TEXT NOT NULL,
    source TEXT NOT NULL,
    detail_type TEXT NOT NULL,
    object TEXT COLLATE NOCASE,
    state TEXT,
    body TEXT NOT NULL
);
CREATE INDEX events_time ON events (time);
CREATE TABLE files (
    key TEXT NOT NULL,
    seq INTEGER NOT NULL REFERENCES events ON DELETE CASCADE,
    PRIMARY KEY (key, seq)
) WITHOUT ROWID;
CREATE INDEX files_seq ON files (seq);
CREATE TABLE subscribers (
    name TEXT PRIMARY KEY,
    cursor INTEGER NOT NULL,
    trying INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    seen_at TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE dead_letters (
    subscriber TEXT NOT NULL,
    seq INTEGER NOT NULL,
    reason TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    died_at TEXT NOT NULL,
    redeliver INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (subscriber, seq)
) WITHOUT ROWID;
"""


class JournalFile:
    """One connection, shared by the threads of a process; opened at first use."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None

    def rows(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> list[Any]:
        with self._lock, self._translated("read"):
            return self._open().execute(sql, parameters).fetchall()

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Writers queue up for the one write lock; all of the block is stored, or none of it."""
        with self._lock, self._translated("write to"):
            connection = self._open()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.rollback()
                raise
            connection.commit()

    def shrink(self) -> None:
        """Gives the pages of deleted rows back to the file system."""
        with self._lock, self._translated("write to"):
            # execute() would step once, which is one page.
            self._open().executescript("PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(TRUNCATE)")

    def close(self) -> None:
        with self._lock:
            if self._connection:
                self._connection.close()
            self._connection = None

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(
                self._uri(),
                uri=True,
                timeout=LOCK_TIMEOUT,
                isolation_level=None,
                check_same_thread=False,
            )
            try:
                self._prepare(connection)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
        return self._connection

    def _uri(self) -> str:
        """Who may only read it, may read it (https://www.sqlite.org/wal.html#readonly)."""
        uri = self.path.absolute().as_uri()
        if not self.path.exists() or all(
            os.access(p, os.W_OK) for p in (self.path, self.path.parent)
        ):
            return uri
        # Without a log nobody writes just now, and nobody here could make the file for readers.
        log = self.path.with_name(f"{self.path.name}-wal")
        return f"{uri}?mode=ro" if log.exists() else f"{uri}?mode=ro&immutable=1"

    def _prepare(self, connection: sqlite3.Connection) -> None:
        # In one snapshot: another process may be making the tables.
        connection.execute("BEGIN")
        is_new = self._is_new(connection)
        connection.rollback()
        if is_new:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            _switch_to_wal(connection)
            connection.execute("BEGIN IMMEDIATE")
            if self._is_new(connection):
                for statement in _TABLES.split(";\n"):
                    connection.execute(statement)
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
                connection.execute(f"PRAGMA user_version = {VERSION}")
            connection.commit()
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES}")

    def _is_new(self, connection: sqlite3.Connection) -> bool:
        application_id = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if application_id == 0 and not tables:
            return True
        if application_id != APPLICATION_ID:
            reason = "it is another program's SQLite database"
            raise self._error("open", reason, "Point [events] journal at a file of its own")
        if version != VERSION:
            reason = f"its format is version {version}, this SEIL writes {VERSION}"
            raise self._error("open", reason, _MOVE_AWAY)
        return False

    def _error(self, operation: str, reason: str, hint: str = "") -> JournalError:
        place = shlex.quote(str(self.path))
        return JournalError(str(self.path), operation, reason, hint=hint.format(path=place))

    @contextmanager
    def _translated(self, operation: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
            raise self._error(operation, reason, _hint(error)) from error


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    # SQLite does not wait for the lock here when two connections switch at once.
    deadline = time.monotonic() + LOCK_TIMEOUT
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").fetchone()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


_MOVE_AWAY = (
    "Move it away with `mv {path} {path}.broken`; a new one is made at the next run, and nothing "
    "else is lost"
)
_RIGHTS = "Give this user the right to write there, or change [events] journal"
_HINTS = {
    sqlite3.SQLITE_NOTADB: _MOVE_AWAY,
    sqlite3.SQLITE_CORRUPT: _MOVE_AWAY,
    sqlite3.SQLITE_FULL: "The disk is full: free some space, then run the same command again",
    sqlite3.SQLITE_BUSY: "Another process holds it for long; run the same command again",
    sqlite3.SQLITE_READONLY: _RIGHTS,
    sqlite3.SQLITE_CANTOPEN: _RIGHTS,
}


def _hint(error: Exception) -> str:
    if isinstance(error, OSError):
        return _RIGHTS
    # The low byte is the primary code: https://www.sqlite.org/rescode.html
    return _HINTS.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, "")
