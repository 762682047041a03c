"""Handlers of the events of landed and of curated files, independent of how they are delivered.

Idempotent: a file already ingested is reported as `gone`, one already loaded changes nothing.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import as_completed
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal, Protocol

from seil.catalog import Catalog, SyncedObject
from seil.errors import (
    AlreadyRunningError,
    FileRejectedError,
    ObjectRejectedError,
    StatementError,
)
from seil.events.bus import Bus
from seil.events.envelope import Event
from seil.events.file_events import SOURCE
from seil.lake import Lake
from seil.modeling.build import BuildReport, build, explain
from seil.observe.progress import SILENT, Progress
from seil.observe.workers import Workers
from seil.sf_to_dw.ingest.ingestor import Ingestor, IngestReport, IngestResult
from seil.sf_to_dw.load.events import ObjectLoad
from seil.sf_to_dw.load.loader import LoadReport, load
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
    """One line for the user; `about` is a file's key, a table, or empty."""

    step: Literal["ingest", "load", "build", "publish"]
    state: str
    about: str
    message: str
    ok: bool = True
    at: datetime = field(default_factory=lambda: datetime.now(UTC))


class Round(Protocol):
    """Receives the progress and the results of the steps of one round of handling."""

    def progress(self, display: Progress = SILENT) -> Progress: ...

    def add_ingest(self, report: IngestReport) -> None: ...

    def add_load(self, report: LoadReport) -> None: ...

    def add_build(self, report: BuildReport) -> None: ...

    def add_problem(self, problem: str) -> None: ...


class _Unrecorded:
    def progress(self, display: Progress = SILENT) -> Progress:
        return display

    def add_ingest(self, report: IngestReport) -> None: ...

    def add_load(self, report: LoadReport) -> None: ...

    def add_build(self, report: BuildReport) -> None: ...

    def add_problem(self, problem: str) -> None: ...


