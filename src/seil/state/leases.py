"""Leases in the state: one process at a time, over several machines where the state is a server.

A process of this machine holds its lease for as long as it lives; one of another machine, until it
has not renewed it for its length, by the database's clock. Whoever writes under a lease checks its
token in the same transaction: a former holder's write is refused.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from seil.errors import AlreadyRunningError, LeaseLostError, StateError
from seil.processes import is_alive, machine, process_start
from seil.state.database import Database, Row, Transaction, moment, stamp, write

log = logging.getLogger(__name__)

LENGTH = timedelta(minutes=2)
_RENEWALS = 4
_GET = """
SELECT token, holder, machine, pid, process_start, renewed_at, seconds
FROM leases WHERE name = :name"""
_PUT = """
INSERT INTO leases (name, token, holder, machine, pid, process_start, renewed_at, seconds)
VALUES (:name, :token, :holder, :machine, :pid, :process_start, :renewed_at, :seconds)
ON CONFLICT (name) DO UPDATE SET token = excluded.token, holder = excluded.holder,
    machine = excluded.machine, pid = excluded.pid, process_start = excluded.process_start,
    renewed_at = excluded.renewed_at, seconds = excluded.seconds"""
_RENEW = "UPDATE leases SET renewed_at = :now WHERE name = :name AND token = :token"
_RELEASE = "UPDATE leases SET holder = '' WHERE name = :name AND token = :token"


@dataclass(frozen=True)
class StateLease:
    """One acquisition. Tokens of a name only grow."""

    database: Database
    name: str
    token: int
    length: timedelta

    def check(self, transaction: Transaction) -> None:
        """Raises LeaseLostError where another process has acquired it since."""
        rows = transaction.rows(_GET, name=self.name)
        if not rows or int(rows[0][0]) != self.token or not rows[0][1]:
            holder = str(rows[0][1]) if rows else ""
            raise LeaseLostError(self.name, f"{holder or 'another process'} has taken it over")

    def renew(self) -> None:
        """Raises LeaseLostError."""

        def store(transaction: Transaction) -> None:
            self.check(transaction)
            now = _now(transaction)
            transaction.execute(_RENEW, now=stamp(now), name=self.name, token=self.token)

        write(self.database, store, durable=False)

    def release(self, *, unless: Callable[[Transaction], bool] = lambda _: False) -> bool:
        """False, and it is still held, where `unless` is true in the same transaction."""

        def store(transaction: Transaction) -> bool:
            if unless(transaction):
                return False
            transaction.execute(_RELEASE, name=self.name, token=self.token)
            return True

        return write(self.database, store)

    @contextmanager
    def renewal(self) -> Iterator[None]:
        """Renews it in the background during the block, and releases it at the end."""
        done = threading.Event()
        thread = threading.Thread(
            target=self._renew_until, args=(done,), name="state-lease", daemon=True
        )
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
            self._release_last()

    def _renew_until(self, done: threading.Event) -> None:
        while not done.wait(self.length.total_seconds() / _RENEWALS):
            try:
                self.renew()
            except LeaseLostError as error:
                log.error("%s", error)
                return
            except StateError as error:
                log.warning("cannot renew %s, trying again: %s", self.name, error)

    def _release_last(self) -> None:
        try:
            self.release()
        except StateError as error:
            minutes = self.length.total_seconds() / 60
            log.warning("%s is free in %.0f minutes only: %s", self.name, minutes, error)


def acquire_lease(database: Database, name: str, *, length: timedelta = LENGTH) -> StateLease:
    """Raises AlreadyRunningError, naming the holder, while another process holds it."""

    def store(transaction: Transaction) -> int:
        now = _now(transaction)
        rows = transaction.rows(_GET, name=name)
        if rows and _is_held(rows[0], now):
            raise AlreadyRunningError(name, str(rows[0][1]))
        token = int(rows[0][0]) + 1 if rows else 1
        values: dict[str, Any] = {
            "holder": f"process {os.getpid()} on {socket.gethostname()}, since {now:%H:%M} UTC",
            "machine": machine(),
            "pid": os.getpid(),
            "process_start": process_start(os.getpid()),
            "renewed_at": stamp(now),
            "seconds": int(length.total_seconds()),
        }
        transaction.execute(_PUT, name=name, token=token, **values)
        return token

    return StateLease(database, name, write(database, store), length)


def _is_held(row: Row, now: datetime) -> bool:
    _, holder, where, pid, started, renewed_at, seconds = row
    if not holder:
        return False
    if where == machine() and pid != os.getpid():
        return is_alive(pid, started)
    return now < moment(renewed_at) + timedelta(seconds=seconds)


def _now(transaction: Transaction) -> datetime:
    """By the database's clock, which all holders share."""
    value = transaction.rows("SELECT CURRENT_TIMESTAMP")[0][0]
    if isinstance(value, datetime):
        return value.astimezone(UTC)
    return datetime.fromisoformat(str(value)).replace(tzinfo=UTC)
