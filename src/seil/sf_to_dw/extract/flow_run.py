"""One object's run, from its window to the commit of its watermark."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt

from seil.catalog import SyncedObject
from seil.errors import RejectError, UnavailableError
from seil.events.envelope import Event
from seil.observe.fields import add_log_fields
from seil.observe.progress import Step
from seil.observe.run_context import new_run_id
from seil.salesforce.schema import ObjectSchema
from seil.salesforce.soql import select
from seil.sf_to_dw.extract.cursor import choose_cursor
from seil.sf_to_dw.extract.flow_context import FlowContext, FlowResult
from seil.sf_to_dw.extract.flows import (
    FlowRun,
    FlowState,
    FlowStates,
    LandedPage,
    Manifest,
    Window,
    next_window,
)
from seil.sf_to_dw.extract.landing import landed_event, page_file, page_metadata, write_page
from seil.sf_to_dw.extract.pages import AnnounceNext, PagePlan, PageRef, land_pages
from seil.sf_to_dw.extract.slices import Slicer, proven_pace, ran_too_long, slice_condition
from seil.sf_to_dw.schema.acceptance import publish_decisions
from seil.sf_to_dw.schema.registry import SchemaDiff, readable_schema, schema_diff
from seil.sf_to_dw.schema.review import SchemaReview

if TYPE_CHECKING:
    import pyarrow as pa

    from seil.salesforce.bulk import JobFailedError, QueryJob

log = logging.getLogger(__name__)

_PAGE_ATTEMPTS = 3
# Shared by the pages read at once: enough for decoding to continue while a row group is written.
_BLOCKS_AHEAD = 4


class StoppedError(Exception):
    """The run is stopping: landed pages stay, and the next run reads the rest."""


@dataclass(frozen=True)
class _JobPages:
    """What the pages of one job share; `halt` is set when one of them fails."""

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
        self._cursor_note = ""
        self._run: FlowRun
        self._lock = threading.Lock()

    def run(self, step: Step, *, now: datetime, full: bool = False) -> FlowResult:
        """`now` is the org's clock. On RejectError and RetryError the window stays uncommitted."""
        # Imported here: with the module, every command would import the HTTP client.
        from seil.salesforce.bulk import JobGoneError

        try:
            return self._attempt(step, now=now, full=full)
        except JobGoneError as error:
            # A job's description can outlive its results: only reading a page shows it.
            log.info("%s: %s; its window starts again", self._obj.api_name, error)
            self._save(None)
            return self._attempt(step, now=now, full=full)

    def _attempt(self, step: Step, *, now: datetime, full: bool) -> FlowResult:
        self._state = self._states.get(self._obj)
        schema = self._admit_schema()
        resumable = self._resumable(schema, full=full)
        self._run = resumable or self._start(schema, now=now, full=full)
        add_log_fields(flow_run_id=self._run.flow_run_id)
        self._context.publish(
            self._obj,
            "resumed" if resumable else "started",
            flow_run_id=self._run.flow_run_id,
            job_id=self._run.job_id,
            mode=self._run.window.mode,
            cursor=self._slicer.cursor,
            **({"note": self._cursor_note} if self._cursor_note else {}),
        )
        step.advance(self._run.landed)
        has_drift = self._land_slices(schema, step)
        run = self._run
        if not run.pages and (has_drift or run.window.mode == "full"):
            # Only a file brings the object, or its new columns, to the warehouse.
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

    def _admit_schema(self) -> ObjectSchema:
        """The fields to read, and the slicer for them. Raises ObjectRejectedError on a schema drift
        that needs a decision.
        """
        readable = readable_schema(self._context.org, self._obj)
        review = SchemaReview(self._context.decisions, self._context.registry)
        publish_decisions(review, self._obj, readable, self._context.bus)
        schema = review.admit(self._obj, readable)
        cursor = choose_cursor(self._obj.flow, schema)
        if cursor.note:
            log.warning("%s: %s", self._obj.api_name, cursor.note)
        self._cursor_note = cursor.note
        self._slicer = Slicer(self._context.org, schema, cursor.name)
        return schema

    def _resumable(self, schema: ObjectSchema, *, full: bool) -> FlowRun | None:
        """The run under way, where its job and pages are still valid for this schema and mode."""
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

    def _land_slices(self, schema: ObjectSchema, step: Step) -> bool:
        """Returns whether the schema has drifted since the last run."""
        has_drift = False
        while True:
            job = self._finished_job(schema, step)
            has_drift = self._store_schema(schema) or has_drift
            if job.rows != 0 or not self._has_no_rows(self._run, schema):
                self._land(self._run, job, schema, step)
            self._check_count(job)
            following = self._slicer.following(self._run)
            if following is None:
                return has_drift
            self._save(following)
            self._bulk.delete(job.id)

    def _finished_job(self, schema: ObjectSchema, step: Step) -> QueryJob:
        """The current slice's job, done; halves the slice as long as its job takes too long."""
        # Imported here: with the module, every command would import the HTTP client.
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

        def report(job: QueryJob) -> None:
            self._check_stop()
            step.expect(before + (job.rows or 0))

        return self._bulk.wait(
            self._run.job_id,
            poll=settings.poll.total_seconds(),
            timeout=settings.job_timeout.total_seconds(),
            on_poll=report,
        )

    def _halve(self, error: JobFailedError) -> None:
        """Raises `error` where it is no timeout, or the slice cannot be halved."""
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

    def _store_schema(self, schema: ObjectSchema) -> bool:
        """Returns whether it is another one than the last run's."""
        registry = self._context.registry
        last = registry.get(self._obj)
        if last and last.fingerprint == schema.fingerprint:
            return False
        diff = schema_diff(last, schema) if last else SchemaDiff()
        if diff.added:
            # Stored before the schema: after a kill in between they are found added again.
            due = sorted({*self._states.get(self._obj).due_fields, *diff.added})
            self._states.change(self._obj, due_fields=due)
        registry.store(self._obj, schema)
        if last is None:
            return True
        detail = {"object": self._obj.api_name, **diff.to_dict()}
        self._context.bus.publish([Event("seil.sf-to-dw", "schema-drift", detail)])
        return True

    def _land(self, run: FlowRun, job: QueryJob, schema: ObjectSchema, step: Step) -> None:
        # Stable over retries and resumed runs: the job's result and `page_rows` do not change until
        # its pages have landed.
        locators = self._bulk.page_locators(run.job_id, max_records=run.page_rows, rows=job.rows)
        # A listed locator has a fixed page; in a chain each request sets its page's length.
        page_rows = run.page_rows if locators is None else None
        pages = _JobPages(run, schema, page_rows)

        def land(number: int, locator: str, announce_next: AnnounceNext) -> None:
            for attempt in _page_attempts():
                with attempt:
                    page = self._land_page(pages, (number, locator), announce_next)
            step.advance(page.rows)

        plan = PagePlan(run.pages_of_part, locators)
        land_pages(plan, land, workers=self._context.settings.pages, stop=pages.halt)

    def _land_page(self, pages: _JobPages, ref: PageRef, announce_next: AnnounceNext) -> LandedPage:
        run, locator = pages.run, ref[1]
        number = run.first_page + ref[0]
        landed = page_file(self._context.lake.env, self._obj, run, number)
        add_log_fields(file=landed.key)
        with self._bulk.page(
            run.job_id,
            locator,
            pages.schema,
            max_records=pages.page_rows,
            ahead=max(1, _BLOCKS_AHEAD // self._context.settings.pages),
        ) as page:
            announce_next(page.next_locator)
            rows = write_page(
                self._context.lake.landing,
                landed.key,
                self._stoppable(page.batches(), pages.halt),
                schema=page.schema,
                metadata=page_metadata(self._obj, run, number=number, rows=page.expected_rows),
            )
        log.debug("a page has landed", extra={"rows": rows, "job_id": run.job_id})
        return self._record_page(LandedPage(number, locator, page.next_locator, landed.key, rows))

    def _has_no_rows(self, run: FlowRun, schema: ObjectSchema) -> bool:
        """Verifies a job's count of 0 by its first page."""
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
        """Publishes the file before the state names it: after a kill in between it lands again."""
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
        manifest = _manifest(self._obj, run, schema)
        manifest.write(self._context.lake, self._obj)
        # Published before the commit: after a kill in between it is published again, same id.
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
            pace=proven_pace(run),
            **({} if run.window.start else {"due_fields": ()}),
        )
        self._bulk.delete(run.job_id)
        return manifest

    def _save(self, run: FlowRun | None) -> None:
        if run:
            self._run = run
        self._state = replace(self._state, running=run)
        self._states.change(self._obj, running=run)

    def _stoppable(
        self, batches: Iterable[pa.RecordBatch], halt: threading.Event
    ) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            if halt.is_set():
                raise StoppedError
            self._check_stop()
            yield batch

    def _check_stop(self) -> None:
        """Raises LeaseLostError once another run has taken over, also while nothing is written."""
        self._context.lake.fence.check()
        if self._context.stop.is_set():
            raise StoppedError


def _manifest(obj: SyncedObject, run: FlowRun, schema: ObjectSchema) -> Manifest:
    return Manifest(
        object=obj.api_name,
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
        columns=[field.name for field in schema.fields],
    )


def _page_attempts() -> Retrying:
    return Retrying(
        retry=retry_if_exception_type(UnavailableError),
        stop=stop_after_attempt(_PAGE_ATTEMPTS),
        reraise=True,
    )
