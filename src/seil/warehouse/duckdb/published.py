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
from seil.settings import WarehouseSettings
from seil.warehouse.duckdb.opening import local_file, open_file
from seil.warehouse.readers import How, Publication, WarehouseReader

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

    def publish(self, *, anew: bool = False) -> Publication:
        """For whoever holds the run lock and has closed the warehouse. `anew`: it is another file
        than the last one.
        """
        begun = time.monotonic()
        if not self.file.exists():
            return Publication("missing")
        try:
            with _unwritten(self.file) as source:
                how = self._renew(source, anew=anew)
                size = os.fstat(source.fileno()).st_size
        except (OSError, WarehouseError) as error:
            self._part.unlink(missing_ok=True)
            problem = _problem(self.path, error)
            log.warning("%s", problem)
            return Publication("failed", self.path, problem=problem)
        seconds = time.monotonic() - begun
        log.info("published %s: %s, %d bytes in %.3f s", self.path, how, size, seconds)
        return Publication(how, self.path, size, seconds)

    def withdraw(self) -> None:
        """Where nobody keeps it up to date, it goes: its readers would not notice."""
        with suppress(OSError):
            for path in (self.path, _wal(self.path), self._part):
                path.unlink(missing_ok=True)

    @property
    def _part(self) -> Path:
        """The one name of a copy in the making: what a kill leaves there, the next one replaces."""
        return self.path.with_name(f"{self.path.name}.new")

    def _renew(self, source: IO[bytes], *, anew: bool) -> How:
        if not anew and self._is_current(source):
            os.utime(self.path)
            return "unchanged"
        self._part.unlink(missing_ok=True)
        # Mode 0 for the moment: nobody is to open half a file.
        descriptor = os.open(self._part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0)
        with os.fdopen(descriptor, "wb", buffering=0) as target:
            how = _copy(source, target)
            os.fchmod(descriptor, os.fstat(source.fileno()).st_mode & _ANYBODY_READS)
            os.fsync(descriptor)
        # Of a program that may write anywhere, and has: it belongs to no copy of ours.
        _wal(self.path).unlink(missing_ok=True)
        self._part.replace(self.path)
        _wal(self.path).unlink(missing_ok=True)
        _sync_folder(self.path.parent)
        self._sweep_spill()
        return how

    def _sweep_spill(self) -> None:
        """What readers that were killed have written beside the copy for want of memory."""
        for folder in self.path.parent.glob(f"{self.path.name}.tmp-*"):
            number = folder.name.rpartition("-")[2]
            if number.isdecimal() and not _is_running(int(number)):
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


def publish(settings: WarehouseSettings, *, anew: bool) -> Publication:
    """Brings the copy up to date, or takes it away where the settings want none."""
    copy = published_copy(settings)
    if not settings.publish:
        copy.withdraw()
        return Publication("off")
    _write_out(settings, copy.file)
    return copy.publish(anew=anew)


def _write_out(settings: WarehouseSettings, file: Path) -> None:
    """A write-ahead log is left where the last writer was killed: opening applies it."""
    if not _wal(file).exists():
        return
    with (
        suppress(WarehouseError),
        open_file(settings, file=file, wait=_WRITER_WAIT) as warehouse,
    ):
        warehouse.database.execute("CHECKPOINT")


@contextmanager
def _unwritten(file: Path) -> Iterator[IO[bytes]]:
    """The file, whole, locked as DuckDB locks what it reads: nobody writes to it meanwhile."""
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


def _copy(source: IO[bytes], target: IO[bytes]) -> How:
    try:
        fcntl.ioctl(target.fileno(), _FICLONE, source.fileno())
    except OSError:
        # Not this file system, or not this kernel.
        _copy_bytes(source, target)
        return "copy"
    return "reflink"


def _copy_bytes(source: IO[bytes], target: IO[bytes]) -> None:
    """In the kernel where it can, so that no byte passes through this process."""
    if hasattr(os, "copy_file_range"):
        with suppress(_NotHereError), _not_here():
            while os.copy_file_range(source.fileno(), target.fileno(), _CHUNK):
                pass
            return
    source.seek(0)
    target.seek(0)
    shutil.copyfileobj(source, target, 1 << 20)


class _NotHereError(Exception):
    pass


@contextmanager
def _not_here() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG):
            raise
        raise _NotHereError from error


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


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
    """The copy; the file where there is none, or where somebody locks it. `wait` is for the file's
    lock.
    """
    reading = _copy_reading(settings)
    if reading is None:
        reading = WarehouseReader(open_file(settings, read_only=True, wait=wait))
    with reading.warehouse:
        yield reading


def _copy_reading(settings: WarehouseSettings) -> WarehouseReader | None:
    copy = published_copy(settings)
    as_of = copy.as_of if settings.publish else None
    if as_of is None:
        return None
    at_copy = settings.model_copy(update={"url": f"duckdb:{copy.path}"})
    try:
        return WarehouseReader(open_file(at_copy, read_only=True, wait=timedelta(0)), as_of)
    except WarehouseError as error:
        log.info("reads %s instead: %s", copy.file, error)
        return None
