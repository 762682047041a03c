"""Landed files taken in, loaded and built as they come: two subscribers on the journal.

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
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

from seil.catalog import Catalog, SyncedObject
from seil.errors import (
    AlreadyRunningError,
    ConfigurationError,
    FileRejectedError,
    JournalError,
    ObjectRejectedError,
    SeilError,
    StateError,
)
from seil.events.dispatch import Dispatcher, Pattern, Subscriber
from seil.events.envelope import Event
from seil.events.file_events import INGESTION, SOURCE
from seil.events.journal import Journal
from seil.lake import Entry, Lake
from seil.lake.keys import LANDING_PREFIX
from seil.modeling.build import build
from seil.sf_to_dw.extract.landing import LANDED, landed_event
from seil.sf_to_dw.ingest.deliveries import settle_pending
from seil.sf_to_dw.ingest.ingestor import Ingested, Ingestor
from seil.sf_to_dw.load.events import ObjectLoad
from seil.sf_to_dw.load.loader import load
from seil.sf_to_dw.load.object_loader import SCHEMA
from seil.sf_to_dw.lock import run_lock
from seil.state import State

if TYPE_CHECKING:
    from seil.modeling.model import Models
    from seil.warehouse.protocol import Warehouse
    from seil.warehouse.readers import Publication

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


@dataclass(frozen=True)
class Told:
    """One line of what happened; `about` is a file's key, a table, or nothing."""

    step: Literal["ingest", "load", "build", "publish"]
    state: str
    about: str
    message: str
    ok: bool = True
    at: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass
