"""Files that hold a part of each record: what was deleted, what formulas give now, new fields.

They go the way of all files (landing, curated, ledger), so that a rebuild finds them. Their mode,
in the Parquet metadata, says that columns they lack are not null but not told.
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
from seil.sf_to_dw.extract.flow_run import FlowContext, FlowResult
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
    """What was last asked besides the flow. `recent` are deletions landed, by Id, that the next
    list may name again; `rules` are the object's rules when its Ids were compared, as a digest.
    """

    deletions_until: datetime | None = None
    recent: Mapping[str, str] = field(default_factory=dict)
    compared_at: datetime | None = None
    is_compare_due: bool = False
    refreshed_at: datetime | None = None
    rules: str = ""

    def due(self, flow: FlowSettings, now: datetime) -> list[FlowMode]:
        """Which comparisons have come round. Where nothing was ever compared, none has: what there
        is has just been read.
        """
        wishes = (
            (DELETIONS, self.compared_at, flow.compare_ids),
            (FORMULAS, self.refreshed_at, flow.refresh_formulas),
        )
        return [
            mode
            for mode, last, every in wishes
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
        found = {name: datetime.fromisoformat(body[name]) for name in times if body.get(name)}
        kept = {field.name for field in fields(PartialState)} & body.keys()
        return PartialState(**{**{name: body[name] for name in kept}, **found})

    def change(self, obj: SyncedObject, **values: Any) -> None:
        """Sets these fields of PartialState; another writer's change of others is kept."""
        self._document(obj).update(**values)

    def _document(self, obj: SyncedObject) -> Document:
        return self.lake.document(
            f"partials/Salesforce-{obj.landing_name}.json",
            cure="the next run lists the deletions of the last days again",
        )


@dataclass(frozen=True)
class Reading:
    """Rows to be landed beside a flow: of which kind, and up to when they tell the truth.

    `end` is on the scale of a flow's windows (the org's clock less the flow's lag), so that a page
    and a reading can be put in order.
    """

    mode: FlowMode
    start: datetime | None
    end: datetime
    schema: pa.Schema
    rows: int
    job_id: str = ""


def land(
    context: FlowContext, obj: SyncedObject, reading: Reading, batches: Iterable[pa.RecordBatch]
) -> FlowResult:
    """One file, its events and its manifest: a kill in between only lands the same facts again."""
    started = datetime.now(UTC)
    rows = reading.rows
    window = Window(reading.start, reading.end)
    run = FlowRun(new_run_id(started), window, reading.job_id, "", 0, started)
    lake = context.lake
    landed = page_file(lake.env, obj, run, 0)
    metadata = {**page_metadata(obj, run, number=0, rows=rows), "seil.mode": reading.mode}
    write_page(lake.landing, landed.key, batches, schema=reading.schema, metadata=metadata)
    if entry := lake.landing.head(landed.key):
        context.bus.publish([landed_event(lake.landing, entry)])
    about = {"flow_run_id": run.flow_run_id, "mode": reading.mode, "landed": rows}
    context.publish(obj, "success", **about)
    Manifest(
        object=obj.api_name,
        flow_run_id=run.flow_run_id,
        mode=reading.mode,
        window_start=reading.start,
        window_end=reading.end,
        job_id=reading.job_id,
        reported=rows,
        landed=rows,
        started_at=started,
        finished_at=datetime.now(UTC),
        pages=[{"key": landed.key, "rows": rows}],
        columns=reading.schema.names if reading.mode == REREAD else [],
    ).write(lake, obj)
    return FlowResult(
        obj.api_name,
        mode=reading.mode,
        flow_run_id=run.flow_run_id,
        window=window,
        reported=rows,
        landed=rows,
        files=1,
    )


def query_rows(
    context: FlowContext, soql: str, schema: ObjectSchema, *, deleted: bool
) -> Iterator[pa.RecordBatch]:
    """The rows of a bulk query. Raises UnavailableError unless they are as many as it reported."""
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
    waiting: list[str] = [""] if locators is None else list(locators)
    while waiting:
        max_records = page_rows if locators is None else None
        with bulk.page(job.id, waiting.pop(0), schema, max_records=max_records) as page:
            yield from page.batches()
            if locators is None and page.next_locator:
                waiting.append(page.next_locator)
