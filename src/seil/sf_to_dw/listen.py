"""Ingests, loads and builds landed files as they come: two subscribers on the journal.

`ingestion` takes in what an `Object Created` event names; `warehouse` loads what a successful
`file-ingestion` put into curated, and builds. Files that other tools put into in/ tell nobody on
one machine, so a sweep tells of them. Every step is safe to repeat, and each event is delivered at
least once: a process killed anywhere is gone on with by the next one.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from seil.errors import (
    ConfigurationError,
    JournalError,
    SeilError,
    StateError,
)
from seil.events.dispatch import DeliveryCount, Dispatcher, Pattern, Subscriber
from seil.events.file_events import INGESTION, SOURCE
from seil.events.journal import Journal
from seil.lake import Entry, Lake
from seil.lake.keys import LANDING_PREFIX
from seil.sf_to_dw.extract.landing import LANDED, landed_event
from seil.sf_to_dw.handlers import FileHandlers
from seil.sf_to_dw.ingest.deliveries import settle_pending
from seil.sf_to_dw.lock import run_lock

log = logging.getLogger(__name__)

INGESTION_SUBSCRIBER = "ingestion"
WAREHOUSE_SUBSCRIBER = "warehouse"
LOCK_KEY = "listen.lock"
_POLL = 0.25
_LONGEST_WAIT = 5.0
_TIDY_EVERY = 6 * 3600.0
# Whoever writes into in/ in place may pause for a moment.
_SETTLED = timedelta(seconds=2)
_LANDED = Pattern(
    {
        "source": ["aws.s3"],
        "detail-type": [LANDED],
        "detail": {"object": {"key": [{"prefix": LANDING_PREFIX}]}},
    }
)
_TAKEN_IN = Pattern(
    {"source": [SOURCE], "detail-type": [INGESTION], "detail": {"state": ["success"]}}
)


@dataclass
class FileListener:
    """One a lake. What keeps it waiting is a trouble in `seil status` until it has passed."""

    lake: Lake
    journal: Journal
    handlers: FileHandlers
    keep: timedelta = timedelta(days=14)
    retry_wait: timedelta = timedelta(seconds=1)
    _young: dict[str, Entry] = field(default_factory=dict)
    _is_noted_well: bool = False
    _dispatcher: Dispatcher = field(init=False)

    def __post_init__(self) -> None:
        # Before anything is caught up with: what comes from here on is delivered.
        self._dispatcher = Dispatcher(self.journal, self._subscribers(), stop=self.stop)

    @property
    def stop(self) -> threading.Event:
        return self.handlers.stop

    def drain(self) -> bool:
        """Takes in, loads and builds what is there; False when anything went wrong.

        Raises AlreadyRunningError beside another listener, AbortError as the steps do.
        """
        with run_lock(self.lake, key=LOCK_KEY):
            with self.handlers.round():
                self._catch_up()
            self.publish_landed(settled=timedelta())
            return not self._handle_events().dead and self.handlers.all_ok

    def listen(self, sweep: timedelta) -> None:
        """Goes on until `stop` is set. What passes by itself, or by somebody's act, is waited for.

        Raises AlreadyRunningError beside another listener, LeaseLostError once there is one,
        ConfigurationError and JournalError.
        """
        with run_lock(self.lake, key=LOCK_KEY) as lock:
            tidied = -math.inf
            while not self.stop.is_set():
                lock.check()
                try:
                    if time.monotonic() - tidied > _TIDY_EVERY:
                        with self.handlers.round():
                            self._catch_up()
                        tidied = time.monotonic()
                    self._until_next_sweep(sweep)
                    self._note(None)
                except (ConfigurationError, JournalError):
                    raise
                except SeilError as error:
                    if not self.stop.is_set():
                        log.warning("it is tried again in %s: %s", sweep, error)
                        self._note(error)
                        self.stop.wait(sweep.total_seconds())

    def _note(self, error: SeilError | None) -> None:
        """What an earlier listener has left is over with the first sweep."""
        if error is None and self._is_noted_well:
            return
        with suppress(StateError):
            if error:
                self.handlers.state.troubles.note_stop("listen", error)
            else:
                self.handlers.state.troubles.clear_stops("listen")
        self._is_noted_well = error is None

    def publish_landed(self, *, settled: timedelta = _SETTLED) -> int:
        """Tells of each file in in/ that is not being written any more; returns how many are.

        An event that was published already, by us or by whoever landed the file, is left as it is.
        """
        entries = list(self.lake.landing.list(LANDING_PREFIX))
        before = datetime.now(UTC) - settled
        young = {
            entry.key: entry
            for entry in entries
            if entry.modified > before and self._young.get(entry.key) != entry
        }
        self.journal.publish(
            [landed_event(self.lake.landing, entry) for entry in entries if entry.key not in young]
        )
        self._young = young
        return len(young)

    def _subscribers(self) -> list[Subscriber]:
        return [
            Subscriber(
                INGESTION_SUBSCRIBER,
                _LANDED,
                lambda event: self.handlers.handle_landed([event]),
                wait=self.retry_wait,
                # Their events may be older than the first listener.
                replay=True,
                handle_all=self.handlers.handle_landed,
            ),
            Subscriber(
                WAREHOUSE_SUBSCRIBER,
                _TAKEN_IN,
                lambda event: self.handlers.handle_curated([event]),
                wait=self.retry_wait,
                handle_all=self.handlers.handle_curated,
            ),
        ]

    def _until_next_sweep(self, sweep: timedelta) -> None:
        young = self.publish_landed()
        pause = min(sweep, _SETTLED) if young else sweep
        until = time.monotonic() + pause.total_seconds()
        while time.monotonic() < until and not self.stop.is_set():
            self._handle_events()
            self.stop.wait(_POLL)

    def _handle_events(self) -> DeliveryCount:
        """One round."""
        with self.handlers.round() as report:
            count = self._dispatcher.drain()
            if count.dead:
                report.add_problem(f"{count.dead:,} event(s) are dead letters: `seil events dead`")
        return count

    def _catch_up(self) -> None:
        """What a killed process left, and what was ingested before anybody listened."""
        self.journal.prune(self.keep)
        with self.handlers.turn():
            self.lake.sweep_partial()
            settle_pending(self.lake, self.journal)
            self.handlers.catch_up()
