"""The same lock in a folder: the kernel keeps it (flock) and frees it when its process dies."""

from __future__ import annotations

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING

from seil.errors import ConflictError, LakeError, LeaseLostError
from seil.lake.buckets import Version
from seil.lake.lease import LEASE, Holder, LeaseHeldError, LeaseRecord

if TYPE_CHECKING:
    from seil.lake.buckets import Bucket

log = logging.getLogger(__name__)


class LocalLease:
    """The locked file stays, and is never replaced: a third run would lock a name that the
    second still waits on. Its record stands beside it.
    """

    def __init__(self, bucket: Bucket, key: str, path: Path) -> None:
        self._bucket = bucket.without_guard()
        self._key = record_key(key)
        self._path = path
        self._record = LeaseRecord()
        self._file: IO[str]
        self.was_killed = False

    @property
    def token(self) -> int:
        return self._record.token

    @property
    def name(self) -> str:
        return str(self._path)

    def take(self, holder: Holder) -> None:
        """Raises HeldError while somebody else has it."""
        try:
            self._file = self._path.open("a+")
        except OSError as error:
            raise LakeError(self.name, "lock", error.strerror or str(error)) from error
        try:
            self._lock()
            self._sign(holder)
        except BaseException:
            self._file.close()
            raise

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LeaseHeldError(self._holder()) from error

    def _holder(self) -> Holder | None:
        if known := LeaseRecord.of(self._bucket.version(self._key)).holder:
            return known
        # Before tokens, the holder stood in the locked file itself.
        earlier = self._path.read_bytes()
        return LeaseRecord.of(Version(earlier, "")).holder if earlier else None

    def _sign(self, holder: Holder) -> None:
        while True:
            stored = self._bucket.version(self._key)
            known = LeaseRecord.of(stored)
            record = known.next(holder, LEASE)
            try:
                self._bucket.put_if(self._key, record.text, stored.tag if stored else None)
            except ConflictError:
                continue
            break
        self._record = record
        self.was_killed = known.holder is not None or self._path.stat().st_size > 0
        self._file.truncate(0)

    @contextmanager
    def renewal(self) -> Iterator[None]:
        """Releases it at the end of the block. Raises LeaseLostError when it was lost meanwhile."""
        try:
            yield
            self.check()
        finally:
            self._release()
            self._file.close()

    def check(self) -> None:
        """Raises LeaseLostError once another run can have it."""
        try:
            is_same = os.path.samestat(os.fstat(self._file.fileno()), self._path.stat())
        except OSError:
            is_same = False
        if not is_same:
            raise LeaseLostError(self.name, "its file was removed, so that another run can start")

    def _release(self) -> None:
        """Where it cannot be written down, on a full disk say, the next holder takes this one for
        killed, and looks for what it left.
        """
        try:
            stored = self._bucket.version(self._key)
            if stored and LeaseRecord.of(stored).id == self._record.id:
                released = replace(self._record, holder=None)
                self._bucket.put_if(self._key, released.text, stored.tag)
        except (ConflictError, LakeError) as error:
            log.info("the release of %s is not written down: %s", self.name, error)


def record_key(key: str) -> str:
    """Where it says by whom a lock is held, and under which token."""
    return f"{key.removesuffix('.lock')}.lease"
