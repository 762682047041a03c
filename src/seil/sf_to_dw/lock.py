"""One run at a time per lake: the run lock, and the fencing token of every write under it.

On one machine it is a kernel lock (flock), released when the process dies. In a remote bucket it is
a lease that its holder renews; after `LEASE` without a renewal another run may take it over.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from seil.errors import AlreadyRunningError
from seil.lake import Bucket, Lake
from seil.lake.lease import FREE_AFTER, LEASE, Holder, Lease, LeaseHeldError, LeaseRecord
from seil.lake.local_lease import LocalLease, record_key
from seil.lake.site_layout import migrate

KEY = "run.lock"
RunLock = Lease | LocalLease
# Seconds to wait for a brief holder, and for one that has not written its record yet.
_WAIT_FOR_BRIEF, _WAIT_FOR_UNRECORDED = 600.0, 10.0
_POLL, _REMOTE_POLL = 0.1, 1.0


@dataclass(frozen=True)
class LockCheck:
    """The fence of commits under another lock than the run's: they need that lock, and leave the
    token of the last run as it is.
    """

    lock: RunLock
    token: None = None

    def check(self) -> None:
        self.lock.check()

    def admit(self, place: str, stored: int) -> int:
        return stored


@contextmanager
def run_lock(
    lake: Lake, *, lease: timedelta = LEASE, brief: bool = False, key: str = KEY
) -> Iterator[RunLock]:
    """Removes the partial files of a killed holder, and migrates a site of an earlier version.

    Waits for a `brief` holder, which holds the lock for a few files only. Raises
    AlreadyRunningError, naming the holder, while another run holds the lock, and NewerSiteError.
    Once another run has taken the lock over, every write to lake and warehouse raises
    LeaseLostError, as does the end of the block.
    """
    lock = _lock(lake.staging, key, lease)
    _acquire(lock, Holder.here(brief=brief))
    with ExitStack() as stack:
        stack.enter_context(lock.renewal())
        if key == KEY:
            stack.enter_context(lake.fence.guard(lock))
        if lock.was_killed:
            # Only after a kill: the search lists the whole lake.
            lake.sweep_partial()
        if key == KEY:
            migrate(lake)
        yield lock


def lock_holder(lake: Lake, key: str = KEY) -> Holder | None:
    """None while the lock is free."""
    path = lake.staging.path(key)
    if path is None:
        return LeaseRecord.of(lake.staging.version(key)).holder
    if not _is_locked(path):
        return None
    return LeaseRecord.of(lake.staging.version(record_key(key))).holder or Holder()


def _is_locked(path: Path) -> bool:
    try:
        with path.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


def _lock(bucket: Bucket, key: str, length: timedelta) -> RunLock:
    path = bucket.path(key)
    return LocalLease(bucket, key, path) if path else Lease(bucket, key, length=length)


def _acquire(lock: RunLock, holder: Holder) -> None:
    started = time.monotonic()
    while True:
        try:
            lock.acquire(holder)
        except LeaseHeldError as error:
            if time.monotonic() - started > _max_wait(error.holder):
                raise _already_running(lock, error.holder) from None
        else:
            return
        time.sleep(_REMOTE_POLL if isinstance(lock, Lease) else _POLL)


def _max_wait(holder: Holder | None) -> float:
    if holder is None:
        return _WAIT_FOR_UNRECORDED
    return _WAIT_FOR_BRIEF if holder.brief else 0.0


def _already_running(lock: RunLock, holder: Holder | None) -> AlreadyRunningError:
    who = str(holder) if holder else "a run that is just starting"
    if isinstance(lock, LocalLease):
        return AlreadyRunningError(lock.name, who)
    minutes = FREE_AFTER.total_seconds() / 60
    expiry = f"if it died, its lock is free {minutes:.0f} minutes after the last renewal"
    return AlreadyRunningError(lock.name, who, hint=f"Wait for it to end; {expiry}")
