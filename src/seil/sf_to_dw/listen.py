"""Ingests, loads and builds landed files as they arrive: two subscribers on the journal.

`ingestion` ingests the file of an `Object Created` event; `warehouse` loads the curated file of a
successful `file-ingestion` event, and builds. A local folder sends no events for files that other
tools write into in/, so a sweep publishes them. Events are delivered at least once and each step
is idempotent: after a kill, the next listener resumes.
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
_CATCH_UP_EVERY = 6 * 3600.0
# A tool that writes into in/ in place may pause for a moment.
_SETTLE_TIME = timedelta(seconds=2)
_LANDED = Pattern(
    {
        "source": ["aws.s3"],
        "detail-type": [LANDED],
        "detail": {"object": {"key": [{"prefix": LANDING_PREFIX}]}},
    }
)
_INGESTION_SUCCESS = Pattern(
    {"source": [SOURCE], "detail-type": [INGESTION], "detail": {"state": ["success"]}}
)


@dataclass
class FileListener:
    """One per lake. `seil status` shows what stops it, until a sweep succeeds."""

    lake: Lake
    journal: Journal
    handlers: FileHandlers
    keep: timedelta = timedelta(days=14)
    retry_wait: timedelta = timedelta(seconds=1)
    _unsettled: dict[str, Entry] = field(default_factory=dict)
    _is_stop_cleared: bool = False
    _dispatcher: Dispatcher = field(init=False)

    def __post_init__(self) -> None:
        # Before the catch-up, so that every event published from here on is delivered.
        self._dispatcher = Dispatcher(self.journal, self._subscribers(), stop=self.stop)

    @property
    def stop(self) -> threading.Event:
        return self.handlers.stop

    def drain(self) -> bool:
        """Ingests, loads and builds the files present; False if any step failed.

        Raises AlreadyRunningError while another listener runs, and AbortError from the steps.
        """
        with run_lock(self.lake, key=LOCK_KEY):
            with self.handlers.round():
                self._catch_up()
            self.publish_landed(settle_time=timedelta())
            return not self._handle_events().dead and self.handlers.all_ok

    def listen(self, sweep: timedelta) -> None:
        """Runs until `stop` is set; retries at the next sweep after any other SEIL error.

        Raises AlreadyRunningError while another listener runs, LeaseLostError when one has taken
        over, JournalError and errors that are lasting.
        """
        with run_lock(self.lake, key=LOCK_KEY) as lock:
            caught_up = -math.inf
            while not self.stop.is_set():
                lock.check()
                try:
                    if time.monotonic() - caught_up > _CATCH_UP_EVERY:
                        with self.handlers.round():
                            self._catch_up()
                        caught_up = time.monotonic()
                    self._sweep(sweep)
                    self._clear_stop()
                except SeilError as error:
                    if error.is_lasting or isinstance(error, JournalError):
                        raise
                    if not self.stop.is_set():
                        log.warning("retries in %s: %s", sweep, error)
                        self._record_stop(error)
                        self.stop.wait(sweep.total_seconds())

    def _record_stop(self, error: SeilError) -> None:
        with suppress(StateError):
            self.handlers.state.troubles.note_stop("listen", error)
        self._is_stop_cleared = False

    def _clear_stop(self) -> None:
        """Clears an earlier listener's stop, too, with the first sweep."""
        if not self._is_stop_cleared:
            with suppress(StateError):
                self.handlers.state.troubles.clear_stops("listen")
            self._is_stop_cleared = True

    def publish_landed(self, *, settle_time: timedelta = _SETTLE_TIME) -> int:
        """Publishes an `Object Created` event per settled file in in/; returns how many are not.

        A file has settled when it is older than `settle_time`, or unchanged since the last call.
        Idempotent: the journal ignores an event that it already has.
        """
        entries = list(self.lake.landing.list(LANDING_PREFIX))
        before = datetime.now(UTC) - settle_time
        unsettled = {
            entry.key: entry
            for entry in entries
            if entry.modified > before and self._unsettled.get(entry.key) != entry
        }
        settled = [entry for entry in entries if entry.key not in unsettled]
        self.journal.publish([landed_event(self.lake.landing, entry) for entry in settled])
        self._unsettled = unsettled
        return len(unsettled)

    def _subscribers(self) -> list[Subscriber]:
        return [
            Subscriber(
                INGESTION_SUBSCRIBER,
                _LANDED,
                lambda event: self.handlers.handle_landed([event]),
                wait=self.retry_wait,
                # Files may have landed before the first listener started.
                replay=True,
                handle_all=self.handlers.handle_landed,
            ),
            Subscriber(
                WAREHOUSE_SUBSCRIBER,
                _INGESTION_SUCCESS,
                lambda event: self.handlers.handle_curated([event]),
                wait=self.retry_wait,
                handle_all=self.handlers.handle_curated,
            ),
        ]

    def _sweep(self, interval: timedelta) -> None:
        """Publishes landed files, then handles events until the next sweep is due."""
        unsettled = self.publish_landed()
        pause = min(interval, _SETTLE_TIME) if unsettled else interval
        until = time.monotonic() + pause.total_seconds()
        while time.monotonic() < until and not self.stop.is_set():
            self._handle_events()
            self.stop.wait(_POLL)

    def _handle_events(self) -> DeliveryCount:
        with self.handlers.round() as report:
            count = self._dispatcher.drain()
            if count.dead:
                report.add_problem(f"{count.dead:,} event(s) are dead letters: `seil events dead`")
        return count

    def _catch_up(self) -> None:
        """Finishes what a killed process left; loads files ingested while no listener ran."""
        self.journal.prune(self.keep)
        with self.handlers.hold_run_lock():
            self.lake.sweep_partial()
            settle_pending(self.lake, self.journal)
            self.handlers.catch_up()
