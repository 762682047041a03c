"""One object's run, from its window to its commit."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt

from seil.catalog import SyncedObject
from seil.errors import RejectError, SeilError, UnavailableError
from seil.events.bus import Bus
from seil.events.envelope import Event
from seil.events.file_events import event_id
from seil.lake import Lake
from seil.observe.fields import add_log_fields
from seil.observe.progress import Step
from seil.observe.run_context import new_run_id
from seil.salesforce.schema import ObjectSchema
from seil.salesforce.soql import select
from seil.settings import ExtractSettings
from seil.sf_to_dw.extract.cursor import choose_cursor
from seil.sf_to_dw.extract.flows import (
    FlowMode,
    FlowRun,
    FlowState,
    FlowStates,
    LandedPage,
    Manifest,
    Window,
    next_window,
)
from seil.sf_to_dw.extract.landing import landed_event, page_file, page_metadata, write_page
from seil.sf_to_dw.extract.pages import PagePlan, PageRef, land_pages
from seil.sf_to_dw.extract.slices import Slicer, ran_too_long, slice_condition, tested_pace
from seil.sf_to_dw.schema.acceptance import publish_decisions
from seil.sf_to_dw.schema.registry import SchemaDiff, SchemaRegistry, readable_schema, schema_diff
from seil.sf_to_dw.schema.review import SchemaReview
from seil.state.decisions import DecisionStore

if TYPE_CHECKING:
    import pyarrow as pa

    from seil.salesforce.bulk import JobFailedError, QueryJob
    from seil.salesforce.org import Org

log = logging.getLogger(__name__)

_PAGE_ATTEMPTS = 3
# Of one stream: enough for decoding to go on while a row group is written.
_BLOCKS_AHEAD = 4


class StoppedError(Exception):
    """The run is being stopped; what has landed stays, the rest is read next time."""


@dataclass(frozen=True)
class FlowResult:
    """One object's run. `error` is set when its window stays uncommitted."""

    object: str
    mode: FlowMode | None = None
    flow_run_id: str = ""
    window: Window | None = None
    reported: int = 0
    landed: int = 0
    files: int = 0
    resumed: bool = False
    left_out: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    error: SeilError | None = None


@dataclass(frozen=True)
class FlowContext:
    """What all flows of one extract share."""

    org: Org
    lake: Lake
    bus: Bus
    settings: ExtractSettings
    registry: SchemaRegistry
    decisions: DecisionStore
    stop: threading.Event

    def publish(self, obj: SyncedObject, state: str, **detail: object) -> None:
        """A flow run succeeds once, however often that is told."""
        event = Event(
            "seil.sf-to-dw", "flow-run", {"state": state, "object": obj.api_name, **detail}
        )
        if state == "success":
            event = replace(event, id=event_id("flow-run", state, detail["flow_run_id"]))
        self.bus.publish([event])


@dataclass(frozen=True)
class _Reading:
    """What the pages of one job have in common; `halt` is set when one of them fails."""

    run: FlowRun
    schema: ObjectSchema
    page_rows: int | None
    halt: threading.Event = field(default_factory=threading.Event)


