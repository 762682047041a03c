"""Side extracts: partial records that no window brings (deletions, formulas, new fields).

They go the way of all files (landing, curated, ledger), so that a rebuild finds them. Their mode,
in the Parquet metadata, says that a column they lack is unknown, not null.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from seil.catalog import FlowSettings, SyncedObject
from seil.errors import UnavailableError
from seil.lake import Document, Lake
from seil.observe.run_context import new_run_id
from seil.salesforce.schema import ObjectSchema
from seil.sf_to_dw.extract.flow_context import FlowContext, FlowResult
from seil.sf_to_dw.extract.flows import FlowMode, FlowRun, Manifest, Window
from seil.sf_to_dw.extract.landing import landed_event, page_file, page_metadata, write_page

if TYPE_CHECKING:
    import pyarrow as pa

    from seil.salesforce.bulk import QueryJob

DELETIONS: FlowMode = "deletions"
FORMULAS: FlowMode = "formulas"
FIELDS: FlowMode = "fields"
REREAD: FlowMode = "reread"


@dataclass(frozen=True)
class PartialState:
    """Watermarks of an object's side extracts.

    `recent` has the time of deletions that have landed, by Id: the next list may repeat them.
    `rules` is the digest of the object's record rules at the last comparison of Ids.
    """

    deletions_until: datetime | None = None
    recent: Mapping[str, str] = field(default_factory=dict)
    compared_at: datetime | None = None
    is_compare_due: bool = False
    refreshed_at: datetime | None = None
    rules: str = ""

    def due(self, flow: FlowSettings, now: datetime) -> list[FlowMode]:
        """Which comparisons are due. None before the first: all records have just been read."""
        schedules = (
            (DELETIONS, self.compared_at, flow.compare_ids),
            (FORMULAS, self.refreshed_at, flow.refresh_formulas),
        )
        return [
            mode
            for mode, last, every in schedules
            if (mode == DELETIONS and self.is_compare_due)
            or (every is not None and last is not None and last + every <= now)
        ]


@dataclass(frozen=True)
class PartialStates:
    """In the lake's staging bucket, `partials/Salesforce-<landing name>.json`."""

    lake: Lake

    def get(self, obj: SyncedObject) -> PartialState:
        body = self._document(obj).read() or {}
        times = ("deletions_until", "compared_at", "refreshed_at")
        moments = {name: datetime.fromisoformat(body[name]) for name in times if body.get(name)}
        names = {field.name for field in fields(PartialState)} & body.keys()
        return PartialState(**{**{name: body[name] for name in names}, **moments})

    def change(self, obj: SyncedObject, **values: Any) -> None:
        """Sets these fields of PartialState; other fields keep what another writer set."""
        self._document(obj).update(**values)

    def _document(self, obj: SyncedObject) -> Document:
        return self.lake.document(
            f"partials/Salesforce-{obj.landing_name}.json",
            cure="the next run lists the deletions of the last days again",
        )


@dataclass(frozen=True)
class SideExtract:
    """Rows to land besides a flow's pages, as of `end`.

    `end` is on the scale of a flow's windows (the org's clock minus the flow's lag), so that pages
    and side extracts have one order.
    """

    mode: FlowMode
    start: datetime | None
    end: datetime
    schema: pa.Schema
    rows: int
    job_id: str = ""


def land(
    context: FlowContext,
    obj: SyncedObject,
    extract: SideExtract,
    batches: Iterable[pa.RecordBatch],
) -> FlowResult:
    """Lands one file, with its events and manifest; after a kill the next run lands a new one."""
    started = datetime.now(UTC)
    rows = extract.rows
    window = Window(extract.start, extract.end)
    run = FlowRun(new_run_id(started), window, extract.job_id, "", 0, started)
    lake = context.lake
    landed = page_file(lake.env, obj, run, 0)
    metadata = {**page_metadata(obj, run, number=0, rows=rows), "seil.mode": extract.mode}
    write_page(lake.landing, landed.key, batches, schema=extract.schema, metadata=metadata)
    if entry := lake.landing.head(landed.key):
        context.bus.publish([landed_event(lake.landing, entry)])
    context.publish(obj, "success", flow_run_id=run.flow_run_id, mode=extract.mode, landed=rows)
    Manifest(
        object=obj.api_name,
        flow_run_id=run.flow_run_id,
        mode=extract.mode,
        window_start=extract.start,
        window_end=extract.end,
        job_id=extract.job_id,
        reported=rows,
        landed=rows,
        started_at=started,
        finished_at=datetime.now(UTC),
        pages=[{"key": landed.key, "rows": rows}],
        columns=extract.schema.names if extract.mode == REREAD else [],
    ).write(lake, obj)
    return FlowResult(
        obj.api_name,
        mode=extract.mode,
        flow_run_id=run.flow_run_id,
        window=window,
        reported=rows,
        landed=rows,
        files=1,
    )


def query_rows(
    context: FlowContext, soql: str, schema: ObjectSchema, *, deleted: bool
) -> Iterator[pa.RecordBatch]:
    """The rows of a bulk query. Raises UnavailableError unless their number is the job's."""
    bulk, settings = context.org.bulk, context.settings
    job_id = bulk.start(soql, deleted=deleted).id
    job = bulk.wait(
        job_id, poll=settings.poll.total_seconds(), timeout=settings.job_timeout.total_seconds()
    )
    rows = 0
    for batch in _pages(context, job, schema):
        rows += batch.num_rows
        yield batch
    if job.rows is not None and job.rows != rows:
        reason = f"job {job_id} reported {job.rows:,} rows, its pages held {rows:,}"
        raise UnavailableError("Salesforce", reason)
    bulk.delete(job_id)


def _pages(context: FlowContext, job: QueryJob, schema: ObjectSchema) -> Iterator[pa.RecordBatch]:
    bulk, page_rows = context.org.bulk, context.settings.page_rows
    locators = bulk.page_locators(job.id, max_records=page_rows, rows=job.rows)
    pending: list[str] = [""] if locators is None else list(locators)
    max_records = page_rows if locators is None else None
    while pending:
        with bulk.page(job.id, pending.pop(0), schema, max_records=max_records) as page:
            yield from page.batches()
            if locators is None and page.next_locator:
                pending.append(page.next_locator)
