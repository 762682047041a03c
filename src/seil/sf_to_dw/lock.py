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
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from seil.errors import AlreadyRunningError
from seil.lake import Bucket, Lake

KEY = "run.lock"
LEASE = timedelta(minutes=10)


@contextmanager
def run_lock(lake: Lake, *, lease: timedelta = LEASE) -> Iterator[None]:
    """Raises AlreadyRunningError, naming the holder, when another run has it."""
    path = lake.staging.path(KEY)
    with _file_lock(path) if path else _object_lock(lake.staging, lease):
        yield


def _holder() -> str:
    body = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "since": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return json.dumps(body)


@contextmanager
def _file_lock(path: Path) -> Iterator[None]:
    # The file stays: removing it would let a third run lock a name that the second still waits on.
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise AlreadyRunningError(str(path), file.read() or "starting") from error
        file.truncate(0)
        file.write(_holder())
        file.flush()
        yield
        file.truncate(0)


@contextmanager
def _object_lock(bucket: Bucket, lease: timedelta) -> Iterator[None]:
    _take(bucket, lease)
    done = threading.Event()
    renewal = threading.Thread(target=_renew, args=(bucket, lease, done), daemon=True)
    renewal.start()
    try:
        yield
    finally:
        done.set()
        renewal.join()
        bucket.delete(KEY)


def _take(bucket: Bucket, lease: timedelta) -> None:
    if bucket.put(KEY, _holder().encode(), create=True):
        return
    entry = bucket.head(KEY)
    if entry and datetime.now(UTC) - entry.modified < lease:
        raise AlreadyRunningError(bucket.uri(KEY), bucket.get(KEY).decode())
    bucket.delete(KEY)
    if not bucket.put(KEY, _holder().encode(), create=True):
        raise AlreadyRunningError(bucket.uri(KEY), bucket.get(KEY).decode())


def _renew(bucket: Bucket, lease: timedelta, done: threading.Event) -> None:
    while not done.wait(lease.total_seconds() / 4):
        bucket.put(KEY, _holder().encode())
