"""The scheduler of a site, under a lock of its own."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from seil.app.start.jobs import ScheduledJob
from seil.app.start.schedule import first_wait, scheduled_jobs
from seil.app.start.scheduler import JobChange, Scheduler
from seil.app.start.stopping import StopSignal
from seil.errors import SeilError
from seil.observe.progress import SILENT, Progress

if TYPE_CHECKING:
    from seil.app.site import Site

LOCK_KEY = "start.lock"

log = logging.getLogger(__name__)


@contextmanager
def scheduler_of(
    site: Site,
    open_site: Callable[[], AbstractContextManager[Site]],
    *,
    on_change: Callable[[JobChange], None] = lambda _: None,
    stop: StopSignal,
    display: Progress = SILENT,
) -> Iterator[Scheduler]:
    """`open_site` gives each run of a job a site of its own, with the settings of that moment.

    Raises ConfigurationError if nothing is scheduled, AlreadyRunningError while another one runs.
    """
    from seil.sf_to_dw.lock import run_lock

    jobs = scheduled_jobs(site.settings)
    with run_lock(site.lake, key=LOCK_KEY) as lock:
        yield Scheduler(
            jobs,
            open_site,
            on_change=on_change,
            first_waits=_first_waits(site, jobs),
            stop=stop,
            display=display,
            check=lock.check,
        )


def _first_waits(site: Site, jobs: Sequence[ScheduledJob]) -> dict[str, timedelta]:
    """None where the state cannot be read: each job that needs it says why."""
    try:
        runs = site.state_to_read.runs
        now = datetime.now(UTC)
        return {entry.job.name: first_wait(entry, runs, now) for entry in jobs}
    except SeilError as error:
        log.warning("every job starts at once, as its last run is unknown: %s", error)
        return {}
