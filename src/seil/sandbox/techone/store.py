"""The stand-in's state in one SQLite file, which survives a restart."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from seil.sandbox.base.store import FolderStore, token_digest

FILE_NAME = "techone.sqlite"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS tokens (digest TEXT PRIMARY KEY, expires REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS debtors (number TEXT PRIMARY KEY, credit TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rows (
    id INTEGER PRIMARY KEY AUTOINCREMENT, place TEXT NOT NULL, key TEXT, body TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS rows_by_key ON rows (place, key);
"""


class TechOneStore(FolderStore):
    """`place` is "<warehouse>/<table>"."""

    def __init__(self, file: Path) -> None:
        super().__init__(file, _SCHEMA)

    def remember_token(self, token: str, expires: float) -> None:
        self._rows("INSERT INTO tokens VALUES (?, ?)", token_digest(token), expires)

    def knows_token(self, token: str, now: float) -> bool:
        sql = "SELECT 1 FROM tokens WHERE digest = ? AND expires > ?"
        return bool(self._rows(sql, token_digest(token), now))

    def forget_tokens(self) -> None:
        self._rows("DELETE FROM tokens")

    def credit(self, debtor: str) -> str | None:
        rows = self._rows("SELECT credit FROM debtors WHERE number = ?", debtor)
        return str(rows[0][0]) if rows else None

    def set_credit(self, debtor: str, credit: str) -> None:
        self._rows("INSERT OR REPLACE INTO debtors VALUES (?, ?)", debtor, credit)

    def debtors(self) -> dict[str, str]:
        return dict(self._rows("SELECT number, credit FROM debtors ORDER BY number"))

    def places(self) -> dict[str, int]:
        return dict(self._rows("SELECT place, count(*) FROM rows GROUP BY place ORDER BY place"))

    def rows(self, table: str) -> list[tuple[int, dict[str, str]]]:
        """(number, row) in order of arrival."""
        rows = self._rows("SELECT id, body FROM rows WHERE place = ? ORDER BY id", table)
        return [(number, json.loads(body)) for number, body in rows]

    def row_by_key(self, table: str, key: str) -> tuple[int, dict[str, str]] | None:
        rows = self._rows("SELECT id, body FROM rows WHERE place = ? AND key = ?", table, key)
        return (rows[0][0], json.loads(rows[0][1])) if rows else None

    def add_row(self, table: str, key: str | None, row: Mapping[str, str]) -> None:
        body = json.dumps(row, ensure_ascii=False)
        self._rows("INSERT INTO rows (place, key, body) VALUES (?, ?, ?)", table, key, body)

    def change_row(self, number: int, row: Mapping[str, str]) -> None:
        body = json.dumps(row, ensure_ascii=False)
        self._rows("UPDATE rows SET body = ? WHERE id = ?", body, number)

    def remove_row(self, number: int) -> None:
        self._rows("DELETE FROM rows WHERE id = ?", number)
