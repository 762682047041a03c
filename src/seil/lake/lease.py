"""A lease as an object in a bucket, with a fencing token.

Acquired, renewed and released by conditional writes only: of two processes one acquires it, and
none changes another's. The object stays when it is released, so that tokens only grow.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Never

from seil.errors import ConflictError, LakeError, LeaseLostError

if TYPE_CHECKING:
    from seil.lake.buckets import Bucket, Version

log = logging.getLogger(__name__)

LEASE = timedelta(minutes=10)
# As fractions of the lease: between renewals, and after a failed one.
_RENEW_EVERY, _RETRY_EVERY = 1 / 4, 1 / 40
# Added to the lease: stores report times by the second, and their clocks differ.
_GRACE = 0.1
FREE_AFTER = LEASE * (1 + _GRACE)
# Unlike CLOCK_MONOTONIC, it runs while the machine is suspended.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
_ADOPTIONS = 5


@dataclass(frozen=True)
class Holder:
    """A process. A `brief` one holds the lock only to take in a few files."""

    host: str = ""
    pid: int = 0
    since: datetime | None = None
    brief: bool = False

    @classmethod
    def here(cls, *, brief: bool = False) -> Holder:
        return cls(socket.gethostname(), os.getpid(), datetime.now(UTC), brief)

    def __str__(self) -> str:
        if not self.pid:
            return "an unknown process"
        since = f", since {self.since.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if self.since else ""
        return f"process {self.pid} on {self.host}{since}"


@dataclass(frozen=True)
class LeaseRecord:
    """The content of the lease object. `id` is new per acquisition; without holder it is free."""

    token: int = 0
    holder: Holder | None = None
    id: str = ""
    lease: timedelta = LEASE
    renewals: int = 0

    def next(self, holder: Holder, lease: timedelta) -> LeaseRecord:
        """The record of the next holder. Its token is at least the Unix time: it grows even if this
        one was deleted by hand, or an older copy of the lake was restored.
        """
        token = max(self.token + 1, int(time.time()))
        return LeaseRecord(token, holder, secrets.token_hex(8), lease)

    @property
    def text(self) -> bytes:
        holder = self.holder and {
            "host": self.holder.host,
            "pid": self.holder.pid,
            "since": self.holder.since and self.holder.since.isoformat(timespec="seconds"),
            "brief": self.holder.brief,
        }
        body = {**vars(self), "holder": holder, "lease": self.lease.total_seconds()}
        return json.dumps(body, indent=1).encode()

    @classmethod
    def of(cls, stored: Version | None) -> LeaseRecord:
        """One that cannot be parsed counts as held, until the lease has run out."""
        if stored is None:
            return cls()
        try:
            return cls._parse(json.loads(stored.data))
        except (ValueError, KeyError, TypeError, AttributeError):
            return cls(holder=Holder())

    @classmethod
    def _parse(cls, body: dict[str, Any]) -> LeaseRecord:
        if "token" not in body:  # Written before tokens existed: the holder alone.
            return cls(holder=_holder(body))
        holder = _holder(body["holder"]) if body["holder"] else None
        lease = timedelta(seconds=body["lease"])
        return cls(int(body["token"]), holder, body["id"], lease, body["renewals"])


def _holder(body: dict[str, Any]) -> Holder:
    since = datetime.fromisoformat(body["since"]) if body.get("since") else None
    return Holder(body["host"], int(body["pid"]), since, bool(body.get("brief")))


class LeaseHeldError(Exception):
    """Another process holds it; `holder` is None if its record is not written yet."""

    def __init__(self, holder: Holder | None) -> None:
        super().__init__(str(holder))
        self.holder = holder


class Lease:
    """One acquisition in a remote bucket; it lasts `length` without renewal."""

    was_killed = False  # A killed writer leaves no partial object in a remote store.

    def __init__(self, bucket: Bucket, key: str, *, length: timedelta = LEASE) -> None:
        self._bucket = bucket.without_guard()
        self._key = key
        self._length = length
        self._record = LeaseRecord()
        self._tag = ""
        self._expires_at = 0.0
        self._loss = ""
        self._offset: timedelta | None = None
        self._mutex = threading.RLock()
        self._done = threading.Event()

    @property
    def token(self) -> int:
        return self._record.token

    @property
    def name(self) -> str:
        return self._bucket.uri(self._key)

    def acquire(self, holder: Holder) -> None:
        """Raises LeaseHeldError while another process holds it."""
        stored = self._bucket.version(self._key)
        previous = LeaseRecord.of(stored)
        if previous.holder and not self._is_stale(previous):
            raise LeaseHeldError(previous.holder)
        started_at = _now()
        self._record = previous.next(holder, self._length)
        try:
            tag = stored.tag if stored else None
            self._tag = self._bucket.put_if(self._key, self._record.text, tag)
        except ConflictError as error:
            raise LeaseHeldError(LeaseRecord.of(self._bucket.version(self._key)).holder) from error
        self._expires_at = started_at + self._length.total_seconds()
        if previous.holder:
            log.warning("took over %s from %s, which did not renew it", self.name, previous.holder)

    def _is_stale(self, previous: LeaseRecord) -> bool:
        """Compares two times of the store, never the clocks of two machines.

        If it is renewed meanwhile, the conditional write that follows fails.
        """
        entry = self._bucket.head(self._key)
        return entry is None or self._store_now() - entry.modified >= previous.lease * (1 + _GRACE)

    def _store_now(self) -> datetime:
        """The offset to the store's clock is measured once: a process that waits polls."""
        elapsed = timedelta(seconds=_now())
        if self._offset is None:
            probe = f"{self._key}.{secrets.token_hex(8)}"
            self._bucket.put(probe, b"")
            entry = self._bucket.head(probe)
            self._bucket.delete(probe)
            modified = entry.modified if entry else datetime.now(UTC)
            elapsed = timedelta(seconds=_now())
            self._offset = modified - datetime.fromtimestamp(0, UTC) - elapsed
        return datetime.fromtimestamp(0, UTC) + self._offset + elapsed

    @contextmanager
    def renewal(self) -> Iterator[None]:
        """Renews it in the background until the block ends, then releases it.

        Raises LeaseLostError at the end if it was lost.
        """
        renewal = threading.Thread(target=self._renew_periodically, name="lease", daemon=True)
        renewal.start()
        try:
            yield
            self.check()
        finally:
            self._done.set()
            renewal.join()
            self._release()

    def check(self) -> None:
        """Raises LeaseLostError once it is lost. Calls the store only after it expired."""
        if self._loss:
            raise LeaseLostError(self.name, self._loss)
        if _now() >= self._expires_at:
            # Paused or disconnected for that long: it is still ours if nobody took it over.
            self.renew()

    def renew(self) -> None:
        """Raises LeaseLostError if another process holds it or it has expired, LakeError if the
        store failed and the lease has not expired yet.
        """
        with self._mutex:
            if self._loss:
                raise LeaseLostError(self.name, self._loss)
            started_at = _now()
            record = replace(self._record, renewals=self._record.renewals + 1)
            try:
                self._write(record)
            except ConflictError:
                self._lose(f"{self._successor()} took it over, because it was not renewed in time")
            except LakeError as error:
                if _now() >= self._expires_at:
                    self._lose(f"it could not be renewed in time ({error.message})")
                raise
            self._record = record
            self._expires_at = started_at + self._length.total_seconds()

    def _write(self, record: LeaseRecord) -> None:
        """Raises ConflictError if another process holds it. Our own record is adopted."""
        for _ in range(_ADOPTIONS):
            try:
                self._tag = self._bucket.put_if(self._key, record.text, self._tag)
            except ConflictError:
                stored = self._bucket.version(self._key)
                if stored is None or LeaseRecord.of(stored).id != record.id:
                    raise
                self._tag = stored.tag
            else:
                return
        raise ConflictError(
            f"{self.name} was changed before each of {_ADOPTIONS} attempts to write it"
        )

    def _successor(self) -> str:
        try:
            holder = LeaseRecord.of(self._bucket.version(self._key)).holder
        except LakeError:
            holder = None
        return str(holder or "another run")

    def _lose(self, reason: str) -> Never:
        self._loss = reason
        log.error("lost %s: %s", self.name, reason)
        raise LeaseLostError(self.name, reason)

    def _renew_periodically(self) -> None:
        pause = self._length.total_seconds() * _RENEW_EVERY
        while not self._done.wait(pause):
            pause = self._length.total_seconds() * _RENEW_EVERY
            try:
                self.renew()
            except LeaseLostError:
                return
            except LakeError as error:
                log.warning("cannot renew %s, trying again: %s", self.name, error)
                pause = self._length.total_seconds() * _RETRY_EVERY

    def _release(self) -> None:
        if self._loss:
            return
        try:
            self._write(replace(self._record, holder=None))
        except ConflictError:
            log.warning("%s was not released: another run holds it", self.name)
        except LakeError as error:
            free_at = datetime.now(UTC) + self._length * (1 + _GRACE)
            words = "cannot release %s: %s. The next run can take it after %s"
            log.warning(words, self.name, error, f"{free_at:%H:%M} UTC")


def _now() -> float:
    return time.clock_gettime(_CLOCK)
