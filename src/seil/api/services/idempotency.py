"""Idempotency keys: repeating a request with its key changes nothing again.

The key is claimed before the external call and settled after it, where the effect is: the edge may
have given up by then. https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from seil.api.calls import Answer, ServiceCall
from seil.api.services.presence import Presence
from seil.errors import ConfigurationError, Problem, UnavailableError

__all__ = ["Claim", "IdempotencyStore", "KeyState", "SqliteStore", "fingerprint", "key_of"]

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
# What earlier versions' tables lack. Whoever claimed a key then does not run any more.
_ADDED = {"owner": "text not null default ''", "ends_at": "real not null default 0"}


class KeyState(StrEnum):
    """`CLAIMED`: nobody had the key, it is this call's now."""

    CLAIMED = "claimed"
    RUNNING = "running"
    DONE = "done"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Claim:
    """The state of a key: `fingerprint` and `answer` are those of the call that claimed it."""

    state: KeyState
    fingerprint: str = ""
    answer: Answer | None = None


class IdempotencyStore(Protocol):
    """Safe for threads and for processes. Times are in seconds.

    Every method raises SeilError where the keys cannot be read or written.
    """

    def claim(self, key: str, fingerprint: str, *, lease: float) -> Claim:
        """Takes a free key, for a call that ends within `lease` seconds; or says what became of it.

        UNKNOWN where whoever claimed it died, as far as that can be seen, or outlived its lease.
        """
        ...

    def settle(self, key: str, answer: Answer) -> None:
        """Keeps the outcome."""
        ...

    def doubt(self, key: str) -> None:
        """Marks the outcome as unknown: the key is not released."""
        ...

    def release(self, key: str) -> None:
        """Nothing happened: the key is free again."""
        ...


def key_of(call: ServiceCall) -> str:
    """A caller's keys are its own, and each operation has its own."""
    text = json.dumps([call.caller, call.operation, call.idempotency_key])
    return hashlib.sha256(text.encode()).hexdigest()


def fingerprint(request: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()


class SqliteStore:
    """Keys in a file, so that a restart does not forget them. Raises ConfigurationError.

    A claim carries its process, so that one whose process died is UNKNOWN at once.
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
            self._connection = _opened(path)
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
            mark, state, answer, owner, ends_at = row
            if state == KeyState.RUNNING and not (now <= ends_at and self._runs(key, owner)):
                state = KeyState.UNKNOWN
        return Claim(
            KeyState(state), mark, Answer.from_json(json.loads(answer)) if answer else None
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
        return self._presence.lives(owner)

    def _end(self, key: str, statement: str, *values: Any) -> None:
        with self._lock:
            self._running.discard(key)  # Even where it cannot be written down.
            with _Transaction(self._connection) as run:
                run(statement, *values, key)


def _opened(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
    try:
        # FULL: a claim that a power cut takes away would let the effect happen twice.
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = full")
        connection.executescript(_SCHEMA)
        with _Transaction(connection) as run:
            there = {column[1] for column in run("pragma table_info (request)")}
            for name, kind in _ADDED.items():
                if name not in there:
                    run(f"alter table request add column {name} {kind}")
    except BaseException:
        connection.close()
        raise
    return connection


class _Transaction:
    """One that writes from its start, so that two processes cannot both find a key free."""

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
