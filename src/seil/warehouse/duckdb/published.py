"""The read-only copy of an embedded warehouse, beside its file: `warehouse.read.duckdb`.

DuckDB lets one process write a file, or several read it. Readers get a file of their own, so that
no run waits for a reader and no reader for a run. A new copy takes the place of the old one by a
rename: whoever has the old one open goes on reading it, and reads the new one after opening again.

The copy may only be read, by its mode: a program that opened it for writing would lock other
readers out, and its write-ahead log would be taken for that of the next copy.
"""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

from seil.errors import WarehouseError
from seil.processes import is_alive
from seil.settings import WarehouseSettings
from seil.warehouse.duckdb.location import local_file
from seil.warehouse.duckdb.opening import open_file
from seil.warehouse.readers import CopyOutcome, Publication, WarehouseReader

log = logging.getLogger(__name__)

# linux/fs.h: _IOW(0x94, 9, int). Python names it from 3.14 on.
_FICLONE = 0x40049409
_CHUNK = 1 << 30
# DuckDB's three headers. The newer of the last two counts the checkpoints, so that files of one
# history and with the same headers are the same.
_HEADERS = 3 * 4096
_ANYBODY_READS = 0o444
_WRITER_WAIT = timedelta(seconds=5)


@dataclass(frozen=True)
class PublishedCopy:
    """Of the warehouse in `file`."""

    file: Path

    @property
    def path(self) -> Path:
        return self.file.with_name(f"{self.file.stem}.read{self.file.suffix}")

    @property
    def as_of(self) -> datetime | None:
        """When it was published; None where there is none."""
        try:
            return datetime.fromtimestamp(self.path.stat().st_mtime, UTC)
        except FileNotFoundError:
            return None

    def publish(self, *, is_replaced: bool = False) -> Publication:
        """Requires the run lock and a closed warehouse. `is_replaced`: the warehouse is
        another file since the last copy.
        """
        start = time.monotonic()
        if not self.file.exists():
            return Publication("missing")
        try:
            with _lock_for_reading(self.file) as source:
                how = self._renew(source, is_replaced=is_replaced)
                size = os.fstat(source.fileno()).st_size
        except (OSError, WarehouseError) as error:
            self._part.unlink(missing_ok=True)
            problem = _problem(self.path, error)
            log.warning("%s", problem)
            return Publication("failed", self.path, problem=problem)
        seconds = time.monotonic() - start
        log.info("published %s: %s, %d bytes in %.3f s", self.path, how, size, seconds)
        return Publication(how, self.path, size, seconds)

    def withdraw(self) -> None:
        """Removes a copy that is not kept up to date: readers would not notice its age."""
        with suppress(OSError):
            for path in (self.path, _wal(self.path), self._part):
                path.unlink(missing_ok=True)

    @property
    def _part(self) -> Path:
        """The unfinished copy: one name, so that the next publish replaces what a kill left."""
        return self.path.with_name(f"{self.path.name}.new")

    def _renew(self, source: IO[bytes], *, is_replaced: bool) -> CopyOutcome:
        if not is_replaced and self._is_current(source):
            os.utime(self.path)
            return "unchanged"
        self._part.unlink(missing_ok=True)
        # Mode 0 until it is complete: no reader may open half a file.
        descriptor = os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0)
        with os.fdopen(descriptor, "wb", buffering=0) as target:
            how = _copy(source, target)
            os.fchmod(descriptor, os.fstat(source.fileno()).st_mode & _ANYBODY_READS)
            os.fsync(descriptor)
        # Left by a privileged program that opened the copy for writing: not a log of this copy.
        _wal(self.path).unlink(missing_ok=True)
        self._part.replace(self.path)
        _wal(self.path).unlink(missing_ok=True)
        _sync_folder(self.path.parent)
        self._sweep_spill()
        return how

    def _sweep_spill(self) -> None:
        """Removes temporary folders of readers that were killed."""
        for folder in self.path.parent.glob(f"{self.path.name}.tmp-*"):
            pid, _, start = folder.name.rpartition(".tmp-")[2].partition("-")
            if pid.isdecimal() and not is_alive(int(pid), start):
                shutil.rmtree(folder, ignore_errors=True)

    def _is_current(self, source: IO[bytes]) -> bool:
        try:
            with self.path.open("rb") as copy:
                if os.fstat(copy.fileno()).st_size != os.fstat(source.fileno()).st_size:
                    return False
                return copy.read(_HEADERS) == os.pread(source.fileno(), _HEADERS, 0)
        except FileNotFoundError:
            return False


