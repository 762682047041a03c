"""Pushes to Salesforce: plan, apply, undo, and their results."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

from seil.errors import AlreadyRunningError, ConfigurationError, Problem, WarehouseError
from seil.masking import mask
from seil.observe.progress import SILENT, Progress

if TYPE_CHECKING:
    import pyarrow as pa

    from seil.app.runs import Run
    from seil.app.site import Site
    from seil.dw_to_sf.apply import Application
    from seil.dw_to_sf.definition import PushDefinition
    from seil.dw_to_sf.plan import Plan
    from seil.observe.progress import Step
    from seil.salesforce.writes.batch import RowOutcome, WriteTarget
    from seil.salesforce.writes.writer import WriterOptions
    from seil.state.outcomes import OutcomeFilter
    from seil.warehouse.readers import WarehouseReader

log = logging.getLogger(__name__)

_SHOWN = 20
FINE = ("written", "unchanged")
_LOCK = "push.{name}.lock"


@dataclass(frozen=True)
class PlannedValue:
    """One differing value of a plan; `problem` is why its record is not written."""

    key: str
    field: str
    old: str | None
    new: str | None
    verdict: str
    write: bool
    problem: str | None


@dataclass
class PushResult:
    """`states` counts records; `refused` are the first that were not written.

    `plan` is None for an undo.
    """

    plan: Plan | None
    run_id: str
    states: Counter[str] = field(default_factory=Counter)
    refused: list[RowOutcome] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not (set(self.states) - set(FINE))


def push_names(site: Site) -> list[str]:
    from seil.dw_to_sf.definition import definitions

    return definitions(site.settings.push.folder)


def plan_push(site: Site, name: str, *, progress: Progress = SILENT) -> Plan:
    """Stores a plan and returns it. Neither the org nor the warehouse is changed.

    Raises ConfigurationError, StatementError, ObjectRejectedError.
    """
    from seil.dw_to_sf.definition import load_definition
    from seil.dw_to_sf.plan import make_plan

    settings = site.settings
    definition = load_definition(settings.push.folder, name)
    with progress.step(f"plan {name}"), _Source.open(site, name) as source:
        rules = site.org.write_rules(definition.object)
        return make_plan(
            definition, rules, source, settings.push.plans, options=writer_options(site)
        )


def stored_plan(site: Site, name: str, plan_hash: str = "") -> Plan:
    """The newest plan if no hash is given. Raises PlanRefusedError."""
    from seil.dw_to_sf.plan import newest_plan, read_plan

    plans = site.settings.push.plans
    return read_plan(
        plans, name, plan_hash or newest_plan(plans, name), options=writer_options(site)
    )


def planned_values(plan: Plan, *, limit: int) -> list[PlannedValue]:
    """At most `limit` of them, those with a problem first."""
    from seil.dw_to_sf.plan import first_values

    return [PlannedValue(**row) for row in first_values(plan, limit=limit)]


def apply_push(site: Site, name: str, plan_hash: str, *, progress: Progress = SILENT) -> PushResult:
    """Writes the plan's records; one that changed in the org since is rejected.

    Raises PlanRefusedError for a plan of another warehouse, org or definition.
    """
    from seil.dw_to_sf.definition import load_definition

    plan = stored_plan(site, name, plan_hash)
    definition = load_definition(site.settings.push.folder, name)
    with _run(site, "push apply", name, plan=plan.hash) as run:
        _refuse_moved(site, plan, definition.fingerprint)
        result = PushResult(plan, run.run_id)
        steps = run.progress(progress)
        with steps.step(f"push {name}", plan.writes) as step:
            settle = _settling(result, step)
            application = _application(
                site,
                run,
                object_name=definition.object,
                flow=definition.flow,
                on_settled=settle,
            )
            application.apply(plan)
        _note(run, name, result)
    return result


def undo_push(site: Site, name: str, run_id: str, *, progress: Progress = SILENT) -> PushResult:
    """Restores the values that run `run_id` replaced; a record that changed since is rejected.

    Needs no file of the push: the object is the outcomes'.
    """
    from seil.dw_to_sf.definition import flow_of
    from seil.state.outcomes import OutcomeFilter

    flow = flow_of(name)
    of_run = OutcomeFilter(flow=flow, run_id=run_id)
    if not run_id or not (newest := site.state.outcomes.find(of_run, limit=1)):
        reason = f"run {run_id!r} wrote nothing"
        raise ConfigurationError([Problem(f"push {name}", reason, "see `seil outcomes`")])
    with _run(site, "push undo", name, of=run_id) as run:
        result = PushResult(None, run.run_id)
        steps = run.progress(progress)
        with steps.step(f"undo {name}") as step:
            settle = _settling(result, step)
            application = _application(
                site, run, object_name=newest[0].object, flow=flow, on_settled=settle
            )
            application.undo(site.state.outcomes, run_id)
        _note(run, name, result)
    return result


def retry_push(
    site: Site, name: str, where: OutcomeFilter, *, progress: Progress = SILENT
) -> PushResult:
    """Sends rows of a push again that were not written, as a run of its own.

    A record that changed since its plan is rejected. Raises ConfigurationError where the push's
    file says another object or operation by now.
    """
    from seil.dw_to_sf.definition import load_definition
    from seil.salesforce.writes.writer import Writer

    definition = load_definition(site.settings.push.folder, name)
    outcomes = site.state.outcomes
    with _run(site, "outcomes retry", name) as run:
        Writer(site.org, outcomes.log(definition.flow, run.run_id), writer_options(site)).recover()
        result = PushResult(None, run.run_id)
        steps = run.progress(progress)
        for _, object_name, operation, rows in outcomes.targets(where):
            target = _target_of(definition, object_name, operation)
            with steps.step(f"retry {name}", rows) as step:
                settle = _settling(result, step)
                application = _application(
                    site, run, object_name=object_name, flow=definition.flow, on_settled=settle
                )
                some = replace(where, object=object_name, operation=operation)
                application.retry(target, outcomes, some)
        _note(run, name, result)
    return result


def _target_of(definition: PushDefinition, object_name: str, operation: str) -> WriteTarget:
    from seil.salesforce.writes.batch import WriteTarget

    target = definition.target
    if (object_name, operation) == (target.object, target.operation):
        return target
    if operation == "update":
        return WriteTarget(object_name, "update")
    if operation == "delete":
        return WriteTarget(object_name, "delete")
    reason = f"{operation}s {object_name} no more: it would {target.operation} {target.object}"
    hint = f"Make a new plan with `seil push plan {definition.name}`"
    raise ConfigurationError([Problem(f"push {definition.name}", reason, hint)])


def writer_options(site: Site) -> WriterOptions:
    from seil.salesforce.writes.writer import WriterOptions

    settings = site.settings.write
    return WriterOptions(
        crossover=settings.crossover,
        job_rows=settings.job_rows,
        jobs_at_once=settings.jobs,
        attempts=settings.attempts,
        pause=settings.pause.total_seconds(),
        poll=settings.poll.total_seconds(),
        timeout=settings.job_timeout.total_seconds(),
    )


@contextmanager
def _run(site: Site, command: str, name: str, **plan: Any) -> Iterator[Run]:
    """A run under the push's own lock: runs that read the org go on meanwhile."""
    from seil.sf_to_dw.lock import run_lock

    with site.runs.run(command, push=name, **plan) as run:
        with run_lock(site.lake, key=_LOCK.format(name=name)):
            yield run
        _mirror(site)


