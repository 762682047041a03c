"""What is done about a landed file, and about a curated one, whoever delivers the event.

Every step is safe to repeat: a file already ingested is reported as `gone`, one that was
loaded already changes nothing. No journal is needed to deliver events.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from seil.catalog import Catalog, SyncedObject
from seil.errors import AlreadyRunningError, FileRejectedError, ObjectRejectedError
from seil.events.bus import Bus
from seil.events.envelope import Event
from seil.lake import Lake
from seil.modeling.build import build
from seil.sf_to_dw.ingest.ingestor import Ingestor, IngestResult
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

_POLL = 0.25
_LONGEST_WAIT = 5.0


@dataclass(frozen=True)
class StepOutcome:
    """One line of what happened; `about` is a file's key, a table, or nothing."""

    step: Literal["ingest", "load", "build", "publish"]
    state: str
    about: str
    message: str
    ok: bool = True
    at: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass
class FileHandlers:
    """`report` is called as things happen, from the thread that handles."""

    lake: Lake
    catalog: Catalog
    state: State
    bus: Bus
    ingestor: Ingestor
    open_warehouse: Callable[[], AbstractContextManager[Warehouse]]
    models: Models
    publish: Callable[[], Publication] | None = None
    workers: int = 2
    report: Callable[[StepOutcome], None] = lambda _: None
    stop: threading.Event = field(default_factory=threading.Event)
    all_ok: bool = True
    # Until it is known better: a process may have been killed between a load and its build.
    _is_build_due: bool = True

    def handle_landed(self, events: Sequence[Event]) -> None:
        """`Object Created` events. A file that is gone was taken in before: no error.

        Raises RetryError and AbortError; AlreadyRunningError on `stop`.
        """
        keys = dict.fromkeys(str(event.detail["object"]["key"]) for event in events)
        with (
            self.turn(),
            ThreadPoolExecutor(self.workers, thread_name_prefix="ingest") as pool,
        ):
            running = [pool.submit(self.ingestor.take_in, key) for key in keys]
            try:
                for ended in as_completed(running):
                    self._report_ingested(ended.result())
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise

    def handle_curated(self, events: Sequence[Event]) -> None:
        """`file-ingestion` events of success: loads their objects, and builds.

        Raises RejectError for an event whose file cannot be loaded.
        """
        wanted = dict.fromkeys(str(event.detail.get("object")) for event in events)
        known = {name: obj for name in wanted if (obj := self.catalog.find(name))}
        with self.turn():
            left = self._load(list(known.values()))
        for name in wanted.keys() - known.keys():
            raise ObjectRejectedError(name, "is not in the catalog any more")
        for key in left.keys() & {str(event.detail.get("curated_key")) for event in events}:
            raise FileRejectedError(key, "load", left[key])

    def catch_up(self) -> None:
        """Loads and builds what was taken in before anybody handled events."""
        self._load(self.catalog.select([]))

    def _load(self, objects: Sequence[SyncedObject]) -> dict[str, str]:
        """Builds, too, if anything came. Returns the curated files left out, with the reason."""
        left: dict[str, str] = {}
        built: list[StepOutcome] = []
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
                bus=self.bus,
            )
            for entry in report.objects:
                if entry.files or entry.errors:
                    self._report(_load_outcome(entry))
                if entry.errors:
                    left |= {key: "; ".join(entry.errors) for _, key in entry.left}
            if report.files:
                self._is_build_due = True
            if self._is_build_due and warehouse.tables(SCHEMA):
                built = list(self._build(warehouse))
        copy = self.publish() if self.publish else None
        # Whoever hears of it finds it in the published copy.
        for outcome in built:
            self._report(outcome)
        if copy and copy.problem:
            self._report(StepOutcome("publish", "error", "", copy.problem, ok=False))
        return left

    def _build(self, warehouse: Warehouse) -> Iterator[StepOutcome]:
        report = build(warehouse, self.models, bus=self.bus)
        self._is_build_due = False
        failed = [table for table in report.tables if not table.is_built]
        for table in failed:
            message = table.message or table.state
            yield StepOutcome("build", "error", table.table, message, ok=False)
        if len(failed) < len(report.tables):
            rows = sum(table.rows for table in report.tables)
            message = f"{len(report.tables) - len(failed):,} tables, {rows:,} rows"
            yield StepOutcome("build", "success", "", message)

    def _report_ingested(self, file: IngestResult) -> None:
        if file.state == "gone":
            # A run takes in itself what it has landed, and each of its files was told of.
            log.debug("ingest %s", file)
        else:
            self._report(StepOutcome("ingest", file.state, file.key, file.message, ok=file.ok))

    def _report(self, outcome: StepOutcome) -> None:
        self.all_ok = self.all_ok and outcome.ok
        self.report(outcome)

    @contextmanager
    def turn(self) -> Iterator[None]:
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


def _load_outcome(entry: ObjectLoad) -> StepOutcome:
    counts = f"{entry.files:,} files, {entry.rows:,} rows"
    message = "; ".join([counts, *entry.errors])
    return StepOutcome(
        "load", "success" if entry.ok else "error", entry.table, message, ok=entry.ok
    )