def published_copy(settings: WarehouseSettings) -> PublishedCopy:
    return PublishedCopy(local_file(settings))


def publish(settings: WarehouseSettings, *, is_replaced: bool) -> Publication:
    """Updates the copy, or removes it where the settings disable it."""
    copy = published_copy(settings)
    if not settings.publish:
        copy.withdraw()
        return Publication("off")
    _write_out(settings, copy.file)
    return copy.publish(is_replaced=is_replaced)


def _write_out(settings: WarehouseSettings, file: Path) -> None:
    """Applies the write-ahead log that a killed writer left, by opening the file."""
    if not _wal(file).exists():
        return
    with (
        suppress(WarehouseError),
        open_file(settings, file=file, wait=_WRITER_WAIT) as warehouse,
    ):
        warehouse.database.execute("CHECKPOINT")


@contextmanager
def _lock_for_reading(file: Path) -> Iterator[IO[bytes]]:
    """The complete file, under the lock of a DuckDB reader: no process can write to it."""
    with file.open("rb") as source:
        try:
            fcntl.lockf(source, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EACCES, errno.EAGAIN):
                raise
            reason = "another program has it open for writing"
            raise WarehouseError(f"duckdb:{file}", reason) from error
        if _wal(file).exists():
            reason = f"{_wal(file).name} could not be written into it"
            raise WarehouseError(f"duckdb:{file}", reason)
        yield source


def _copy(source: IO[bytes], target: IO[bytes]) -> CopyOutcome:
    try:
        fcntl.ioctl(target.fileno(), _FICLONE, source.fileno())
    except OSError:
        # Neither every file system nor every kernel supports it.
        _copy_bytes(source, target)
        return "copy"
    return "reflink"


def _copy_bytes(source: IO[bytes], target: IO[bytes]) -> None:
    """By the kernel where it can, without passing bytes through this process."""
    if hasattr(os, "copy_file_range"):
        with suppress(_UnsupportedError), _unsupported_as_error():
            while os.copy_file_range(source.fileno(), target.fileno(), _CHUNK):
                pass
            return
    source.seek(0)
    target.seek(0)
    shutil.copyfileobj(source, target, 1 << 20)


class _UnsupportedError(Exception):
    pass


@contextmanager
def _unsupported_as_error() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG):
            raise
        raise _UnsupportedError from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _wal(file: Path) -> Path:
    return file.with_name(f"{file.name}.wal")


def _problem(path: Path, error: OSError | WarehouseError) -> str:
    if isinstance(error, WarehouseError):
        reason, cure = error.reason, "Close that program; the next run publishes"
    elif error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        reason = "the disk is full"
        cure = "Free some space, or set publish = false in [warehouse]; then `seil build`"
    else:
        reason = error.strerror or str(error)
        cure = "Give this user the right to write there, then `seil build`"
    return f"{path} is not up to date: {reason}. {cure}"


@contextmanager
def open_reading(settings: WarehouseSettings, *, wait: timedelta) -> Iterator[WarehouseReader]:
    """Opens the copy; the file itself where there is no copy, or it is locked. `wait` is how long
    to wait for the file's lock.
    """
    reader = _copy_reading(settings)
    if reader is None:
        reader = WarehouseReader(open_file(settings, read_only=True, wait=wait))
    with reader.warehouse:
        yield reader


def _copy_reading(settings: WarehouseSettings) -> WarehouseReader | None:
    copy = published_copy(settings)
    as_of = copy.as_of if settings.publish else None
    if as_of is None:
        return None
    copy_settings = settings.model_copy(update={"url": f"duckdb:{copy.path}"})
    try:
        return WarehouseReader(open_file(copy_settings, read_only=True, wait=timedelta(0)), as_of)
    except WarehouseError as error:
        log.info("reads %s instead: %s", copy.file, error)
        return None
