"""One run: extract, ingest, load, reconcile and build, for some objects or all."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from seil.catalog import Catalog, SyncedObject
from seil.errors import AbortError, RejectError
from seil.events.bus import Bus
from seil.events.file_events import SOURCE
from seil.lake import Lake
from seil.modeling.build import BuildReport, build
from seil.observe.fields import log_fields
from seil.observe.progress import SILENT, Progress
from seil.sf_to_dw.compare.reconcile import ComparisonKind, Reconciliation
from seil.sf_to_dw.extract.by_id import ChangedIds, DriftError, read_by_id
from seil.sf_to_dw.extract.described import DescribedObjects
from seil.sf_to_dw.extract.extractor import Extractor, ExtractReport
from seil.sf_to_dw.extract.flow_context import FlowResult
from seil.sf_to_dw.extract.flows import FlowMode
from seil.sf_to_dw.extract.partials import DELETIONS
from seil.sf_to_dw.ingest.ingestor import Ingestor, IngestReport, IngestResult
from seil.sf_to_dw.load.loader import LoadReport, load
from seil.sf_to_dw.lock import run_lock
from seil.state.decisions import DecisionStore
from seil.warehouse.bookkeeping import LedgerRow

if TYPE_CHECKING:
    from seil.modeling.model import Models
    from seil.warehouse.protocol import Warehouse
    from seil.warehouse.readers import Publication

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunReport:
    """The steps' reports, and the ledger rows of the flow runs that this run loaded.

    `reconciliation` are the reads outside the windows: deletions, formulas, missing records.
    `comparisons` are the objects and modes compared, including those without a difference.
    `unpublished` is why tables that others read are not up to date.
    """

    extract: ExtractReport
    ingest: IngestReport
    load: LoadReport
    build: BuildReport
    ledger: list[LedgerRow] = field(default_factory=list)
    reconciliation: list[FlowResult] = field(default_factory=list)
    publish_problem: str = ""
    comparisons: list[tuple[str, FlowMode]] = field(default_factory=list)
    unpublished: str = ""

    @property
    def problems(self) -> list[str]:
        """One line per failure. Quarantined records do not count as failures."""
        flows = [
            f"extract {flow.object}: {flow.error.without(flow.object)}"
            for flow in self.extract.flows
            if flow.error
        ]
        flows += [
            f"{f.mode or 'reconcile'} of {f.object}: {f.error.without(f.object)}"
            for f in self.reconciliation
            if f.error
        ]
        files = [f"ingest {file}" for file in (*self.ingest.failed, *self.ingest.blocked)]
        loads = [f"load: {error}" for entry in self.load.objects for error in entry.errors]
        builds = [
            f"build {table.table}: {table.message}"
            for table in self.build.tables
            if not table.is_built
        ]
        published = [f"publish: {self.unpublished}"] if self.unpublished else []
        return [*flows, *files, *loads, *builds, *self.ledger_problems, *published]

    @property
    def ledger_problems(self) -> list[str]:
        """Ledger rows that do not balance, and why the read-only copy is stale."""
        rows = [_imbalance(row) for row in self.ledger if not row.balanced]
        return [*rows, *([f"publish: {self.publish_problem}"] if self.publish_problem else [])]

    @property
    def ok(self) -> bool:
        return not self.problems and not self.ingest.rejected_rows


@dataclass
class ChangedReport:
    """What `read_changed` did. `unread` has the reason by object that only a window can read."""

    flows: list[FlowResult] = field(default_factory=list)
    unread: dict[str, str] = field(default_factory=dict)
    ingest: IngestReport = field(default_factory=lambda: IngestReport([]))
    load: LoadReport = field(default_factory=LoadReport)
    build: BuildReport = field(default_factory=lambda: BuildReport("", ()))
    publish_problem: str = ""


def _imbalance(row: LedgerRow) -> str:
    if row.columns_lost:
        name = row.object
        return f"ledger: {name} lost its column(s) {row.columns_lost} in run {row.flow_run_id}"
    return f"ledger: {row.object} does not balance in run {row.flow_run_id}"


@dataclass(frozen=True)
class Pipeline:
    """Opens the warehouse only while it writes to it.

    `on_loaded` is called with it before the tables are built; `logs_keys` as in `build`.
    """

    lake: Lake
    catalog: Catalog
    bus: Bus
    decisions: DecisionStore
    extractor: Extractor
    ingestor: Ingestor
    open_warehouse: Callable[[], AbstractContextManager[Warehouse]]
    publish: Callable[[], Publication]
    models: Models
    on_loaded: Callable[[Warehouse], None] = lambda _: None
    logs_keys: bool = False
    described: DescribedObjects = field(default_factory=DescribedObjects)

    def run(
        self,
        objects: Sequence[SyncedObject],
        *,
        full: bool = False,
        progress: Progress = SILENT,
    ) -> RunReport:
        """Ingests each object's files while other objects are still being extracted.

        Raises AlreadyRunningError while another run holds the lake's lock, and AbortError from the
        steps.
        """
        with run_lock(self.lake), Reconciliation(self.extractor.context) as reconciliation:
            extracted, ingested = self._extract(objects, full=full, progress=progress)
            load_and_build = partial(
                self._load_and_build,
                extracted,
                ingested,
                reconciliation,
                objects=objects,
                full=full,
                progress=progress,
            )
            try:
                reconciliation.start_due(objects, extracted.flows)
            except AbortError:
                # The run fails, but the files that the flows have landed are loaded first.
                load_and_build()
                raise
            return load_and_build()

    def reconcile(
        self,
        objects: Sequence[SyncedObject],
        kinds: Collection[ComparisonKind],
        *,
        believe: Collection[str] = (),
        progress: Progress = SILENT,
    ) -> RunReport:
        """Runs these kinds of comparison, due or not, and no window.

        Objects in `believe` may have lost any share of their records in the org. Raises as `run`
        does.
        """
        with run_lock(self.lake), Reconciliation(self.extractor.context) as reconciliation:
            self.extractor.check_identity()
            ingested = self.ingestor.sweep(objects, progress)
            reconciliation.start_now(objects, kinds, believe=believe)
            return self._load_and_build(
                ExtractReport([]),
                ingested,
                reconciliation,
                objects=objects,
                full=False,
                progress=progress,
            )

    def read_changed(
        self, changed: Mapping[str, ChangedIds], *, progress: Progress = SILENT
    ) -> ChangedReport:
        """Reads records by Id, by the objects' API names, and takes them in.

        Raises as `run` does, and RetryError: nothing is lost then, do it again.
        """
        report = ChangedReport()
        objects = [self.catalog[name] for name in changed]
        with run_lock(self.lake, brief=True):
            for obj in objects:
                self._read_changed(obj, changed[obj.api_name], report, progress)
            # Also what an earlier attempt has landed.
            report.ingest = self.ingestor.sweep(objects, progress)
            with self.open_warehouse() as warehouse:
                report.load = self._load(warehouse, objects, progress)
                report.build = self._build(warehouse, full=False, progress=progress)
            report.publish_problem = self._publish(progress)
        return report

    def _read_changed(
        self, obj: SyncedObject, changed: ChangedIds, report: ChangedReport, progress: Progress
    ) -> None:
        name = obj.api_name
        with progress.step(f"read {name}") as step, log_fields(object=name):
            try:
                flows = read_by_id(self.extractor.context, obj, changed, self.described)
            except DriftError:
                report.unread[name] = "its fields have changed"
            except RejectError as error:
                report.unread[name] = error.without(name)
                report.flows.append(FlowResult(name, error=error))
            else:
                report.flows += flows
                step.advance(sum(flow.landed for flow in flows))

    def _load_and_build(
        self,
        extracted: ExtractReport,
        ingested: IngestReport,
        reconciliation: Reconciliation,
        *,
        objects: Sequence[SyncedObject],
        full: bool,
        progress: Progress,
    ) -> RunReport:
        """Loads, compares, ingests and loads what the comparison landed, builds, publishes.

        The org can take hours to answer, so the warehouse is closed during requests to it.
        """
        with ExitStack() as stack:
            warehouse = stack.enter_context(self.open_warehouse())
            loaded = self._load(warehouse, objects, progress)
            reconciliation.compare(warehouse)
            if reconciliation.has_files or reconciliation.lacks_records:
                stack.close()
                reconciliation.extract_missing()
                ingested += self.ingestor.sweep(objects, progress)
                warehouse = stack.enter_context(self.open_warehouse())
                loaded += self._load(warehouse, objects, progress)
            self.on_loaded(warehouse)
            built = self._build(warehouse, full=full, progress=progress)
            results = [*extracted.deletions, *reconciliation.results]
            runs = {f.flow_run_id for f in (*extracted.flows, *results) if f.flow_run_id}
            ledger = warehouse.bookkeeping.ledger(flow_runs=runs) if runs else []
        # Closing the warehouse has flushed its write-ahead log into the file that is copied.
        problem = self._publish(progress)
        lists: list[tuple[str, FlowMode]] = [(name, DELETIONS) for name in extracted.checked]
        comparisons = [*lists, *reconciliation.checked]
        return RunReport(extracted, ingested, loaded, built, ledger, results, problem, comparisons)

    def _build(self, warehouse: Warehouse, *, full: bool, progress: Progress) -> BuildReport:
        return build(
            warehouse,
            self.models,
            full=full,
            logs_keys=self.logs_keys,
            bus=self.bus,
            event_source=SOURCE,
            progress=progress,
        )

    def _publish(self, progress: Progress) -> str:
        """Returns why the read-only copy was not written; empty if it was."""
        with progress.step("publish copy") as step:
            copy = self.publish()
            step.conclude(copy.problem, ok=not copy.problem)
        return copy.problem

    def _load(
        self, warehouse: Warehouse, objects: Sequence[SyncedObject], progress: Progress
    ) -> LoadReport:
        return load(
            warehouse,
            self.lake,
            self.catalog,
            objects=[obj.api_name for obj in objects],
            decisions=self.decisions,
            bus=self.bus,
            progress=progress,
        )

    def _extract(
        self, objects: Sequence[SyncedObject], *, full: bool, progress: Progress
    ) -> tuple[ExtractReport, IngestReport]:
        """Ingests as it extracts."""
        ingested: list[IngestResult] = []
        by_name = {obj.api_name: obj for obj in objects}

        def ingest(flow: FlowResult) -> None:
            if flow.files:
                report = self.ingestor.sweep([by_name[flow.object]], progress)
                ingested.extend(report.files)

        extracted = self.extractor.run(objects, full=full, progress=progress, on_flow=ingest)
        # Files of an earlier run or of another tool.
        whole_catalog = len(by_name) == len(self.catalog)
        rest = self.ingestor.sweep(() if whole_catalog else objects, progress)
        return extracted, IngestReport([*ingested, *rest.files])
