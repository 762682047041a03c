"""Builds the tables from the current records, all in one commit.

Each table is staged and tested; those that pass are published together. A table that fails keeps
its old content, and so do the tables that read it. Where changes can be followed, only the rows
that they reach are computed, and only rows that differ are replaced.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Literal

from seil.errors import ConfigurationError, StatementError
from seil.events.bus import Bus
from seil.events.envelope import Event
from seil.events.file_events import event_id
from seil.modeling.access import table_access
from seil.modeling.model import Model, Models
from seil.modeling.plan import BuildMode, ModelPlan, new_planner
from seil.modeling.removed import removed_tables
from seil.modeling.tests import (
    TestFailure,
    TestInputs,
    failing_tests,
    passing_tests,
    test_count,
)
from seil.modeling.work import Work
from seil.observe.progress import SILENT, Progress
from seil.warehouse.bookkeeping import BuildRow, BuiltVersion, KeyedChange
from seil.warehouse.commits import commit_id
from seil.warehouse.lost_reasons import with_reason
from seil.warehouse.outbox import Outbox

if TYPE_CHECKING:
    from seil.warehouse.bookkeeping import Recorder
    from seil.warehouse.builds import StagedBuild
    from seil.warehouse.commits import Commit
    from seil.warehouse.protocol import Warehouse

log = logging.getLogger(__name__)

BuildState = Literal["built", "failed", "skipped"]


@dataclass(frozen=True)
class TableBuild:
    """The outcome for one table. `message` is why it failed or was skipped, `reason` why it was
    built in this `mode`; `notes` name what was read as null; `deleted` and `inserted` count rows.
    """

    table: str
    state: BuildState
    rows: int = 0
    seconds: float = 0.0
    mode: BuildMode = "full"
    reason: str = ""
    deleted: int = 0
    inserted: int = 0
    message: str = ""
    notes: tuple[str, ...] = ()
    failures: tuple[TestFailure, ...] = ()

    @property
    def is_built(self) -> bool:
        return self.state == "built"

    @property
    def warnings(self) -> tuple[TestFailure, ...]:
        return tuple(failure for failure in self.failures if failure.level == "warning")


@dataclass(frozen=True)
class BuildReport:
    """`loads` is the number of loaded files that the tables include, the last of `last_loaded_at`;
    `removed` are built tables without a model.
    """

    build_id: str
    tables: tuple[TableBuild, ...]
    loads: int = 0
    last_loaded_at: datetime | None = None
    removed: tuple[str, ...] = ()

    @property
    def ok(self) -> bool:
        return all(table.is_built for table in self.tables)


def build(
    warehouse: Warehouse,
    models: Models,
    *,
    tables: Iterable[str] = (),
    full: bool = False,
    logs_keys: bool = False,
    bus: Bus | None = None,
    event_source: str = "seil",
    progress: Progress = SILENT,
) -> BuildReport:
    """Brings tables up to date, all if `tables` is empty; `full` rebuilds every row. `event_source`
    is the source of the build's event. `logs_keys` records the keys of changed rows, for copies.

    The steps are `stage` and `test` of each table that changes, and `publish tables`, which ends
    with the commit. Raises ConfigurationError for an unknown table. A model that fails is in the
    report.
    """
    selected = models.select(tables)
    warehouse.prepare()
    outbox = Outbox(warehouse, bus)
    started = datetime.now(UTC)
    attempt = _Build(
        warehouse,
        models,
        selected,
        started,
        outbox,
        progress,
        event_source,
        full=full,
        logs_keys=logs_keys,
    )
    report = attempt.run()
    for table in report.tables:
        built_level = logging.DEBUG if table.mode == "unchanged" else logging.INFO
        level = built_level if table.is_built else logging.WARNING
        values = (table.table, table.state, table.mode, table.rows, table.message)
        log.log(level, "%s: %s (%s), %d rows. %s", *values, extra=_log_fields(report, table))
    outbox.publish([_event(report, event_source)])
    outbox.clear()
    return report


def _log_fields(report: BuildReport, table: TableBuild) -> dict[str, object]:
    names = ("table", "state", "mode", "rows", "deleted", "inserted")
    return {"build_id": report.build_id, **{name: getattr(table, name) for name in names}}


class _FailedStatementError(Exception):
    """A statement failed, and with it the transaction: the build is retried without that table."""


class _ExplainedError(Exception):
    """Rolls back the transaction of `explain`."""


def explain(
    warehouse: Warehouse, models: Models, *, tables: Iterable[str] = (), full: bool = False
) -> list[ModelPlan]:
    """What a build would do to each table, and why. Rolls back."""
    selected = models.select(tables)
    warehouse.prepare()
    plans: list[ModelPlan] = []
    with suppress(_ExplainedError), warehouse.commit("explain") as commit:
        planner = new_planner(warehouse, commit.builder, models, full=full)
        modes: dict[str, BuildMode] = {}
        for model in selected:
            plans.append(planner.plan(model, modes))
            modes[model.name] = plans[-1].mode
        raise _ExplainedError
    return plans


@dataclass
class _Build:
    """`refused` are tables whose statements failed, with the reason; `full_for` those that failed
    in an incremental build and are retried with a full one.
    """

    warehouse: Warehouse
    models: Models
    selected: Sequence[Model]
    started: datetime
    outbox: Outbox
    progress: Progress
    event_source: str
    full: bool = False
    logs_keys: bool = False
    refused: dict[str, str] = field(default_factory=dict)
    full_for: dict[str, str] = field(default_factory=dict)

    def run(self) -> BuildReport:
        while True:
            try:
                return with_reason(self._in_transaction)
            except _FailedStatementError:
                again = ", ".join([*self.refused, *self.full_for])
                log.info("building again, because of %s", again)

    def _in_transaction(self) -> BuildReport:
        with (
            ExitStack() as publishing,
            self.warehouse.commit(commit_id("build", self._build_id)) as commit,
        ):
            return self._attempt(commit, publishing)

    def _attempt(self, commit: Commit, publishing: ExitStack) -> BuildReport:
        """`publishing` is closed after the commit."""
        self.planner = new_planner(
            self.warehouse, commit.builder, self.models, full=self.full, full_for=self.full_for
        )
        self.sequence = self.warehouse.bookkeeping.last_change()
        self.work: dict[str, Work] = {}
        tables: dict[str, TableBuild] = {}
        for model in self.selected:
            tables[model.name] = self._stage(model, tables)
        inputs = self._test_inputs(tables)
        for model in self.selected:
            if tables[model.name].is_built:
                tables[model.name] = self._test(model, tables[model.name], inputs)
        if any(work.is_staged for work in self.work.values()):
            publishing.enter_context(self.progress.step("publish tables"))
        self._settle(tables, commit)
        self._record_versions(tables, commit.recorder)
        report = self._record(tuple(tables.values()), commit.recorder)
        commit.builder.arrange(table_access(self.planner))
        return report

    def _stage(self, model: Model, tables: Mapping[str, TableBuild]) -> TableBuild:
        if reason := self.refused.get(model.name):
            return TableBuild(model.name, "failed", message=reason)
        if blocked := self._blocked_build(model, tables):
            return blocked
        start = time.monotonic()
        modes = {n: work.plan.mode for n, work in self.work.items() if work.differs}
        with self._refusable(model, "incremental"):
            plan = self.planner.plan(model, modes)
        work = Work(self.warehouse, self.planner, model, plan)
        relations = {name: other.staged.relation for name, other in self.work.items()}
        try:
            with (
                self._refusable(model, plan.mode),
                self._step_of(work).step(f"stage {model.name}") as step,
            ):
                staged = work.stage(relations)
                step.advance(staged.inserted)
                step.conclude(_staged_summary(plan, staged))
        except ConfigurationError as error:
            reasons = "; ".join(map(str, error.problems))
            return TableBuild(model.name, "failed", message=reasons)
        self.work[model.name] = work
        return TableBuild(
            model.name,
            "built",
            rows=staged.rows,
            seconds=time.monotonic() - start,
            mode=plan.mode,
            reason=plan.reason,
            deleted=staged.deleted,
            inserted=staged.inserted,
            notes=work.notes,
        )

    def _step_of(self, work: Work) -> Progress:
        """An unchanged table has no step."""
        return self.progress if work.is_staged else SILENT

    def _test_inputs(self, tables: Mapping[str, TableBuild]) -> TestInputs:
        staged = {name: work for name, work in self.work.items() if tables[name].is_built}
        return TestInputs(
            {name: work.staged.relation for name, work in staged.items() if work.differs},
            {name: work.change for name, work in staged.items() if work.plan.mode != "full"},
            {name: entry.version for name, entry in self.planner.built.items()},
        )

    def _test(self, model: Model, table: TableBuild, inputs: TestInputs) -> TableBuild:
        previous = self.planner.built.get(model.name)
        progress = self._step_of(self.work[model.name])
        with (
            self._refusable(model, table.mode),
            progress.step(f"test {model.name}") as step,
        ):
            passed = previous.checked if previous else {}
            failures = tuple(failing_tests(model, self.warehouse, inputs, passed))
            errors = [str(failure) for failure in failures if failure.level == "error"]
            step.conclude(_tested_summary(model, failures), ok=not errors)
        state: BuildState = "failed" if errors else "built"
        return replace(table, state=state, message="; ".join(errors), failures=failures)

    def _settle(self, tables: dict[str, TableBuild], commit: Commit) -> None:
        """Publishes the tables that passed, together, and discards the others."""
        for name, work in self.work.items():
            table = tables[name]
            if table.is_built and (blocked := self._blocked_build(work.model, tables)):
                tables[name] = replace(blocked, notes=table.notes, failures=table.failures)
        staged = [work for work in self.work.values() if work.is_staged]
        passed = [work for work in staged if tables[work.model.name].is_built]
        builder = self.planner.builder
        if self.logs_keys:
            self._log_keys(passed, commit.recorder)
        builder.publish([work.staged for work in passed])
        builder.discard([work.staged for work in staged if work not in passed])
        for work in passed:
            if work.plan.mode == "full":
                work.describe(commit.tables)

    def _log_keys(self, works: Sequence[Work], recorder: Recorder) -> None:
        for work in works:
            previous = self.planner.built.get(work.model.name)
            if work.change is not None and previous is not None:
                table, key = work.model.table, work.model.key
                change = KeyedChange(table, key, self._build_id, previous.version, work.change)
                recorder.record_changed_keys(change)

    def _record_versions(self, tables: Mapping[str, TableBuild], recorder: Recorder) -> None:
        """Records the last change that each built table includes, and the columns it reads."""
        entries = dict(self.planner.built)
        built = [model for model in self.selected if tables[model.name].is_built]
        for model in built:
            differs = self.work[model.name].differs
            version = self._build_id if differs else entries[model.name].version
            entries[model.name] = BuiltVersion(model.name, "", self.sequence, version)
        versions = {name: entry.version for name, entry in entries.items()}
        unbuilt = {name for name, table in tables.items() if not table.is_built}
        current = {name: version for name, version in versions.items() if name not in unbuilt}
        for model in built:
            entries[model.name] = replace(
                entries[model.name],
                fingerprint=self.work[model.name].fingerprint(entries),
                checked=passing_tests(model, tables[model.name].failures, current),
            )
        recorder.record_built(
            [entries[model.name] for model in built],
            {model.name: self.planner.source_columns(model) for model in built},
            models=self.models,
        )

    def _blocked_build(self, model: Model, tables: Mapping[str, TableBuild]) -> TableBuild | None:
        upstream = sorted(self.models.upstream(model.name))
        failed = [name for name in upstream if name in tables and not tables[name].is_built]
        if not failed:
            return None
        reason = f"reads {', '.join(failed)}, which was not built"
        return TableBuild(model.name, "skipped", message=reason)

    @contextmanager
    def _refusable(self, model: Model, mode: BuildMode) -> Iterator[None]:
        try:
            yield
        except StatementError as error:
            if mode == "full" or model.name in self.full_for:
                reason = f"{error.reason}. {error.hint}" if error.hint else error.reason
                self.refused[model.name] = reason
            else:
                self.full_for[model.name] = error.reason
            raise _FailedStatementError from error

    @property
    def _build_id(self) -> str:
        return f"{self.started:%Y%m%dT%H%M%S.%fZ}"

    def _record(self, tables: tuple[TableBuild, ...], recorder: Recorder) -> BuildReport:
        totals = self.warehouse.bookkeeping.load_totals()
        removed = removed_tables(self.warehouse, self.models)
        report = BuildReport(self._build_id, tables, totals.files, totals.last_loaded_at, removed)
        recorder.record_builds(
            [
                BuildRow(
                    report.build_id,
                    table.table,
                    table.state,
                    table.rows,
                    table.message,
                    totals,
                    self.started,
                    datetime.now(UTC),
                )
                for table in tables
            ]
        )
        self.outbox.add(recorder, [_event(report, self.event_source)])
        return report


def _staged_summary(plan: ModelPlan, staged: StagedBuild) -> str:
    reason = f" ({plan.reason})" if plan.reason else ""
    counts = f"{staged.inserted:,} rows inserted, {staged.deleted:,} deleted"
    return f"{plan.mode}{reason}: {counts}, {staged.rows:,} in all"


def _tested_summary(model: Model, failures: Sequence[TestFailure]) -> str:
    """Failures first: a report truncates messages at the end."""
    count = f"{test_count(model):,} tests"
    return "; ".join([*(f"{f.level}: {f}" for f in failures), count])


def _event(report: BuildReport, source: str) -> Event:
    tables = [
        {
            "table": t.table,
            "state": t.state,
            "mode": t.mode,
            "rows": t.rows,
            "deleted": t.deleted,
            "inserted": t.inserted,
            "message": t.message,
        }
        for t in report.tables
    ]
    detail = {
        "state": "success" if report.ok else "error",
        "build_id": report.build_id,
        "loads": report.loads,
        "tables": tables,
        "warnings": [str(failure) for t in report.tables for failure in t.warnings],
    }
    return Event(source, "build", detail, id=event_id("build", report.build_id))