def _mirror(site: Site) -> None:
    """Copies the outcomes into the warehouse, unless a run is under way, which does it."""
    from seil.sf_to_dw.lock import run_lock

    try:
        with run_lock(site.lake, brief=True):
            with site.warehouse() as warehouse:
                site.mirror_outcomes(warehouse)
            site.publish()
    except (AlreadyRunningError, WarehouseError) as error:
        log.info("the next run copies the outcomes to seil.outcomes: %s", error)


def _application(
    site: Site,
    run: Run,
    *,
    object_name: str,
    flow: str,
    on_settled: Callable[[Sequence[RowOutcome]], None],
) -> Application:
    from seil.dw_to_sf.apply import Application

    return Application(
        org=site.org,
        rules=site.org.write_rules(object_name),
        log=site.state.outcomes.log(flow, run.run_id),
        options=writer_options(site),
        on_settled=on_settled,
    )


def _settling(result: PushResult, step: Step) -> Callable[[Sequence[RowOutcome]], None]:
    def settle(outcomes: Sequence[RowOutcome]) -> None:
        step.advance(len(outcomes))
        result.states.update(outcome.state for outcome in outcomes)
        room = _SHOWN - len(result.refused)
        bad = [outcome for outcome in outcomes if outcome.state not in FINE]
        result.refused += bad[:room]

    return settle