class FlowRunner:
    def __init__(self, context: FlowContext, obj: SyncedObject) -> None:
        self._context = context
        self._obj = obj
        self._bulk = context.org.bulk
        self._states = FlowStates(context.lake)
        self._state = FlowState()
        self._run: FlowRun
        self._lock = threading.Lock()

    def run(self, step: Step, *, now: datetime, full: bool = False) -> FlowResult:
        """`now` is the org's clock. On RejectError and RetryError the window stays open."""
        # Importing it with this module would bring the HTTP client into every command.
        from seil.salesforce.bulk import JobGoneError

        try:
            return self._attempt(step, now=now, full=full)
        except JobGoneError as error:
            # Its description can outlive its results, so that only a page tells.
            log.info("%s: %s; its window starts again", self._obj.api_name, error)
            self._save(None)
            return self._attempt(step, now=now, full=full)

    def _attempt(self, step: Step, *, now: datetime, full: bool) -> FlowResult:
        self._state = self._states.get(self._obj)
        readable = readable_schema(self._context.org, self._obj)
        review = SchemaReview(self._context.decisions, self._context.registry)
        publish_decisions(review, self._obj, readable, self._context.bus)
        schema = review.admit(self._obj, readable)
        cursor = choose_cursor(self._obj.flow, schema)
        if cursor.note:
            log.warning("%s: %s", self._obj.api_name, cursor.note)
        self._slicer = Slicer(self._context.org, schema, cursor.name)
        resumable = self._resumable(schema, full=full)
        self._run = resumable or self._start(schema, now=now, full=full)
        add_log_fields(flow_run_id=self._run.flow_run_id)
        self._context.publish(
            self._obj,
            "resumed" if resumable else "started",
            flow_run_id=self._run.flow_run_id,
            job_id=self._run.job_id,
            mode=self._run.window.mode,
            cursor=cursor.name,
            **({"note": cursor.note} if cursor.note else {}),
        )
        step.advance(self._run.landed)
        drifted = self._land_parts(schema, step)
        run = self._run
        if not run.pages and (drifted or run.window.mode == "full"):
            # Without a file the warehouse would not learn of the object, or of its new columns.
            self._land_empty(run, schema)
        manifest = self._commit(schema)
        return FlowResult(
            self._obj.api_name,
            mode=run.window.mode,
            flow_run_id=run.flow_run_id,
            window=run.window,
            reported=manifest.reported,
            landed=manifest.landed,
            files=len(manifest.pages),
            resumed=resumable is not None,
            left_out=manifest.left_out,
        )

    def _resumable(self, schema: ObjectSchema, *, full: bool) -> FlowRun | None:
        run = self._state.running
        if run is None or run.fingerprint != schema.fingerprint:
            return None
        if full and run.window.mode != "full":
            return None
        if run.cursor not in (None, self._slicer.cursor):
            return None
        if not run.job_id:
            return run
        try:
            job = self._bulk.info(run.job_id)
        except RejectError:
            log.info("%s: job %s is gone, its window starts again", self._obj.api_name, run.job_id)
            return None
        return None if job.is_failed and not ran_too_long(job) else run

    def _start(self, schema: ObjectSchema, *, now: datetime, full: bool) -> FlowRun:
        window = next_window(self._obj.flow, self._state, now=now, full=full)
        if not self._slicer.cursor:
            window = Window(None, window.end)
        part, pace = self._slicer.first(window, self._state.pace)
        self._run = FlowRun(
            flow_run_id=new_run_id(now),
            window=window,
            job_id="",
            fingerprint=schema.fingerprint,
            page_rows=self._context.settings.page_rows,
            started_at=datetime.now(UTC),
            cursor=self._slicer.cursor,
            cut=part,
            pace=pace,
        )
        self._start_job(schema)
        return self._run

    def _start_job(self, schema: ObjectSchema) -> None:
        where = slice_condition(self._run.part, self._slicer.cursor)
        job = self._bulk.start(select([f.name for f in schema.fields], schema.name, where))
        self._save(replace(self._run, job_id=job.id))

    def _land_parts(self, schema: ObjectSchema, step: Step) -> bool:
        """Whether the object's fields are not those of the run before."""
        drifted = False
        while True:
            job = self._finished_job(schema, step)
            drifted = self._note_schema(schema) or drifted
            if job.rows != 0 or not self._has_no_rows(self._run, schema):
                self._land(self._run, job, schema, step)
            self._check_count(job)
            following = self._slicer.following(self._run)
            if following is None:
                return drifted
            self._save(following)
            self._bulk.delete(job.id)

    def _finished_job(self, schema: ObjectSchema, step: Step) -> QueryJob:
        """Of the part that is read: a smaller one where the job ran for too long."""
        # Importing it with this module would bring the HTTP client into every command.
        from seil.salesforce.bulk import JobFailedError

        while True:
            if not self._run.job_id:
                self._start_job(schema)
            try:
                return self._wait(step)
            except JobFailedError as error:
                self._halve(error)
            except RejectError:
                self._save(None)
                raise

    def _wait(self, step: Step) -> QueryJob:
        settings = self._context.settings
        before = self._run.reported

        def polled(job: QueryJob) -> None:
            self._check_stop()
            step.expect(before + (job.rows or 0))

        return self._bulk.wait(
            self._run.job_id,
            poll=settings.poll.total_seconds(),
            timeout=settings.job_timeout.total_seconds(),
            on_poll=polled,
        )

    def _halve(self, error: JobFailedError) -> None:
        """Raises the error where it is another one, or nothing is left to halve."""
        try:
            if not ran_too_long(error.job):
                raise error
            smaller = self._slicer.smaller(self._run, error)
        except RejectError:
            self._save(None)
            raise
        self._states.change(self._obj, pace=smaller.pace)
        self._save(smaller)
        self._context.publish(
            self._obj,
            "halved",
            flow_run_id=smaller.flow_run_id,
            job_id=error.job.id,
            message=error.job.error_message,
            part=slice_condition(smaller.part, self._slicer.cursor),
        )
        self._bulk.delete(error.job.id)

    def _check_count(self, job: QueryJob) -> None:
        landed = self._run.landed - self._run.reported
        if job.rows not in (None, landed):
            self._save(None)
            raise UnavailableError(
                "Salesforce", f"job {job.id} reported {job.rows:,} rows, its pages held {landed:,}"
            )

    def _note_schema(self, schema: ObjectSchema) -> bool:
        registry = self._context.registry
        known = registry.get(self._obj)
        if known and known.fingerprint == schema.fingerprint:
            return False
        diff = schema_diff(known, schema) if known else SchemaDiff()
        if diff.added:
            # Before they are known: a kill between the two only finds them added again.
            due = sorted({*self._states.get(self._obj).due_fields, *diff.added})
            self._states.change(self._obj, due_fields=due)
        registry.store(self._obj, schema)
        if known is None:
            return True
        detail = {"object": self._obj.api_name, **diff.to_dict()}
        self._context.bus.publish([Event("seil.sf-to-dw", "schema-drift", detail)])
        return True

    def _land(self, run: FlowRun, job: QueryJob, schema: ObjectSchema, step: Step) -> None:
        # The same answer whenever it is asked: neither what the job found nor what a request asks
        # for changes before its pages are landed.
        locators = self._bulk.page_locators(run.job_id, max_records=run.page_rows, rows=job.rows)
        # A listed page is read whole; a chained one is as long as each request for it asks.
        page_rows = run.page_rows if locators is None else None
        reading = _Reading(run, schema, page_rows)

        def land(number: int, locator: str, opened: Callable[[str | None], None]) -> None:
            for attempt in _page_attempts():
                with attempt:
                    page = self._land_page(reading, (number, locator), opened)
            step.advance(page.rows)

        plan = PagePlan(run.pages_of_part, locators)
        land_pages(plan, land, workers=self._context.settings.pages, stop=reading.halt)

    def _land_page(
        self, reading: _Reading, ref: PageRef, opened: Callable[[str | None], None]
    ) -> LandedPage:
        run, locator = reading.run, ref[1]
        number = run.first_page + ref[0]
        landed = page_file(self._context.lake.env, self._obj, run, number)
        add_log_fields(file=landed.key)
        with self._bulk.page(
            run.job_id,
            locator,
            reading.schema,
            max_records=reading.page_rows,
            # Several pages keep the cores busy without it, and all of them need memory.
            ahead=max(1, _BLOCKS_AHEAD // self._context.settings.pages),
        ) as page:
            opened(page.next_locator)
            rows = write_page(
                self._context.lake.landing,
                landed.key,
                self._until(reading.halt, page.batches()),
                schema=page.schema,
                metadata=page_metadata(self._obj, run, number=number, rows=page.expected_rows),
            )
        log.debug("a page has landed", extra={"rows": rows, "job_id": run.job_id})
        return self._record_page(LandedPage(number, locator, page.next_locator, landed.key, rows))

    def _has_no_rows(self, run: FlowRun, schema: ObjectSchema) -> bool:
        """What the job says is not believed without its page."""
        for attempt in _page_attempts():
            with (
                attempt,
                self._bulk.page(run.job_id, "", schema, max_records=run.page_rows) as page,
            ):
                rows = sum(batch.num_rows for batch in page.batches())
                return rows == 0 and page.next_locator is None
        return False

    def _land_empty(self, run: FlowRun, schema: ObjectSchema) -> None:
        landed = page_file(self._context.lake.env, self._obj, run, 0)
        write_page(
            self._context.lake.landing,
            landed.key,
            [],
            schema=schema.arrow,
            metadata=page_metadata(self._obj, run, number=0, rows=0),
        )
        self._record_page(LandedPage(0, "", None, landed.key, 0))

    def _record_page(self, page: LandedPage) -> LandedPage:
        """Announces the file before the state names it: a kill between the two lands it again."""
        lake = self._context.lake
        if entry := lake.landing.head(page.key):
            self._context.bus.publish([landed_event(lake.landing, entry)])
        with self._lock:
            self._save(self._run.with_page(page))
        return page

    def _commit(self, schema: ObjectSchema) -> Manifest:
        run = self._run
        counts = {"mode": run.window.mode, "rows": run.landed, "files": len(run.pages)}
        level = logging.INFO if run.pages else logging.DEBUG
        log.log(level, "%s: its window is read", self._obj.api_name, extra=counts)
        manifest = Manifest(
            object=self._obj.api_name,
            flow_run_id=run.flow_run_id,
            mode=run.window.mode,
            window_start=run.window.start,
            window_end=run.window.end,
            job_id=run.job_id,
            reported=run.landed,
            landed=run.landed,
            started_at=run.started_at,
            finished_at=datetime.now(UTC),
            pages=[{"key": page.key, "rows": page.rows} for page in run.pages],
            left_out=dict(schema.left_out),
            columns=[entry.name for entry in schema.fields],
        )
        manifest.write(self._context.lake, self._obj)
        # Told before it is committed: a kill between the two tells it again, under the same id.
        self._context.publish(
            self._obj,
            "success",
            flow_run_id=run.flow_run_id,
            mode=run.window.mode,
            window_start=run.window.start,
            window_end=run.window.end,
            reported=run.landed,
            landed=run.landed,
            files=len(run.pages),
            left_out=dict(schema.left_out),
        )
        self._states.change(
            self._obj,
            committed=run.window.end,
            last_run_id=run.flow_run_id,
            finished_at=manifest.finished_at,
            running=None,
            pace=tested_pace(run),
            **({} if run.window.start else {"due_fields": ()}),
        )
        self._bulk.delete(run.job_id)
        return manifest

    def _save(self, run: FlowRun | None) -> None:
        if run:
            self._run = run
        self._state = replace(self._state, running=run)
        self._states.change(self._obj, running=run)

    def _until(
        self, halt: threading.Event, batches: Iterable[pa.RecordBatch]
    ) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            if halt.is_set():
                raise StoppedError
            self._check_stop()
            yield batch

    def _check_stop(self) -> None:
        """Also where nothing is written for long: a run that lost the run lock reads no further."""
        self._context.lake.fence.check()
        if self._context.stop.is_set():
            raise StoppedError


def _page_attempts() -> Retrying:
    return Retrying(
        retry=retry_if_exception_type(UnavailableError),
        stop=stop_after_attempt(_PAGE_ATTEMPTS),
        reraise=True,
    )
