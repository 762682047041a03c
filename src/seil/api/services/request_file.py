"""Idempotency keys in a file on this machine."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from seil.api.calls import Answer
from seil.api.services.idempotency import Claim, KeyState
from seil.api.services.presence import Presence
from seil.errors import ConfigurationError, Problem, UnavailableError

__all__ = ["SqliteStore"]

_SCHEMA = """
create table if not exists request (
    key text primary key, fingerprint text not null, state text not null, answer text,
    claimed_at real not null, owner text not null default '', ends_at real not null default 0
) without rowid;
create index if not exists request_claimed_at on request (claimed_at)
"""
_CLAIM = """
insert into request (key, fingerprint, state, claimed_at, owner, ends_at)
values (?, ?, 'running', ?, ?, ?)
"""
# Columns that earlier versions' tables lack; the processes that wrote those have ended.
_ADDED_COLUMNS = {"owner": "text not null default ''", "ends_at": "real not null default 0"}


class SqliteStore:
    """Keys in a file, which survive a restart. Raises ConfigurationError.

    A claim names its process: it is UNKNOWN as soon as that process has died.
    """

    def __init__(
        self, path: Path, *, age: float = 86_400, clock: Callable[[], float] = time.time
    ) -> None:
        self._age = age
        self._clock = clock
        self._lock = threading.Lock()
        self._running: set[str] = set()
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._connection = _open(path)
            self._presence = Presence(path.with_suffix(".owners"))
        except (OSError, sqlite3.Error) as error:
            raise ConfigurationError([Problem(str(path), f"cannot be used: {error}")]) from error

    def close(self) -> None:
        with self._lock:
            self._connection.close()
            self._presence.close()

    def claim(self, key: str, fingerprint: str, *, lease: float) -> Claim:
        now = self._clock()
        with self._lock, _Transaction(self._connection) as run:
            run("delete from request where claimed_at < ?", now - self._age)
            row = run(
                "select fingerprint, state, answer, owner, ends_at from request where key = ?", key
            ).fetchone()
            if row is None:
                run(_CLAIM, key, fingerprint, now, self._presence.name, now + lease)
                self._running.add(key)
                return Claim(KeyState.CLAIMED, fingerprint)
            stored, state, answer, owner, ends_at = row
            if state == KeyState.RUNNING and not (now <= ends_at and self._runs(key, owner)):
                state = KeyState.UNKNOWN
        return Claim(
            KeyState(state), stored, Answer.from_json(json.loads(answer)) if answer else None
        )

    def settle(self, key: str, answer: Answer) -> None:
        answer_json = json.dumps(answer.to_json())
        self._end(key, "update request set answer = ?, state = 'done' where key = ?", answer_json)

    def doubt(self, key: str) -> None:
        self._end(key, "update request set state = 'unknown' where key = ?")

    def release(self, key: str) -> None:
        self._end(key, "delete from request where key = ?")

    def _runs(self, key: str, owner: str) -> bool:
        if owner == self._presence.name:
            return key in self._running
        return self._presence.is_alive(owner)

    def _end(self, key: str, statement: str, *values: Any) -> None:
        with self._lock:
            self._running.discard(key)  # Even if the write fails.
            with _Transaction(self._connection) as run:
                run(statement, *values, key)


def _open(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
    try:
        # FULL: a claim lost in a power cut would allow a second effect.
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = full")
        connection.executescript(_SCHEMA)
        with _Transaction(connection) as run:
            columns = {column[1] for column in run("pragma table_info (request)")}
            for name, kind in _ADDED_COLUMNS.items():
                if name not in columns:
                    run(f"alter table request add column {name} {kind}")
    except BaseException:
        connection.close()
        raise
    return connection


class _Transaction:
    """Takes the write lock at once, so that two processes cannot both find a key free."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def __enter__(self) -> Callable[..., sqlite3.Cursor]:
        self._execute("begin immediate")
        return self._execute

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._execute("commit")
        elif self._connection.in_transaction:
            self._execute("rollback")

    def _execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
        try:
            return self._connection.execute(statement, values)
        except sqlite3.Error as error:
            raise UnavailableError("The file of requests", str(error), reached=False) from error