@dataclass
class FileHandlers:
    """`report` is called once per outcome, in the handling thread. `open_round` opens the report
    that collects the steps within `round`, `turn` a wait before the run lock is taken.
    """

    lake: Lake
    catalog: Catalog
    state: State
    bus: Bus
    ingestor: Ingestor
    open_warehouse: Callable[[], AbstractContextManager[Warehouse]]
    models: Models
    logs_keys: bool = field(default=False, kw_only=True)
    publish: Callable[[], Publication] | None = None
    workers: int = 2
    report: Callable[[StepOutcome], None] = lambda _: None
    open_round: Callable[[], AbstractContextManager[Round]] = lambda: nullcontext(_Unrecorded())
    stop: threading.Event = field(default_factory=threading.Event)
    turn: Callable[[], AbstractContextManager[None]] = nullcontext
    all_ok: bool = True
    _is_build_checked: bool = False
    _round: Round = field(default_factory=_Unrecorded)

    @contextmanager
    def round(self) -> Iterator[Round]:
        with self.open_round() as opened:
            self._round = opened
            try:
                yield opened
            finally:
                self._round = _Unrecorded()

    def handle_landed(self, events: Sequence[Event]) -> None:
        """Ingests the files of `Object Created` events; skips those that are gone: ingested before.

        Raises RetryError and AbortError; AlreadyRunningError on `stop`.
        """
        keys = list(dict.fromkeys(str(event.detail["object"]["key"]) for event in events))
        with self.hold_run_lock():
            with Workers(self.workers, "head") as workers:
                entries = dict(zip(keys, workers.map(self.lake.landing.head, keys), strict=True))
            self._ingest([key for key in keys if not entries[key]], SILENT)
            if present := [key for key in keys if entries[key]]:
                self._ingest(present, self._round.progress())

    def _ingest(self, keys: Sequence[str], progress: Progress) -> None:
        results: list[IngestResult] = []
        with progress.step("ingest") as step:
            try:
                with Workers(self.workers, "ingest") as workers:
                    running = [workers.submit(self.ingestor.ingest, key, step) for key in keys]
                    for future in as_completed(running):
                        results.append(future.result())
                        self._report_ingest(results[-1])
            finally:
                report = IngestReport([file for file in results if file.state != "gone"])
                self._round.add_ingest(report)
                step.conclude(report.summary, ok=not report.failed)

    def handle_curated(self, events: Sequence[Event]) -> None:
        """Loads the objects of successful `file-ingestion` events, and builds.

        Raises RejectError for an event whose file cannot be loaded.
        """
        names = dict.fromkeys(str(event.detail.get("object")) for event in events)
        objects = {name: obj for name in names if (obj := self.catalog.find(name))}
        with self.hold_run_lock():
            failures = self._load(list(objects.values()))
        for name in names.keys() - objects.keys():
            raise ObjectRejectedError(name, "is no longer in the catalog")
        for key in failures.keys() & {str(event.detail.get("curated_key")) for event in events}:
            raise FileRejectedError(key, "load", failures[key])

    def catch_up(self) -> None:
        """Loads and builds files that were ingested while no handler ran."""
        self._load(self.catalog.select([]))

    def _load(self, objects: Sequence[SyncedObject]) -> dict[str, str]:
        """Builds, too, if it loaded a file. Returns the reason by curated file not loaded."""
        if not objects:
            return {}
        builds: list[StepOutcome] = []
        with self.open_warehouse() as warehouse:
            report = load(
                warehouse,
                self.lake,
                self.catalog,
                objects=[obj.api_name for obj in objects],
                decisions=self.state.decisions,
                bus=self.bus,
                progress=self._round.progress(),
            )
            self._round.add_load(report)
            for entry in report.objects:
                if entry.files or entry.errors:
                    self._report(_load_outcome(entry))
            if report.files or self._is_build_due(warehouse):
                builds = list(self._build(warehouse))
        copy = self.publish() if self.publish else None
        # Reported after the publication, so that a reader who reacts to it finds the new rows.
        for outcome in builds:
            self._report(outcome)
        if copy and copy.problem:
            self._round.add_problem(f"publish: {copy.problem}")
            self._report(StepOutcome("publish", "error", "", copy.problem, ok=False))
        return {
            key: "; ".join(entry.errors)
            for entry in report.objects
            if entry.errors
            for _, key in entry.pending
        }

    def _is_build_due(self, warehouse: Warehouse) -> bool:
        """Whether an earlier process died between a load and its build; checked once."""
        if self._is_build_checked or not warehouse.tables(SCHEMA):
            return False
        try:
            plans = explain(warehouse, self.models)
        except StatementError:
            return True
        self._is_build_checked = True
        return any(plan.mode != "unchanged" for plan in plans)

    def _build(self, warehouse: Warehouse) -> Iterator[StepOutcome]:
        report = build(
            warehouse,
            self.models,
            logs_keys=self.logs_keys,
            bus=self.bus,
            event_source=SOURCE,
            progress=self._round.progress(),
        )
        self._round.add_build(report)
        self._is_build_checked = True
        failed = [table for table in report.tables if not table.is_built]
        for table in failed:
            message = table.message or table.state
            yield StepOutcome("build", "error", table.table, message, ok=False)
        if len(failed) < len(report.tables):
            rows = sum(table.rows for table in report.tables)
            message = f"{len(report.tables) - len(failed):,} tables, {rows:,} rows"
            yield StepOutcome("build", "success", "", message)

    def _report_ingest(self, file: IngestResult) -> None:
        if file.state == "gone":
            # A run ingests the files it lands, and each has an event: not worth a line.
            log.debug("ingest %s", file)
        else:
            self._report(StepOutcome("ingest", file.state, file.key, file.message, ok=file.ok))

    def _report(self, outcome: StepOutcome) -> None:
        self.all_ok = self.all_ok and outcome.ok
        self.report(outcome)

    @contextmanager
    def hold_run_lock(self) -> Iterator[None]:
        """Waits while a run holds the lock. Raises AlreadyRunningError on `stop`."""
        pause = _POLL
        with ExitStack() as stack:
            stack.enter_context(self.turn())
            while True:
                try:
                    stack.enter_context(run_lock(self.lake, brief=True))
                    break
                except AlreadyRunningError as error:
                    level = logging.INFO if pause == _POLL else logging.DEBUG
                    log.log(level, "waits for the run lock: %s", error)
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
