"""Object storage by URL: a folder (`file:///...`) or an S3 prefix (`s3://...`), same calls."""

from __future__ import annotations

import copy
import errno
import fcntl
import hashlib
import io
import os
import re
import secrets
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple, cast
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, PreconditionError
from obstore.store import LocalStore, from_url

from seil.errors import ConflictError, LakeError

if TYPE_CHECKING:
    from obstore import PutMode
    from obstore.store import ObjectStore


@dataclass(frozen=True)
class Entry:
    """`size` in bytes, `modified` in UTC."""

    key: str
    size: int
    modified: datetime


class Version(NamedTuple):
    """The content of a key, and its entity tag for a conditional write."""

    data: bytes
    tag: str


class Bucket:
    """One bucket of the lake. Raises LakeError for every error of the store.

    Keys are relative, `/` separated. A key appears only when its content is complete: local
    writes go to a temporary name in the same folder first, S3 shows an object when its upload
    completes. `guard` is called before each change, and refuses it by raising.
    """

    def __init__(self, url: str, *, guard: Callable[[], None] = lambda: None) -> None:
        self.url = url.rstrip("/")
        self.guard = guard
        parts = urlsplit(self.url)
        self._root: Path | None = None
        self._store: ObjectStore
        if parts.scheme == "file":
            self._root = Path(unquote(parts.path))
            with _translate_errors(self.url, "create"):
                self._root.mkdir(parents=True, exist_ok=True)
                self._store = LocalStore(self._root)
        else:
            with _translate_errors(self.url, "open"):
                self._store = from_url(self.url)

    def uri(self, key: str) -> str:
        return f"{self.url}/{key}"

    def path(self, key: str) -> Path | None:
        """The local file of a key; None in a remote bucket."""
        return self._root / key if self._root else None

    def put(self, key: str, data: bytes, *, create: bool = False) -> bool:
        """Writes atomically. With `create`, returns False if the key exists."""
        self.guard()
        with _translate_errors(self.uri(key), "write"):
            if self._root:
                return _LocalFile(self._root / key).put(data, create=create)
            try:
                obstore.put(self._store, key, data, mode="create" if create else "overwrite")
            except AlreadyExistsError:
                return False
        return True

    def put_if(self, key: str, data: bytes, tag: str | None) -> str:
        """Writes if the key still has this tag (None: does not exist); returns the new tag.

        Raises ConflictError. Tags identify content: a key that was changed back counts as
        unchanged. Idempotent: a retry whose first attempt succeeded is no conflict.
        """
        self.guard()
        with _translate_errors(self.uri(key), "write"):
            if self._root:
                new = _put_if_local(self._root, key, data, tag)
            else:
                new = self._put_if_remote(key, data, tag)
        if new is None:
            stored = self.version(key)
            if stored is None or stored.data != data:
                raise ConflictError(f"{self.uri(key)} was changed by another writer")
            new = stored.tag
        return new

    def _put_if_remote(self, key: str, data: bytes, tag: str | None) -> str | None:
        mode: PutMode = "create" if tag is None else {"e_tag": tag}
        try:
            written = obstore.put(self._store, key, data, mode=mode)
        except (AlreadyExistsError, PreconditionError, FileNotFoundError):
            return None
        return written["e_tag"] or ""

    def version(self, key: str) -> Version | None:
        """Content and tag, read atomically; None when the key does not exist."""
        if self._root:
            with _translate_errors(self.uri(key), "read"):
                data = _content(self._root / key)
            return None if data is None else Version(data, _tag(data))
        try:
            with _translate_errors(self.uri(key), "read"):
                stored = obstore.get(self._store, key)
                return Version(bytes(stored.bytes()), stored.meta["e_tag"] or "")
        except LakeError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return None
            raise

    def refuses_stale_tags(self, probe: str) -> bool:
        """Whether conditional writes are honoured here; `probe` is a key that may be written."""
        self.put(probe, b"probe")
        try:
            self.put_if(probe, b"stale", '"0123456789abcdef0123456789abcdef"')
        except ConflictError:
            return True
        finally:
            self.delete(probe)
        return False

    def without_guard(self) -> Bucket:
        """A copy without the guard: for the lock that the guard checks."""
        bucket = copy.copy(self)
        bucket.guard = lambda: None
        return bucket

    def get(self, key: str) -> bytes:
        with _translate_errors(self.uri(key), "read"):
            return bytes(obstore.get(self._store, key).bytes())

    def find(self, key: str) -> bytes | None:
        """None when the key does not exist or is not valid."""
        try:
            return self.get(key)
        except ValueError:  # `..`, or not UTF-8.
            return None
        except LakeError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return None
            raise

    def head(self, key: str) -> Entry | None:
        """None when the key does not exist or is not valid."""
        if not key:
            return None
        try:
            with _translate_errors(self.uri(key), "read"):
                meta = obstore.head(self._store, key)
        except ValueError:  # `..`, or not UTF-8.
            return None
        except LakeError as error:
            if isinstance(error.__cause__, FileNotFoundError):
                return None
            raise
        return Entry(meta["path"], meta["size"], meta["last_modified"])

    def list(self, prefix: str = "", *, start: str = "") -> Iterator[Entry]:
        """Entries below a prefix, sorted by key; with `start`, only those after that key.

        Nothing before `start` is read: S3 lists from there, and earlier folders are not opened.
        """
        with _translate_errors(self.uri(prefix), "list"):
            if start and self._root:
                entries = list(_local_entries(self._root, prefix, start))
            else:
                entries = [
                    Entry(meta["path"], meta["size"], meta["last_modified"])
                    for chunk in obstore.list(self._store, prefix or None, offset=start or None)
                    for meta in chunk
                ]
        yield from sorted(entries, key=lambda entry: entry.key)

    def move(self, source: str, target: str) -> None:
        """Atomic in a folder; on S3 a copy, then a delete. Idempotent: repeat it after a kill."""
        self.guard()
        with _translate_errors(self.uri(source), "move"):
            obstore.rename(self._store, source, target)

    def touch(self, key: str) -> None:
        """Sets the modified time to now: a local move keeps the old one, remote stores set it."""
        if self._root:
            with _translate_errors(self.uri(key), "touch"):
                os.utime(self._root / key)

    def delete(self, key: str) -> None:
        """Idempotent: no error if the key does not exist."""
        self.guard()
        with _translate_errors(self.uri(key), "delete"):
            try:
                obstore.delete(self._store, key)
            except FileNotFoundError:
                return

    def delete_empty_folder(self, key: str) -> None:
        """Deletes the folder of `key` if it is empty. Does nothing on S3, which has no folders.

        A list reads empty folders, too: a week of hourly runs would add 0.1 s to each list.
        """
        if self._root:
            with _FOLDER_LOCK, suppress(OSError):
                (self._root / key).parent.rmdir()

    @contextmanager
    def reader(self, key: str) -> Iterator[IO[bytes]]:
        """A seekable binary file that reads ranges on demand."""
        with _translate_errors(self.uri(key), "read"):
            if self._root:
                file: IO[bytes] = (self._root / key).open("rb")
            else:
                file = io.BufferedReader(_RemoteFile(obstore.open_reader(self._store, key)))
        with file:
            yield file

    @contextmanager
    def writer(self, key: str) -> Iterator[IO[bytes]]:
        """A binary file whose key appears when the block ends without an exception.

        Closing the file inside the block commits nothing: Parquet writers close their sink.
        """
        with _translate_errors(self.uri(key), "write"):
            sink: Any = (
                _LocalFile(self._root / key)
                if self._root
                else obstore.open_writer(self._store, key)
            )
            try:
                yield cast("IO[bytes]", _PendingWrite(sink))
            except BaseException:
                if isinstance(sink, _LocalFile):
                    sink.discard()
                raise
            self._commit(sink)

    def _commit(self, sink: Any) -> None:
        try:
            self.guard()
        except BaseException:
            if isinstance(sink, _LocalFile):
                sink.discard()
            raise
        sink.close()

    def sweep_partial_of(self, key: str) -> None:
        """Deletes what killed writers left of one key."""
        if not self._root:
            return
        target = self._root / key
        with _translate_errors(self.uri(key), "clean up"):
            for path in list(target.parent.iterdir()) if target.parent.is_dir() else []:
                if path.name.startswith(f"{target.name}#") and _PARTIAL.search(path.name):
                    _delete_abandoned(path)

    def sweep_partial(self) -> Sequence[Path]:
        """Deletes the partial files of killed writers, and returns their paths.

        S3 shows no partial objects.
        """
        if not self._root:
            return []
        with _translate_errors(self.url, "clean up"):
            return [
                path
                for folder, _, names in os.walk(self._root)
                for name in names
                if _PARTIAL.search(name) and _delete_abandoned(path := Path(folder, name))
            ]

    def free_bytes(self) -> int | None:
        """None in a remote bucket."""
        return shutil.disk_usage(self._root).free if self._root else None


