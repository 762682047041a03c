"""Everything the stand-in remembers, in one SQLite file: a restart goes on where it was."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from seil.errors import ConfigurationError, Problem
from seil.sandbox.holding import held

FILE_NAME = "network.sqlite"

_LARGEST = (1 << 63) - 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS things (
    kind TEXT, id INTEGER, body TEXT NOT NULL, PRIMARY KEY (kind, id)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tokens (
    digest TEXT PRIMARY KEY, scopes TEXT NOT NULL, expires REAL NOT NULL
) WITHOUT ROWID;
"""
_INDEXED = ("displayName", "order", "proposalId", "reservationStatus")
_INDEX = "CREATE INDEX IF NOT EXISTS things_{0} ON things (kind, body ->> '$.{0}');"
_HAVING = "SELECT body FROM things WHERE kind = ? AND body ->> '$.{0}' = ? ORDER BY id"


class Store:
    """One request at a time: whoever is in `transaction` is alone, and an error undoes it all.

    Raises ConfigurationError for a file that is something else, ConflictError where another store
    has the folder.
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
            self._db.executescript(_SCHEMA + "\n".join(map(_INDEX.format, _INDEXED)))
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

    def get(self, kind: str, number: int) -> dict[str, Any] | None:
        if number > _LARGEST:
            return None
        found = self._rows("SELECT body FROM things WHERE kind = ? AND id = ?", kind, number)
        return json.loads(found[0][0]) if found else None

    def put(self, kind: str, number: int, body: dict[str, Any]) -> None:
        sql = "INSERT OR REPLACE INTO things VALUES (?, ?, ?)"
        self._rows(sql, kind, number, json.dumps(body, ensure_ascii=False))

    def remove(self, kind: str, number: int) -> None:
        self._rows("DELETE FROM things WHERE kind = ? AND id = ?", kind, number)

    def all(self, kind: str) -> list[dict[str, Any]]:
        """By id."""
        found = self._rows("SELECT body FROM things WHERE kind = ? ORDER BY id", kind)
        return [json.loads(body) for (body,) in found]

    def having(self, kind: str, member: str, value: str) -> list[dict[str, Any]]:
        """Those with this value of an indexed member, by id."""
        sql = _HAVING.format(member)  # A bound path would keep SQLite from the index.
        return [json.loads(body) for (body,) in self._rows(sql, kind, value)]

    def counts(self) -> dict[str, int]:
        return dict(self._rows("SELECT kind, count(*) FROM things GROUP BY kind ORDER BY kind"))

    def next_id(self, kind: str, first: int) -> int:
        """Never given twice."""
        number = int(self.fact(f"next {kind}") or first)
        self.set_fact(f"next {kind}", str(number + 1))
        return number

    def fact(self, name: str) -> str | None:
        found = self._rows("SELECT value FROM facts WHERE name = ?", name)
        return str(found[0][0]) if found else None

    def set_fact(self, name: str, value: str) -> None:
        self._rows("INSERT OR REPLACE INTO facts VALUES (?, ?)", name, value)

    def remember_token(self, token: str, scopes: str, expires: float) -> None:
        """As a digest: the file gives no access to anything."""
        self._rows(
            "INSERT OR REPLACE INTO tokens VALUES (?, ?, ?)", _digest(token), scopes, expires
        )

    def token_scopes(self, token: str, now: float) -> frozenset[str] | None:
        """None for a token that is not known or no longer good."""
        sql = "SELECT scopes FROM tokens WHERE digest = ? AND expires > ?"
        found = self._rows(sql, _digest(token), now)
        return frozenset(found[0][0].split()) if found else None

    def forget_tokens(self) -> None:
        self._rows("DELETE FROM tokens")

    def _rows(self, sql: str, *values: object) -> list[Any]:
        with self._lock:
            return self._db.execute(sql, values).fetchall()


def _unusable(file: Path, error: sqlite3.Error) -> ConfigurationError:
    return ConfigurationError([Problem(str(file), str(error), "remove it")])


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode(errors="surrogateescape")).hexdigest()
