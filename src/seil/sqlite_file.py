"""A SQLite file shared by threads and processes: opening, transactions, translated errors.

WAL, so that other processes read while one writes. synchronous=FULL, so that commits are durable:
with NORMAL a power cut loses the last commits of a WAL database
(https://www.sqlite.org/pragma.html#pragma_synchronous).
"""

from __future__ import annotations

import os
import shlex
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seil.errors import SeilError

APPLICATION_ID = 0x5345494C  # "SEIL"
IN_MEMORY = ":memory:"
SQLITE_VERSION = sqlite3.sqlite_version
LOCK_TIMEOUT = 30.0
_WAL_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class SqliteFormat:
    """`setting` is where its path is configured; `cure` says how to replace a corrupt file, with
    {path} for its shell-quoted path; `error` takes path, operation, reason and hint.
    """

    setting: str
    cure: str
    error: Callable[[str, str, str, str], SeilError]


class SqliteFile:
    """One connection, shared by the threads of a process; opened at first use.

    `create(connection)` creates the tables of a new file, `check(connection)` checks those of an
    existing one and raises `error(...)`; both run in a transaction.
    """

    def __init__(
        self,
        path: Path,
        kind: SqliteFormat,
        create: Callable[[sqlite3.Connection], None],
        check: Callable[[sqlite3.Connection], None],
    ) -> None:
        self.path = path
        self._kind = kind
        self._create = create
        self._check = check
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None

    def rows(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> list[Any]:
        with self._lock, self.translate_errors("read"):
            return self._open().execute(sql, parameters).fetchall()

    @contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[sqlite3.Connection]:
        """Atomic; writers wait for the one write lock.

        Without `durable` a commit survives the process, but perhaps not a power cut.
        """
        with self._lock, self.translate_errors("write to"):
            connection = self._open()
            if not durable:
                connection.execute("PRAGMA synchronous = NORMAL")
            try:
                connection.execute("BEGIN IMMEDIATE")
                try:
                    yield connection
                except BaseException:
                    connection.rollback()
                    raise
                connection.commit()
            finally:
                if not durable:
                    connection.execute("PRAGMA synchronous = FULL")

    def shrink(self) -> None:
        """Returns the pages of deleted rows to the file system."""
        with self._lock, self.translate_errors("write to"):
            # execute() would step once, which frees one page.
            self._open().executescript("PRAGMA incremental_vacuum; PRAGMA wal_checkpoint(TRUNCATE)")

    def copy(self, target: Path) -> None:
        """A consistent copy, also while others write (https://www.sqlite.org/backup.html)."""
        with self._lock, self.translate_errors("copy"), sqlite3.connect(target) as backup:
            self._open().backup(backup)
            backup.execute("PRAGMA journal_mode = DELETE")
        backup.close()

    def close(self) -> None:
        with self._lock:
            if self._connection:
                self._connection.close()
            self._connection = None

    def error(self, operation: str, reason: str, hint: str = "") -> SeilError:
        place = shlex.quote(str(self.path))
        return self._kind.error(str(self.path), operation, reason, hint.replace("{path}", place))

    @contextmanager
    def translate_errors(self, operation: str) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
            raise self.error(operation, reason, self._hint(error)) from error

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
        """Opens it read-only without write permission (https://www.sqlite.org/wal.html#readonly)."""
        if str(self.path) == IN_MEMORY:
            return f"file:{IN_MEMORY}"
        uri = self.path.absolute().as_uri()
        if not self.path.exists() or all(
            os.access(p, os.W_OK) for p in (self.path, self.path.parent)
        ):
            return uri
        # Without a WAL file there is no writer, and a reader without permission cannot create one.
        log = self.path.with_name(f"{self.path.name}-wal")
        return f"{uri}?mode=ro" if log.exists() else f"{uri}?mode=ro&immutable=1"

    def _prepare(self, connection: sqlite3.Connection) -> None:
        # In one snapshot: another process may be creating the tables.
        connection.execute("BEGIN")
        is_new = self._is_new(connection)
        connection.rollback()
        if is_new:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            _switch_to_wal(connection)
            connection.execute("BEGIN IMMEDIATE")
            if self._is_new(connection):
                self._create(connection)
                connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.commit()
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES}")

    def _is_new(self, connection: sqlite3.Connection) -> bool:
        application_id = connection.execute("PRAGMA application_id").fetchone()[0]
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if application_id == 0 and not tables:
            return True
        if application_id != APPLICATION_ID:
            reason = "it is another program's SQLite database"
            raise self.error("open", reason, f"Point {self._kind.setting} at a file of its own")
        self._check(connection)
        return False

    def _damage_hint(self) -> str:
        """The cure moves the file away: only for one that is certainly SEIL's."""
        with suppress(OSError), self.path.open("rb") as file:
            # The header's application id: https://www.sqlite.org/fileformat.html
            if file.read(100)[68:72] == APPLICATION_ID.to_bytes(4):
                return self._kind.cure
        return (
            f"If it is another program's file, point {self._kind.setting} at one of its own; if it "
            "is SEIL's own and damaged, move it away first"
        )

    def _hint(self, error: Exception) -> str:
        rights = f"Give this user the right to write there, or change {self._kind.setting}"
        if isinstance(error, OSError):
            return rights
        hints = {
            sqlite3.SQLITE_NOTADB: self._damage_hint(),
            sqlite3.SQLITE_CORRUPT: self._damage_hint(),
            sqlite3.SQLITE_FULL: "The disk is full: free some space, then run the same command"
            " again",
            sqlite3.SQLITE_BUSY: "Another process holds its lock; run the same command again",
            sqlite3.SQLITE_READONLY: rights,
            sqlite3.SQLITE_CANTOPEN: rights,
        }
        # The low byte is the primary code: https://www.sqlite.org/rescode.html
        return hints.get(getattr(error, "sqlite_errorcode", 0) & 0xFF, "")


def _switch_to_wal(connection: sqlite3.Connection) -> None:
    # The busy timeout does not apply when two connections switch to WAL at once.
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
