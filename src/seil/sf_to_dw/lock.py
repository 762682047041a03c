"""One run at a time per lake.

On one machine the kernel keeps the lock (flock) and frees it when the process dies. In a remote
bucket it is an object made by conditional create; its holder renews it, and one not renewed for
`LEASE` belongs to a dead run and may be taken over.
"""

from __future__ import annotations

import fcntl
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from seil.errors import AlreadyRunningError
from seil.lake import Bucket, Lake
from seil.sf_to_dw.layout import migrate

KEY = "run.lock"
LEASE = timedelta(minutes=10)
# For a brief holder, and for one who is just writing down who it is.
_PATIENCE, _STARTING_PATIENCE = 600.0, 1.0
_POLL = 0.1
_STARTING = "starting"


@contextmanager
def run_lock(
    lake: Lake, *, lease: timedelta = LEASE, brief: bool = False, key: str = KEY
) -> Iterator[None]:
    """Raises AlreadyRunningError, naming the holder, when another run has it, and NewerSiteError.

    What a holder that was killed has left half-written is removed first, and a site of an earlier
    version is migrated. A `brief` holder has it for some files only, and is waited for.
    """
    with ExitStack() as held:
        begun = time.monotonic()
        while True:
            try:
                lock = _lock(lake.staging, key, _holder(brief=brief), lease)
                was_killed = held.enter_context(lock)
                break
            except AlreadyRunningError as error:
                if time.monotonic() - begun > _patience(error.holder):
                    raise
            time.sleep(_POLL)
        if was_killed:
            # Looking for it each time would take the longer the more the lake holds.
            lake.sweep_partial()
        if key == KEY:
            migrate(lake)
        yield


def _lock(bucket: Bucket, key: str, holder: str, lease: timedelta) -> AbstractContextManager[bool]:
    """Gives whether its last holder did not let go of it by itself."""
    path = bucket.path(key)
    return _file_lock(path, holder) if path else _ObjectLock(bucket, key, holder).held(lease)


def _holder(*, brief: bool) -> str:
    body = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
        **({"brief": True} if brief else {}),
    }
    return json.dumps(body)


def _patience(holder: str) -> float:
    if holder == _STARTING:
        return _STARTING_PATIENCE
    return _PATIENCE if '"brief": true' in holder else 0.0


@contextmanager
def _file_lock(path: Path, holder: str) -> Iterator[bool]:
    # The file stays: removing it would let a third run lock a name that the second still waits on.
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise AlreadyRunningError(str(path), file.read() or _STARTING) from error
        file.seek(0)
        was_killed = bool(file.read())
        file.truncate(0)
        file.write(holder)
        file.flush()
        yield was_killed
        file.truncate(0)


@dataclass(frozen=True)
class _ObjectLock:
    bucket: Bucket
    key: str
    holder: str

    @contextmanager
    def held(self, lease: timedelta) -> Iterator[bool]:
        self._take(lease)
        done = threading.Event()
        renewal = threading.Thread(target=self._renew, args=(lease, done), daemon=True)
        renewal.start()
        try:
            # A remote writer that is killed leaves nothing.
            yield False
        finally:
            done.set()
            renewal.join()
            self.bucket.delete(self.key)

    def _take(self, lease: timedelta) -> None:
        if self._create():
            return
        entry = self.bucket.head(self.key)
        if entry and datetime.now(UTC) - entry.modified < lease:
            raise self._taken()
        self.bucket.delete(self.key)
        if not self._create():
            raise self._taken()

    def _create(self) -> bool:
        return self.bucket.put(self.key, self.holder.encode(), create=True)

    def _taken(self) -> AlreadyRunningError:
        return AlreadyRunningError(self.bucket.uri(self.key), self.bucket.get(self.key).decode())

    def _renew(self, lease: timedelta, done: threading.Event) -> None:
        while not done.wait(lease.total_seconds() / 4):
            self.bucket.put(self.key, self.holder.encode())