# Within this process, one thread at a time creates or deletes folders.
_FOLDER_LOCK = threading.Lock()
_FOLDER_TRIES = 5
# The lock file of conditional writes; the store never lists a name that ends like this.
_CONDITIONAL_LOCK = "conditional#0"
# No other file's name matches.
_PARTIAL = re.compile(r"#000\d{27}$")


def _partial_name(target: Path) -> str:
    return f"{target.name}#{secrets.randbelow(10**27):030d}"


# obstore leaves these out of its lists, too.
_UNLISTED = re.compile(r"#\d+$")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _local_entries(root: Path, folder: str, start: str) -> Iterator[Entry]:
    """`folder` ends with a slash, or is empty."""
    try:
        entries = sorted(os.scandir(root / folder), key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in entries:
        key = folder + entry.name
        if entry.is_dir():
            if (below := f"{key}/") > start or start.startswith(below):
                yield from _local_entries(root, below, start)
        elif key > start and not _UNLISTED.search(entry.name):
            # It may have been deleted meanwhile.
            with suppress(FileNotFoundError):
                stat = entry.stat()
                modified = _EPOCH + timedelta(microseconds=stat.st_mtime_ns // 1000)
                yield Entry(key, stat.st_size, modified)


def _delete_abandoned(part: Path) -> bool:
    """Deletes it unless a process is writing it, and holds its lock."""
    try:
        with part.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            part.unlink()
    except (BlockingIOError, FileNotFoundError, PermissionError):
        return False
    return True


def _put_if_local(root: Path, key: str, data: bytes, tag: str | None) -> str | None:
    """The new tag; None when the content's tag is not `tag`."""
    target = root / key
    with (root / _CONDITIONAL_LOCK).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stored = _content(target)
        if (None if stored is None else _tag(stored)) != tag:
            return None
        # `create` excludes a concurrent plain put, too.
        return _tag(data) if _LocalFile(target).put(data, create=tag is None) else None


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _tag(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class _LocalFile:
    """Written beside its target, under a name that the store never lists (`<name>#<digits>`).

    Locked until it has its own name or is gone: the lock of a killed process is free.
    """

    def __init__(self, target: Path) -> None:
        self._target = target
        self._part = target.with_name(_partial_name(target))
        self._file = self._open_locked()

    def _open_locked(self) -> IO[bytes]:
        while True:
            file = self._open()
            try:
                fcntl.flock(file, fcntl.LOCK_EX)
                if os.fstat(file.fileno()).st_nlink:
                    return file
            except BaseException:
                file.close()
                raise
            # Swept before it was locked.
            file.close()

    def _open(self) -> IO[bytes]:
        for _ in range(_FOLDER_TRIES):
            # Another process may delete the empty folder between the two calls.
            with _FOLDER_LOCK, suppress(FileNotFoundError, FileExistsError):
                self._target.parent.mkdir(parents=True, exist_ok=True)
                return self._part.open("wb")
        self._target.parent.mkdir(parents=True, exist_ok=True)
        return self._part.open("wb")

    def write(self, data: bytes) -> int:
        return self._file.write(data)

    def flush(self) -> None:
        self._file.flush()

    def close(self) -> None:
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._part.replace(self._target)
            self._file.close()
        except OSError:
            self.discard()
            raise

    def put(self, data: bytes, *, create: bool) -> bool:
        """Atomic for other processes. Not fsynced: a flow's state is put after every page."""
        try:
            self._file.write(data)
            self._file.flush()
            if create:
                # Unlike a rename, a link fails if the target exists.
                os.link(self._part, self._target)
            else:
                self._part.replace(self._target)
        except FileExistsError:
            return False
        finally:
            self.discard()
        return True

    def discard(self) -> None:
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):
            self._part.unlink()


class _RemoteFile(io.RawIOBase):
    """obstore's reader as the `io` class that pyarrow expects."""

    def __init__(self, file: obstore.ReadableFile) -> None:
        self._file = file

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()


class _PendingWrite(io.RawIOBase):
    def __init__(self, sink: Any) -> None:
        self._sink = sink
        self._written = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._sink.write(data)
        size = memoryview(data).nbytes
        self._written += size
        return size

    def tell(self) -> int:
        return self._written


_HINTS = {
    errno.ENOSPC: "The disk is full: free some space, then run the same command again",
    errno.EDQUOT: "The disk quota is used up: free some space, then run the same command again",
    errno.EROFS: "The file system is read-only: point [lake] url at a folder that can be written",
    errno.EACCES: "Give this user the right to write there, or change [lake] url",
    errno.EPERM: "Give this user the right to write there, or change [lake] url",
}


@contextmanager
def _translate_errors(url: str, operation: str) -> Iterator[None]:
    try:
        yield
    except (OSError, BaseError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or str(error)
        # object_store appends a multi-line "Debug source" dump to its messages.
        first_line = reason.strip().split("\n", 1)[0]
        number = error.errno if isinstance(error, OSError) else None
        raise LakeError(url, operation, first_line, hint=_hint(number, reason)) from error


def _hint(number: int | None, reason: str) -> str:
    if number in _HINTS:
        return _HINTS[number]
    return next((hint for n, hint in _HINTS.items() if f"os error {n})" in reason), "")
