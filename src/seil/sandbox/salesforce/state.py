"""What the service itself remembers, apart from records: sessions, usage, jobs, query cursors.

One SQLite file beside the records, so that a restart goes on where the last process stopped.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from seil.errors import ConfigurationError, Problem

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


class State:
    """Thread-safe. Tokens are kept as digests: the file gives no access to anything.

    Raises ConfigurationError for a file that is something else.
    """

    def __init__(self, file: Path) -> None:
        self._lock = threading.RLock()
        self._db = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
        try:
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
            self._db.executescript(_SCHEMA)
        except sqlite3.Error as error:
            self._db.close()
            raise ConfigurationError([Problem(str(file), str(error), "remove it")]) from error

    def close(self) -> None:
        with self._lock:
            self._db.close()

    def remember_token(
        self, token: str, *, kind: str, client_id: str, expires: float | None
    ) -> None:
        self._run(
            "INSERT OR REPLACE INTO tokens VALUES (?, ?, ?, ?)",
            _digest(token),
            kind,
            client_id,
            expires,
        )

    def token(self, token: str, *, kind: str, now: float) -> tuple[str, float | None] | None:
        """The client id and the expiry of a token that is alive."""
        found = self._run(
            "SELECT client_id, expires FROM tokens"
            " WHERE digest = ? AND kind = ? AND (expires IS NULL OR expires > ?)",
            _digest(token),
            kind,
            now,
        )
        return found[0] if found else None

    def forget_token(self, token: str) -> bool:
        """False when there was none."""
        sql = "DELETE FROM tokens WHERE digest = ? RETURNING 1"
        return bool(self._run(sql, _digest(token)))

    def has_tokens(self, kind: str) -> bool:
        return bool(self._run("SELECT 1 FROM tokens WHERE kind = ? LIMIT 1", kind))

    def forget_access_tokens(self) -> None:
        self._run("DELETE FROM tokens WHERE kind = 'access'")

    def count(self, day: str, name: str, amount: int = 1) -> int:
        """Adds to a day's counter; its new value."""
        found = self._run(
            "INSERT INTO usage VALUES (?, ?, ?)"
            " ON CONFLICT (day, name) DO UPDATE SET used = used + excluded.used RETURNING used",
            day,
            name,
            amount,
        )
        return int(found[0][0])

    def used(self, day: str) -> dict[str, int]:
        return dict(self._run("SELECT name, used FROM usage WHERE day = ?", day))

    def next_job_number(self) -> int:
        """Never given twice, not even after the job is deleted."""
        return self.count("ever", "jobs")

    def add_job(self, kind: str, job_id: str, body: dict[str, Any]) -> None:
        self._run(
            "INSERT INTO jobs (id, kind, body) VALUES (?, ?, ?)", job_id, kind, json.dumps(body)
        )

    def job(self, kind: str, job_id: str) -> dict[str, Any] | None:
        sql = "SELECT body FROM jobs WHERE id = ? AND kind = ?"
        found = self._run(sql, job_id, kind)
        return json.loads(found[0][0]) if found else None

    def jobs(self, kind: str) -> list[dict[str, Any]]:
        sql = "SELECT body FROM jobs WHERE kind = ? ORDER BY number"
        return [json.loads(body) for (body,) in self._run(sql, kind)]

    @contextmanager
    def changing_job(self, job_id: str) -> Iterator[dict[str, Any] | None]:
        """The job's body to edit in place, None when it is gone; stored on leaving the block."""
        with self._lock:
            found = self._run("SELECT body FROM jobs WHERE id = ?", job_id)
            body: dict[str, Any] | None = json.loads(found[0][0]) if found else None
            yield body
            if body is not None:
                self._run("UPDATE jobs SET body = ? WHERE id = ?", json.dumps(body), job_id)

    def forget_job(self, job_id: str) -> None:
        self._run("DELETE FROM jobs WHERE id = ?", job_id)

    def add_cursor(self, cursor_id: str, body: dict[str, Any], created: float) -> None:
        self._run("INSERT INTO cursors VALUES (?, ?, ?)", cursor_id, json.dumps(body), created)

    def cursor(self, cursor_id: str) -> dict[str, Any] | None:
        found = self._run("SELECT body FROM cursors WHERE id = ?", cursor_id)
        return json.loads(found[0][0]) if found else None

    def expire_cursors(self, before: float) -> list[str]:
        """Forgets the cursors older than `before`; their ids."""
        sql = "DELETE FROM cursors WHERE created < ? RETURNING id"
        return [found for (found,) in self._run(sql, before)]

    def _run(self, sql: str, *values: object) -> list[Any]:
        with self._lock, closing(self._db.execute(sql, values)) as cursor:
            return cursor.fetchall()


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
