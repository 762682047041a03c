"""The service's state beside the records: sessions, usage, jobs, query cursors.

One SQLite file beside the records, so that a restart goes on where it stopped.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from seil.sandbox.base.store import StateFile, token_digest

_SCHEMA = """
CREATE TABLE IF NOT EXISTS tokens (
    digest TEXT PRIMARY KEY, kind TEXT NOT NULL, client_id TEXT NOT NULL, expires REAL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS usage (
    day TEXT, name TEXT, used INTEGER NOT NULL, PRIMARY KEY (day, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS jobs (
    number INTEGER PRIMARY KEY, id TEXT UNIQUE NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS cursors (
    id TEXT PRIMARY KEY, body TEXT NOT NULL, created REAL NOT NULL
) WITHOUT ROWID;
"""


class ServiceState(StateFile):
    """Tokens are stored as digests: the file grants no access."""

    def __init__(self, file: Path) -> None:
        super().__init__(file, _SCHEMA)

    def remember_token(
        self, token: str, *, kind: str, client_id: str, expires: float | None
    ) -> None:
        self._rows(
            "INSERT OR REPLACE INTO tokens VALUES (?, ?, ?, ?)",
            token_digest(token),
            kind,
            client_id,
            expires,
        )

    def token(self, token: str, *, kind: str, now: float) -> tuple[str, float | None] | None:
        """(client id, expiry) of a valid token."""
        rows = self._rows(
            "SELECT client_id, expires FROM tokens"
            " WHERE digest = ? AND kind = ? AND (expires IS NULL OR expires > ?)",
            token_digest(token),
            kind,
            now,
        )
        return rows[0] if rows else None

    def forget_token(self, token: str) -> bool:
        """False when there was none."""
        sql = "DELETE FROM tokens WHERE digest = ? RETURNING 1"
        return bool(self._rows(sql, token_digest(token)))

    def has_tokens(self, kind: str) -> bool:
        return bool(self._rows("SELECT 1 FROM tokens WHERE kind = ? LIMIT 1", kind))

    def forget_access_tokens(self) -> None:
        self._rows("DELETE FROM tokens WHERE kind = 'access'")

    def count(self, day: str, name: str, amount: int = 1) -> int:
        """Adds to a day's counter, and returns its new value."""
        rows = self._rows(
            "INSERT INTO usage VALUES (?, ?, ?)"
            " ON CONFLICT (day, name) DO UPDATE SET used = used + excluded.used RETURNING used",
            day,
            name,
            amount,
        )
        return int(rows[0][0])

    def used(self, day: str) -> dict[str, int]:
        return dict(self._rows("SELECT name, used FROM usage WHERE day = ?", day))

    def next_job_number(self) -> int:
        """Never reused, even after the job is deleted."""
        return self.count("ever", "jobs")

    def add_job(self, kind: str, job_id: str, body: dict[str, Any]) -> None:
        self._rows(
            "INSERT INTO jobs (id, kind, body) VALUES (?, ?, ?)", job_id, kind, json.dumps(body)
        )

    def job(self, kind: str, job_id: str) -> dict[str, Any] | None:
        sql = "SELECT body FROM jobs WHERE id = ? AND kind = ?"
        rows = self._rows(sql, job_id, kind)
        return json.loads(rows[0][0]) if rows else None

    def jobs(self, kind: str) -> list[dict[str, Any]]:
        sql = "SELECT body FROM jobs WHERE kind = ? ORDER BY number"
        return [json.loads(body) for (body,) in self._rows(sql, kind)]

    @contextmanager
    def changing_job(self, job_id: str) -> Iterator[dict[str, Any] | None]:
        """The job's body to edit in place, stored at the end of the block; None if deleted."""
        with self._lock:
            rows = self._rows("SELECT body FROM jobs WHERE id = ?", job_id)
            body: dict[str, Any] | None = json.loads(rows[0][0]) if rows else None
            yield body
            if body is not None:
                self._rows("UPDATE jobs SET body = ? WHERE id = ?", json.dumps(body), job_id)

    def forget_job(self, job_id: str) -> None:
        self._rows("DELETE FROM jobs WHERE id = ?", job_id)

    def add_cursor(self, cursor_id: str, body: dict[str, Any], created: float) -> None:
        self._rows("INSERT INTO cursors VALUES (?, ?, ?)", cursor_id, json.dumps(body), created)

    def cursor(self, cursor_id: str) -> dict[str, Any] | None:
        rows = self._rows("SELECT body FROM cursors WHERE id = ?", cursor_id)
        return json.loads(rows[0][0]) if rows else None

    def expire_cursors(self, before: float) -> list[str]:
        """Deletes cursors older than `before`, and returns their ids."""
        sql = "DELETE FROM cursors WHERE created < ? RETURNING id"
        return [cursor_id for (cursor_id,) in self._rows(sql, before)]
