"""A stand-in's state in one SQLite file, and the lock on its folder."""

from __future__ import annotations

import fcntl
import hashlib
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from typing_extensions import override

from seil.errors import ConfigurationError, ConflictError, Problem

__all__ = ["FolderStore", "StateFile", "lock_folder", "token_digest"]

_LOCK_NAME = "in-use"


class StateFile:
    """An SQLite file with this schema, created if missing; safe to use from several threads.

    `is_new` says that it held no table before. Raises ConfigurationError for any other file.
    """

    def __init__(self, file: Path, schema: str) -> None:
        self._lock = threading.RLock()
        try:
            self._db = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
        except sqlite3.Error as error:
            raise _unusable(file, error) from error
        try:
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self.is_new = not self._rows("SELECT 1 FROM sqlite_master LIMIT 1")
            self._db.executescript(schema)
        except sqlite3.Error as error:
            self._db.close()
            raise _unusable(file, error) from error

    def close(self) -> None:
        with self._lock:
            self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Exclusive among threads, rolled back on an error. Transactions do not nest."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def _rows(self, sql: str, *values: object) -> list[Any]:
        with self._lock:
            return self._db.execute(sql, values).fetchall()


class FolderStore(StateFile):
    """An SQLite file whose folder no other stand-in may use until it is closed.

    Raises ConflictError if another one does, ConfigurationError if the folder or file is unusable.
    """

    def __init__(self, file: Path, schema: str) -> None:
        self._folder = lock_folder(file.parent)
        try:
            super().__init__(file, schema)
        except ConfigurationError:
            self._folder.close()
            raise

    @override
    def close(self) -> None:
        with self._lock:
            super().close()
            self._folder.close()


def lock_folder(folder: Path) -> IO[str]:
    """Makes the folder and locks it until the file is closed or the process ends.

    Raises ConflictError if it is locked, ConfigurationError if it cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / _LOCK_NAME).open("a")
    except OSError as error:
        reason = error.strerror or str(error)
        problem = Problem(str(folder), f"cannot hold the state: {reason}", "name another --state")
        raise ConfigurationError([problem]) from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.close()
        hint = "Stop it, or name another --state"
        raise ConflictError(f"Another stand-in runs in {folder}", hint=hint) from error
    return file


def token_digest(token: str) -> str:
    """Stored instead of the token, so that the file grants no access."""
    return hashlib.sha256(token.encode(errors="surrogateescape")).hexdigest()


def _unusable(file: Path, error: sqlite3.Error) -> ConfigurationError:
    return ConfigurationError([Problem(str(file), str(error), "remove it")])
