"""The stand-in's state in one SQLite file, which survives a restart."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from seil.sandbox.base.store import FolderStore, token_digest

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
# Left to itself, SQLite reads all of the kind by the primary key.
_HAVING = (
    "SELECT body FROM things INDEXED BY things_{0} "
    "WHERE kind = ? AND body ->> '$.{0}' = ? ORDER BY id"
)

_PAGE = "SELECT id, body FROM things WHERE kind = ? AND id > ? ORDER BY id LIMIT 1000"


class NetworkStore(FolderStore):
    """Objects by kind and id, facts by name, and tokens."""

    def __init__(self, file: Path) -> None:
        super().__init__(file, _SCHEMA + "\n".join(map(_INDEX.format, _INDEXED)))

    def get(self, kind: str, number: int) -> dict[str, Any] | None:
        if number > _LARGEST:
            return None
        rows = self._rows("SELECT body FROM things WHERE kind = ? AND id = ?", kind, number)
        return json.loads(rows[0][0]) if rows else None

    def put(self, kind: str, number: int, body: dict[str, Any]) -> None:
        sql = "INSERT OR REPLACE INTO things VALUES (?, ?, ?)"
        self._rows(sql, kind, number, json.dumps(body, ensure_ascii=False))

    def remove(self, kind: str, number: int) -> None:
        self._rows("DELETE FROM things WHERE kind = ? AND id = ?", kind, number)

    def all(self, kind: str) -> list[dict[str, Any]]:
        """By id."""
        rows = self._rows("SELECT body FROM things WHERE kind = ? ORDER BY id", kind)
        return [json.loads(body) for (body,) in rows]

    def each(self, kind: str) -> Iterator[dict[str, Any]]:
        """Like `all`, but streams."""
        after = -1
        while rows := self._rows(_PAGE, kind, after):
            for number, body in rows:
                after = number
                yield json.loads(body)

    def having(self, kind: str, member: str, value: str) -> list[dict[str, Any]]:
        """Those with this value of an indexed member, by id."""
        sql = _HAVING.format(member)  # A bound path would keep SQLite from the index.
        return [json.loads(body) for (body,) in self._rows(sql, kind, value)]

    def counts(self) -> dict[str, int]:
        return dict(self._rows("SELECT kind, count(*) FROM things GROUP BY kind ORDER BY kind"))

    def next_id(self, kind: str, first: int) -> int:
        """Never returns a number twice."""
        number = int(self.fact(f"next {kind}") or first)
        self.set_fact(f"next {kind}", str(number + 1))
        return number

    def fact(self, name: str) -> str | None:
        rows = self._rows("SELECT value FROM facts WHERE name = ?", name)
        return str(rows[0][0]) if rows else None

    def set_fact(self, name: str, value: str) -> None:
        self._rows("INSERT OR REPLACE INTO facts VALUES (?, ?)", name, value)

    def remember_token(self, token: str, scopes: str, expires: float) -> None:
        self._rows(
            "INSERT OR REPLACE INTO tokens VALUES (?, ?, ?)", token_digest(token), scopes, expires
        )

    def token_scopes(self, token: str, now: float) -> frozenset[str] | None:
        """None for an unknown or expired token."""
        sql = "SELECT scopes FROM tokens WHERE digest = ? AND expires > ?"
        rows = self._rows(sql, token_digest(token), now)
        return frozenset(rows[0][0].split()) if rows else None

    def forget_tokens(self) -> None:
        self._rows("DELETE FROM tokens")
