"""Runs at an interval: what is repeated, which objects are due, and what ends the repetition."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from seil.app import wording
from seil.errors import SeilError

if TYPE_CHECKING:
    from seil.app.site import Site
    from seil.catalog import SyncedObject

logger = logging.getLogger(__name__)


class RunDue(Protocol):
    """Runs the objects of these API names and reports it; `seil.app.steps.run`, for one."""

    def __call__(self, site: Site, names: Sequence[str], *, full: bool) -> object: ...


@dataclass
class DueObjects:
    """What a repetition runs: the objects that are due. `full` holds for the first run only.

    `within` is the repetition's interval.
    """

    run: RunDue
    within: timedelta
    names: Sequence[str] = ()
    full: bool = False

    def __call__(self, site: Site) -> None:
        full, self.full = self.full, False
        if due := due_objects(site, self.names, within=self.within):
            self.run(site, [obj.api_name for obj in due], full=full)


@dataclass
class Repetition:
    """Runs, waits, and runs again until `stop` is set.

    `open_site` gives each run a site of its own, so that changed settings hold from the next run
    on. `before_wait` is called with the time until then.
    """

    interval: timedelta
    open_site: Callable[[], AbstractContextManager[Site]]
    run: Callable[[Site], object]
    before_wait: Callable[[timedelta], None] = lambda _: None
    stop: threading.Event = field(default_factory=threading.Event)

    def repeat(self) -> None:
        """Raises a SeilError that is lasting; any other is logged, and the next run tries again."""
        while not self.stop.is_set():
            start = time.monotonic()
            try:
                with self.open_site() as site:
                    self.run(site)
            except SeilError as error:
                if error.is_lasting:
                    raise
                logger.error("this run failed, the next one tries again: %s", error)
            pause = max(self.interval - timedelta(seconds=time.monotonic() - start), timedelta())
            logger.info("next run in %s", wording.duration(pause))
            self.before_wait(pause)
            self.stop.wait(pause.total_seconds())


def due_objects(site: Site, names: Sequence[str] = (), *, within: timedelta) -> list[SyncedObject]:
    """Those whose time has come, or will before half of the next interval is over.

    An object that has no schedule of its own does not wait longer than `within`, the interval.
    """
    from seil.sf_to_dw.extract.flows import FlowStates

    states = FlowStates(site.lake)
    soon = datetime.now(UTC) + within / 2
    usual = site.catalog.usual_schedule

    def is_due(obj: SyncedObject) -> bool:
        finished = states.get(obj).finished_at
        own = obj.flow.schedule
        schedule = min(within, own) if own == usual else own
        return finished is None or finished + schedule <= soon

    return [obj for obj in site.catalog.select(names) if is_due(obj)]
