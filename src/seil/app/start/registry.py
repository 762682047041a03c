"""The jobs that `seil start` can run. A flow adds itself with one entry in `JOBS`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

from seil.app import wording
from seil.app.start.jobs import Job, JobContext, JobResult
from seil.errors import WarehouseError

if TYPE_CHECKING:
    from seil.app.site import Site
    from seil.settings import Settings
    from seil.sf_to_dw.handlers import StepOutcome
    from seil.sf_to_dw.subscriber import BatchOutcome

# The turn of jobs that hold the lake's run lock.
_RUN = "run"
_FIRST_RUN = JobResult("waits for the first run", is_early=True)
_LISTEN_SWEEP = timedelta(seconds=10)


def available_jobs(settings: Settings) -> Iterator[Job]:
    """The packaged jobs, and one for each push."""
    from seil.dw_to_sf.definition import definitions

    yield from JOBS
    for name in definitions(settings.push.folder):
        yield Job(
            f"push {name}",
            "plans a push, and applies it below its brakes",
            partial(_push, name),
            timedelta(hours=1),
            command="push plan",
            plan={"push": name},
        )


def _run(site: Site, context: JobContext) -> JobResult:
    from seil.app import steps
    from seil.app.schedule import due_objects
    from seil.app.upkeep import summary, upkeep_if_due

    due = due_objects(site, within=context.every or timedelta())
    if not due:
        return JobResult("no object is due")
    names = [obj.api_name for obj in due]
    report = steps.run(site, names, progress=context.progress)
    rows = sum(flow.landed for flow in report.extract.flows)
    rejected = report.ingest.rejected_rows
    set_aside = [f"{rejected:,} record(s) set aside: `seil files show`"] if rejected else []
    message = f"{rows:,} rows of {wording.counted(len(names), 'object')}"
    if done := upkeep_if_due(site, progress=context.progress):
        message = "; ".join([message, *map(summary, done.results)])
    return JobResult(message, (*report.problems, *set_aside))


def _listen(site: Site, context: JobContext) -> JobResult:
    from seil.app.handlers import listener

    def report(outcome: StepOutcome) -> None:
        parts = (outcome.step, outcome.state, outcome.about, outcome.message)
        context.report("  ".join(part for part in parts if part))

    turn = partial(context.turns.hold, _RUN, context.stop)
    listener(site, report, stop=context.stop.event, turn=turn).listen(_LISTEN_SWEEP)
    return JobResult()


def _subscribe(site: Site, context: JobContext) -> JobResult:
    from seil.app.subscribe import subscriber

    def report(outcome: BatchOutcome) -> None:
        counts = f"{outcome.events:,} events, {outcome.rows:,} rows"
        context.report("  ".join(filter(None, [counts, outcome.problem])))

    subscribed = subscriber(site, report)
    subscribed.stop = context.stop.event
    subscribed.run()
    return JobResult()


def _gam_to_sf(site: Site, context: JobContext) -> JobResult:
    from seil.app.syncs import sync_gam_to_sf

    result = sync_gam_to_sf(site, progress=context.progress)
    written = sum(step.states["written"] for step in result.steps)
    failed = tuple(f"{step.name}: {step.problem}" for step in result.steps if not step.ok)
    return JobResult(f"{wording.counted(written, 'record')} written", failed)


def _sf_to_t1(site: Site, context: JobContext) -> JobResult:
    from seil.app.billing import sync_billing

    report = sync_billing(site, progress=context.progress)
    if report.held_by:
        return JobResult(f"{report.held_by} works on it")
    return JobResult(wording.counted(len(report.files), "file"), tuple(report.problems))


@contextmanager
def _reading(site: Site, context: JobContext) -> Iterator[bool]:
    """Whether there are tables to read. No run writes meanwhile, where that excludes readers.

    Raises AlreadyRunningError while another process holds the run lock for that.
    """
    from seil.sf_to_dw.lock import run_lock
    from seil.warehouse import is_shared

    with ExitStack() as stack:
        if site.has_warehouse and not is_shared(site.settings.warehouse):
            stack.enter_context(context.turns.hold(_RUN, context.stop))
            stack.enter_context(run_lock(site.lake))
        yield site.has_warehouse and _has_tables(site)


def _has_tables(site: Site) -> bool:
    """True as well where it cannot be read: the job's run then says why."""
    try:
        with site.reading() as reading:
            return bool(reading.warehouse.tables("salesforce"))
    except WarehouseError:
        return True


def _export_feed(site: Site, context: JobContext) -> JobResult:
    from seil.app.queries import export_feed

    with _reading(site, context) as has_tables:
        if not has_tables:
            return _FIRST_RUN
        with site.runs.run("export feed") as run:
            files, _ = export_feed(site, progress=run.progress(context.progress))
            run.counts["files"] = len(files)
            run.counts["rows"] = sum(file.rows for file in files)
    return JobResult(f"{run.counts['rows']:,} rows in {wording.counted(len(files), 'file')}")


def _push(name: str, site: Site, context: JobContext) -> JobResult:
    from seil.app import pushes

    with _reading(site, context) as has_tables:
        if not has_tables:
            return _FIRST_RUN
        with site.runs.run("push plan", push=name) as run:
            plan = pushes.plan_push(site, name, progress=run.progress(context.progress))
            run.counts["records"] = plan.counts.records
            if reasons := plan.over_the_brakes:
                apply = f"`seil push apply {name} {plan.hash}`"
                run.add_problem(f"push {name} is above its brakes: {'; '.join(reasons)}: {apply}")
    if run.problems:
        return JobResult("not applied", tuple(run.problems))
    if not plan.writes:
        return JobResult("nothing to write")
    result = pushes.apply_push(site, name, plan.hash, progress=context.progress)
    states = ", ".join(f"{count:,} {state}" for state, count in sorted(result.states.items()))
    see = f"some records were not written: `seil outcomes --run {result.run_id}`"
    return JobResult(states, () if result.ok else (see,))


JOBS: tuple[Job, ...] = (
    Job(
        "run",
        "Salesforce to the warehouse, what is due",
        _run,
        timedelta(minutes=10),
        turns=frozenset({_RUN}),
        command="run",
    ),
    Job("listen", "files that other tools put into in/, as they land", _listen, None),
    Job("subscribe", "Salesforce's events, seconds after a change", _subscribe, None),
    Job(
        "gam-to-sf",
        "Ad Manager's statuses and delivery into Salesforce",
        _gam_to_sf,
        timedelta(hours=1),
        command="sync gam-to-sf",
    ),
    Job(
        "sf-to-t1",
        "billing files that wait in the org into TechOne",
        _sf_to_t1,
        timedelta(minutes=10),
        command="sync sf-to-t1",
    ),
    Job("feed", "the legacy CSV feed", _export_feed, timedelta(days=1), command="export feed"),
)
