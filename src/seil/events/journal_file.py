"""The tables of the journal's SQLite file.

Each publish is a durable commit, one fsync: there is one event per file, not per record.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from seil.errors import JournalError
from seil.sqlite_file import SqliteFile, SqliteFormat

VERSION = 1

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
_MOVE_AWAY = (
    "Move it away with `mv {path} {path}.broken`; the next run creates a new one. Only the "
    "events are lost"
)


class JournalFile(SqliteFile):
    def __init__(self, path: Path) -> None:
        kind = SqliteFormat("[events] journal", _MOVE_AWAY, _error)
        super().__init__(path, kind, _create, self._check_version)

    def _check_version(self, connection: sqlite3.Connection) -> None:
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version != VERSION:
            reason = f"its format is version {version}, this SEIL writes {VERSION}"
            raise self.error("open", reason, _MOVE_AWAY)


def _create(connection: sqlite3.Connection) -> None:
    for statement in _TABLES.split(";\n"):
        connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {VERSION}")


def _error(path: str, operation: str, reason: str, hint: str) -> JournalError:
    return JournalError(path, operation, reason, hint=hint)