def _note(run: Run, name: str, result: PushResult) -> None:
    run.counts.update(result.states)
    bad = sum(count for state, count in result.states.items() if state not in FINE)
    if bad:
        see = f"`seil outcomes --run {run.run_id}`"
        run.add_problem(f"push {name}: {bad:,} record(s) not written: {see}")


def _refuse_moved(site: Site, plan: Plan, fingerprint: str) -> None:
    from seil.dw_to_sf.plan import PlanRefusedError

    here = {
        "warehouse": (plan.warehouse, mask(site.settings.warehouse.url)),
        "org": (plan.org_id, site.org.id()),
        "definition": (plan.definition.fingerprint, fingerprint),
    }
    for what, (then, now) in here.items():
        if then != now:
            reason = f"it was made for {what} {then}, this is {now}"
            raise PlanRefusedError(plan.definition.name, plan.hash, reason)


@dataclass(frozen=True)
class _Source:
    """The `PlanSource` of the push `name`."""

    site: Site
    name: str
    reader: WarehouseReader

    @classmethod
    @contextmanager
    def open(cls, site: Site, name: str) -> Iterator[_Source]:
        with site.reading() as reader:
            yield cls(site, name, reader)

    @property
    def place(self) -> str:
        return mask(self.site.settings.warehouse.url)

    @property
    def org_id(self) -> str:
        return self.site.org.id()

    @property
    def mirror_as_of(self) -> datetime | None:
        return self.reader.as_of

    def desired(self, query: str) -> AbstractContextManager[pa.RecordBatchReader]:
        from seil.app.queries import rows_of_query

        return rows_of_query(self.reader.warehouse, query, place=f"push {self.name}: query")

    def mirror(
        self, object_name: str, columns: Sequence[str]
    ) -> AbstractContextManager[pa.RecordBatchReader]:
        from seil.app.queries import records_stream
        from seil.warehouse import TableName

        obj = self.site.catalog.find(object_name)
        mirrored = None
        if obj is not None:
            mirrored = self.reader.warehouse.columns(TableName("salesforce", obj.table))
        if obj is None or mirrored is None:
            problem = Problem(f"object {object_name}", "is not synced", "see `seil status`")
            raise ConfigurationError([problem])
        if missing := [name for name in columns if name not in mirrored.names]:
            reason = f"is not read from the org: {', '.join(missing)}"
            problem = Problem(f"object {object_name}", reason, "see exclude in objects.toml")
            raise ConfigurationError([problem])
        return records_stream(self.reader.warehouse, obj.table, columns)

    def written(self, flow: str, object_name: str) -> pa.RecordBatchReader:
        return self.site.state_to_read.outcomes.written_values(flow, object_name)

    def rejected(self, flow: str, object_name: str, operation: str) -> pa.RecordBatchReader:
        outcomes = self.site.state_to_read.outcomes
        return outcomes.rejected(flow, object_name, operation).to_reader()
