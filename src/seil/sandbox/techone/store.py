"""Everything the stand-in remembers, in one SQLite file: a restart goes on where it was."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from seil.errors import ConfigurationError, Problem
from seil.sandbox.holding import held

FILE_NAME = "techone.sqlite"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS tokens (digest TEXT PRIMARY KEY, expires REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS debtors (number TEXT PRIMARY KEY, credit TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rows (
    id INTEGER PRIMARY KEY AUTOINCREMENT, place TEXT NOT NULL, key TEXT, body TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS rows_by_key ON rows (place, key);
"""


class Store:
    """One writer at a time: whoever is in `transaction` is alone, and an error undoes it all.

    `place` is "<warehouse>/<table>". Raises ConfigurationError for a file that is something else,
    ConflictError where another store has the folder.
    """

    def __init__(self, file: Path) -> None:
        self._folder = held(file.parent)
        self._lock = threading.RLock()
        try:
            self._db = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
        except sqlite3.Error as error:
            self._folder.close()
            raise _unusable(file, error) from error
        try:
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self.new = not self._rows("SELECT 1 FROM sqlite_master WHERE name = 'debtors'")
            self._db.executescript(_SCHEMA)
        except sqlite3.Error as error:
            self.close()
            raise _unusable(file, error) from error

    def close(self) -> None:
        with self._lock:
            self._db.close()
            self._folder.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def remember_token(self, token: str, expires: float) -> None:
        """As a digest: the file gives no access to anything."""
        self._rows("INSERT INTO tokens VALUES (?, ?)", _digest(token), expires)

    def knows_token(self, token: str, now: float) -> bool:
        sql = "SELECT 1 FROM tokens WHERE digest = ? AND expires > ?"
        return bool(self._rows(sql, _digest(token), now))

    def forget_tokens(self) -> None:
        self._rows("DELETE FROM tokens")

    def credit(self, debtor: str) -> str | None:
        found = self._rows("SELECT credit FROM debtors WHERE number = ?", debtor)
        return str(found[0][0]) if found else None

    def set_credit(self, debtor: str, credit: str) -> None:
        self._rows("INSERT OR REPLACE INTO debtors VALUES (?, ?)", debtor, credit)

    def debtors(self) -> dict[str, str]:
        return dict(self._rows("SELECT number, credit FROM debtors ORDER BY number"))

    def places(self) -> dict[str, int]:
        return dict(self._rows("SELECT place, count(*) FROM rows GROUP BY place ORDER BY place"))

    def rows(self, place: str) -> list[tuple[int, dict[str, str]]]:
        """In the order of their arrival, each with its number."""
        found = self._rows("SELECT id, body FROM rows WHERE place = ? ORDER BY id", place)
        return [(number, json.loads(body)) for number, body in found]

    def row_by_key(self, place: str, key: str) -> tuple[int, dict[str, str]] | None:
        found = self._rows("SELECT id, body FROM rows WHERE place = ? AND key = ?", place, key)
        return (found[0][0], json.loads(found[0][1])) if found else None

    def add_row(self, place: str, key: str | None, row: Mapping[str, str]) -> None:
        body = json.dumps(row, ensure_ascii=False)
        self._rows("INSERT INTO rows (place, key, body) VALUES (?, ?, ?)", place, key, body)

    def change_row(self, number: int, row: Mapping[str, str]) -> None:
        body = json.dumps(row, ensure_ascii=False)
        self._rows("UPDATE rows SET body = ? WHERE id = ?", body, number)

    def remove_row(self, number: int) -> None:
        self._rows("DELETE FROM rows WHERE id = ?", number)

    def _rows(self, sql: str, *values: object) -> list[Any]:
        with self._lock:
            return self._db.execute(sql, values).fetchall()


def _unusable(file: Path, error: sqlite3.Error) -> ConfigurationError:
    return ConfigurationError([Problem(str(file), str(error), "remove it")])


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode(errors="surrogateescape")).hexdigest()