class Listener:
    """One a lake. `tell` is called as things happen, from the thread that listens."""

    lake: Lake
    catalog: Catalog
    journal: Journal
    state: State
    ingestor: Ingestor
    open_warehouse: Callable[[], AbstractContextManager[Warehouse]]
    models: Models
    publish: Callable[[], Publication] | None = None
    workers: int = 2
    keep: timedelta = timedelta(days=14)
    retry_wait: timedelta = timedelta(seconds=1)
    tell: Callable[[Told], None] = lambda _: None
    stop: threading.Event = field(default_factory=threading.Event)
    _young: dict[str, Entry] = field(default_factory=dict)
    _is_ok: bool = True
    _is_noted_well: bool = False
    # Until it is known better: a process may have been killed between a load and its build.
    _is_build_due: bool = True
    _dispatcher: Dispatcher = field(init=False)

    def __post_init__(self) -> None:
        # Before anything is caught up with: what comes from here on is delivered.
        self._dispatcher = Dispatcher(self.journal, self._subscribers(), stop=self.stop)

    def drain(self) -> bool:
        """Takes in, loads and builds what is there; False when anything went wrong.

        Raises AlreadyRunningError beside another listener, AbortError as the steps do.
        """
        with run_lock(self.lake, key=LOCK_KEY):
            self._catch_up()
            self.publish_landed(settled=timedelta())
            return not self._dispatcher.drain().dead and self._is_ok

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
        """For `seil status`; what an earlier listener has left is over with the first sweep."""
        if error is None and self._is_noted_well:
            return
        with suppress(StateError):
            if error:
                self.state.troubles.note_stop("listen", error)
            else:
                self.state.troubles.clear_stops("listen")
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
                lambda event: self._take_in([event]),
                wait=self.retry_wait,
                # Files may have been told of before anybody listened.
                replay=True,
                handle_all=self._take_in,
            ),
            Subscriber(
                WAREHOUSE_SUBSCRIBER,
                _TAKEN_IN,
                lambda event: self._load_taken_in([event]),
                wait=self.retry_wait,
                handle_all=self._load_taken_in,
            ),
        ]

    def _until_next_sweep(self, sweep: timedelta) -> None:
        young = self.publish_landed()
        pause = min(sweep, _SETTLED) if young else sweep
        until = time.monotonic() + pause.total_seconds()
        while time.monotonic() < until and not self.stop.is_set():
            self._dispatcher.drain()
            self.stop.wait(_POLL)

    def _catch_up(self) -> None:
        """What a killed process left, and what was taken in before anybody listened."""
        self.journal.prune(self.keep)
        with self._turn():
            self.lake.sweep_partial()
            settle_pending(self.lake, self.journal)
            self._load(self.catalog.select([]))

    def _take_in(self, events: Sequence[Event]) -> None:
        keys = dict.fromkeys(str(event.detail["object"]["key"]) for event in events)
        with (
            self._turn(),
            ThreadPoolExecutor(self.workers, thread_name_prefix="ingest") as pool,
        ):
            running = [pool.submit(self.ingestor.take_in, key) for key in keys]
            try:
                for ended in as_completed(running):
                    self._say_taken_in(ended.result())
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def _load_taken_in(self, events: Sequence[Event]) -> None:
        """Raises RejectError for an event whose file cannot be loaded."""
        wanted = dict.fromkeys(str(event.detail.get("object")) for event in events)
        known = {name: obj for name in wanted if (obj := self.catalog.find(name))}
        with self._turn():
            left = self._load(list(known.values()))
        for name in wanted.keys() - known.keys():
            raise ObjectRejectedError(name, "is not in the catalog any more")
        for key in left.keys() & {str(event.detail.get("curated_key")) for event in events}:
            raise FileRejectedError(key, "load", left[key])

    def _load(self, objects: Sequence[SyncedObject]) -> dict[str, str]:
        """Builds, too, if anything came. Returns the curated files left out, with the reason."""
        left: dict[str, str] = {}
        built: list[Told] = []
        names = [obj.api_name for obj in objects]
        if not names:
            return left
        with self.open_warehouse() as warehouse:
            report = load(
                warehouse,
                self.lake,
                self.catalog,
                objects=names,
                decisions=self.state.decisions,
                bus=self.journal,
            )
            for entry in report.objects:
                if entry.files or entry.errors:
                    self._say(_told_of_load(entry))
                if entry.errors:
                    left |= {key: "; ".join(entry.errors) for _, key in entry.left}
            if report.files:
                self._is_build_due = True
            if self._is_build_due and warehouse.tables(SCHEMA):
                built = list(self._build(warehouse))
        copy = self.publish() if self.publish else None
        # Whoever hears of it finds it in the published copy.
        for told in built:
            self._say(told)
        if copy and copy.problem:
            self._say(Told("publish", "error", "", copy.problem, ok=False))
        return left

    def _build(self, warehouse: Warehouse) -> Iterator[Told]:
        report = build(warehouse, self.models, bus=self.journal)
        self._is_build_due = False
        failed = [table for table in report.tables if not table.is_built]
        for table in failed:
            message = table.message or table.state
            yield Told("build", "error", table.table, message, ok=False)
        if len(failed) < len(report.tables):
            rows = sum(table.rows for table in report.tables)
            message = f"{len(report.tables) - len(failed):,} tables, {rows:,} rows"
            yield Told("build", "success", "", message)

    def _say_taken_in(self, file: Ingested) -> None:
        if file.state == "gone":
            # A run takes in itself what it has landed, and each of its files was told of.
            log.debug("ingest %s", file)
        else:
            self._say(Told("ingest", file.state, file.key, file.message, ok=file.ok))

    def _say(self, told: Told) -> None:
        self._is_ok = self._is_ok and told.ok
        self.tell(told)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Ours to write to the lake, once no run does. Raises AlreadyRunningError on `stop`."""
        pause = _POLL
        with ExitStack() as held:
            while True:
                try:
                    held.enter_context(run_lock(self.lake, brief=True))
                    break
                except AlreadyRunningError as error:
                    log.log(logging.INFO if pause == _POLL else logging.DEBUG, "waits: %s", error)
                    if self.stop.wait(pause):
                        raise
                    pause = min(pause * 2, _LONGEST_WAIT)
            yield


def _told_of_load(entry: ObjectLoad) -> Told:
    counts = f"{entry.files:,} files, {entry.rows:,} rows"
    message = "; ".join([counts, *entry.errors])
    return Told("load", "success" if entry.ok else "error", entry.table, message, ok=entry.ok)
