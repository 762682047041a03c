"""The lease of a local lake: a flock, which the kernel frees when its process dies."""

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
    """The locked file is never deleted or replaced: a third run could then lock a new file while
    the second waits on the old one. Its record is a document beside it.
    """

    def __init__(self, bucket: Bucket, key: str, path: Path) -> None:
        self._bucket = bucket.without_guard()
        self._key = record_key(key)
        self._path = path
        self._record = LeaseRecord()
        self._file: IO[bytes]
        self.was_killed = False

    @property
    def token(self) -> int:
        return self._record.token

    @property
    def name(self) -> str:
        return str(self._path)

    def acquire(self, holder: Holder) -> None:
        """Raises LeaseHeldError while another process holds it."""
        try:
            self._file = self._path.open("ab+", buffering=0)
        except OSError as error:
            raise LakeError(self.name, "lock", error.strerror or str(error)) from error
        try:
            self._lock()
            self._store_record(holder)
        except BaseException:
            self._file.close()
            raise

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise LeaseHeldError(self._holder()) from error

    def _holder(self) -> Holder | None:
        if holder := LeaseRecord.of(self._bucket.version(self._key)).holder:
            return holder
        # Written before tokens existed: the holder, in the locked file itself.
        earlier = self._path.read_bytes()
        return LeaseRecord.of(Version(earlier, "")).holder if earlier else None

    def _store_record(self, holder: Holder) -> None:
        """Until the record is stored, the locked file has its text: a process that is killed
        meanwhile has left a partial file, and no holder in the record.
        """
        self.was_killed = self._path.stat().st_size > 0
        while True:
            stored = self._bucket.version(self._key)
            previous = LeaseRecord.of(stored)
            record = previous.next(holder, LEASE)
            self._announce(record)
            try:
                self._bucket.put_if(self._key, record.text, stored.tag if stored else None)
            except ConflictError:
                continue
            break
        self._record = record
        self.was_killed |= previous.holder is not None
        self._file.truncate(0)

    def _announce(self, record: LeaseRecord) -> None:
        try:
            self._file.truncate(0)
            self._file.write(record.text)
        except OSError as error:
            raise LakeError(self.name, "write", error.strerror or str(error)) from error

    @contextmanager
    def renewal(self) -> Iterator[None]:
        """Releases it at the end of the block. Raises LeaseLostError if it was lost."""
        try:
            yield
            self.check()
        finally:
            self._release()
            self._file.close()

    def check(self) -> None:
        """Raises LeaseLostError once another run could acquire it."""
        try:
            is_same = os.path.samestat(os.fstat(self._file.fileno()), self._path.stat())
        except OSError:
            is_same = False
        if not is_same:
            raise LeaseLostError(self.name, "its file was deleted, so that another run can start")

    def _release(self) -> None:
        """If the record cannot be written, the next holder assumes that this one was killed, and
        deletes its partial files.
        """
        try:
            stored = self._bucket.version(self._key)
            if stored and LeaseRecord.of(stored).id == self._record.id:
                released = replace(self._record, holder=None)
                self._bucket.put_if(self._key, released.text, stored.tag)
        except (ConflictError, LakeError) as error:
            log.info("cannot record the release of %s: %s", self.name, error)


def record_key(key: str) -> str:
    """The key of the record: holder and token."""
    return f"{key.removesuffix('.lock')}.lease"
