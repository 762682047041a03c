"""A lock that is an object in a bucket: held for a while, renewed, and numbered by its token.

Taken, renewed and released by conditional writes only, so that one of two takers wins, and nobody
changes what became another's. The object stays when it is released: tokens only grow.
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
# Of the lease: how often it is renewed, and when an attempt that failed is made again.
_RENEWED_EACH, _RETRIED_EACH = 1 / 4, 1 / 40
# On top of the lease, as stores give times by the second and their clocks are not one.
_GRACE = 0.1
FREE_AFTER = LEASE * (1 + _GRACE)
# Unlike the monotonic clock, it goes on while the machine is suspended.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
_ADOPTIONS = 5


@dataclass(frozen=True)
class Holder:
    """A process. A `brief` one has the lock for some files only."""

    host: str = ""
    pid: int = 0
    since: datetime | None = None
    brief: bool = False

    @classmethod
    def here(cls, *, brief: bool = False) -> Holder:
        return cls(socket.gethostname(), os.getpid(), datetime.now(UTC), brief)

    def __str__(self) -> str:
        if not self.pid:
            return "a run that does not say which"
        since = f", since {self.since.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if self.since else ""
        return f"process {self.pid} on {self.host}{since}"


@dataclass(frozen=True)
class LeaseRecord:
    """What stands in the lock. `id` is new with each taking; no holder: it is free."""

    token: int = 0
    holder: Holder | None = None
    id: str = ""
    lease: timedelta = LEASE
    renewals: int = 0

    def next(self, holder: Holder, lease: timedelta) -> LeaseRecord:
        """The record of the next holder. Its token grows even where this one was lost: somebody
        deleted the lock by hand, or put an older copy of the lake back.
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
        """One that cannot be parsed is taken as held: it is free once it was not renewed."""
        if stored is None:
            return cls()
        try:
            return cls._parse(json.loads(stored.data))
        except (ValueError, KeyError, TypeError, AttributeError):
            return cls(holder=Holder())

    @classmethod
    def _parse(cls, body: dict[str, Any]) -> LeaseRecord:
        if "token" not in body:  # Before tokens, it held the holder alone.
            return cls(holder=_holder(body))
        holder = _holder(body["holder"]) if body["holder"] else None
        lease = timedelta(seconds=body["lease"])
        return cls(int(body["token"]), holder, body["id"], lease, body["renewals"])


def _holder(body: dict[str, Any]) -> Holder:
    since = datetime.fromisoformat(body["since"]) if body.get("since") else None
    return Holder(body["host"], int(body["pid"]), since, bool(body.get("brief")))


class LeaseHeldError(Exception):
    """Somebody else has it. `holder` is None when they have not written down who they are."""

    def __init__(self, holder: Holder | None) -> None:
        super().__init__(str(holder))
        self.holder = holder


class Lease:
    """One taking of a lock in a remote bucket; `length` is how long it lasts without renewal."""

    was_killed = False  # A remote writer that is killed leaves nothing half-written.

    def __init__(self, bucket: Bucket, key: str, *, length: timedelta = LEASE) -> None:
        self._bucket = bucket.without_guard()
        self._key = key
        self._length = length
        self._record = LeaseRecord()
        self._tag = ""
        self._ends = 0.0
        self._lost = ""
        self._offset: timedelta | None = None
        self._mutex = threading.RLock()
        self._done = threading.Event()

    @property
    def token(self) -> int:
        return self._record.token

    @property
    def name(self) -> str:
        return self._bucket.uri(self._key)

    def take(self, holder: Holder) -> None:
        """Raises HeldError while somebody else has it."""
        stored = self._bucket.version(self._key)
        known = LeaseRecord.of(stored)
        if known.holder and not self._is_stale(known):
            raise LeaseHeldError(known.holder)
        begun = _now()
        self._record = known.next(holder, self._length)
        try:
            tag = stored.tag if stored else None
            self._tag = self._bucket.put_if(self._key, self._record.text, tag)
        except ConflictError as error:
            raise LeaseHeldError(LeaseRecord.of(self._bucket.version(self._key)).holder) from error
        self._ends = begun + self._length.total_seconds()
        if known.holder:
            log.warning("took %s over from %s: it was not renewed", self.name, known.holder)

    def _is_stale(self, known: LeaseRecord) -> bool:
        """By the store's own times: no two machines' clocks are compared.

        Should it be renewed meanwhile, the tag that is written against is an old one.
        """
        entry = self._bucket.head(self._key)
        return entry is None or self._store_now() - entry.modified >= known.lease * (1 + _GRACE)

    def _store_now(self) -> datetime:
        """Measured once: whoever waits for a lock looks often."""
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

        Raises LeaseLostError at the end when it was lost meanwhile.
        """
        renewal = threading.Thread(target=self._renew_in_time, name="lease", daemon=True)
        renewal.start()
        try:
            yield
            self.check()
        finally:
            self._done.set()
            renewal.join()
            self._release()

    def check(self) -> None:
        """Raises LeaseLostError once it is not held any more. Asks nobody before it ends."""
        if self._lost:
            raise LeaseLostError(self.name, self._lost)
        if _now() >= self._ends:
            # Paused or cut off that long: it may still be ours, which the next write tells.
            self.renew()

    def renew(self) -> None:
        """Raises LeaseLostError when somebody has taken it, or its end came first; LakeError when
        it was not renewed, and goes on for now.
        """
        with self._mutex:
            if self._lost:
                raise LeaseLostError(self.name, self._lost)
            begun = _now()
            record = replace(self._record, renewals=self._record.renewals + 1)
            try:
                self._write(record)
            except ConflictError:
                self._lose(f"{self._successor()} took it over, as it was not renewed in time")
            except LakeError as error:
                if _now() >= self._ends:
                    self._lose(f"it could not be renewed in time ({error.message})")
                raise
            self._record = record
            self._ends = begun + self._length.total_seconds()

    def _write(self, record: LeaseRecord) -> None:
        """Raises ConflictError when it is another's. Our own earlier attempt may have arrived."""
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
        raise ConflictError(f"{self.name} is changed by others all the time")

    def _successor(self) -> str:
        try:
            holder = LeaseRecord.of(self._bucket.version(self._key)).holder
        except LakeError:
            holder = None
        return str(holder or "another run")

    def _lose(self, reason: str) -> Never:
        self._lost = reason
        log.error("lost %s: %s", self.name, reason)
        raise LeaseLostError(self.name, reason)

    def _renew_in_time(self) -> None:
        pause = self._length.total_seconds() * _RENEWED_EACH
        while not self._done.wait(pause):
            pause = self._length.total_seconds() * _RENEWED_EACH
            try:
                self.renew()
            except LeaseLostError:
                return
            except LakeError as error:
                log.warning("%s is not renewed yet: %s", self.name, error)
                pause = self._length.total_seconds() * _RETRIED_EACH

    def _release(self) -> None:
        if self._lost:
            return
        try:
            self._write(replace(self._record, holder=None))
        except ConflictError:
            log.warning("%s was another's when it was to be released", self.name)
        except LakeError as error:
            free_at = datetime.now(UTC) + self._length * (1 + _GRACE)
            words = "%s is not released: %s. The next run gets it after %s"
            log.warning(words, self.name, error, f"{free_at:%H:%M} UTC")


def _now() -> float:
    return time.clock_gettime(_CLOCK)
