"""Salesforce -> landing -> curated -> warehouse, the whole way, for some objects or all."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from seil.catalog import Catalog, SyncedObject
from seil.errors import AbortError
from seil.events.bus import Bus
from seil.events.file_events import SOURCE
from seil.lake import Lake
from seil.modeling.build import BuildReport, build
from seil.observe.progress import SILENT, Progress
from seil.sf_to_dw.compare.reconcile import ComparisonKind, Reconciliation
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
    """What each step did, and the ledger of the flow runs it brought in.

    `beside` is what was read besides the flows: deletions, formulas, what had not arrived;
    `checked` the objects and modes that were compared, with or without something to read.
    """

    extract: ExtractReport
    ingest: IngestReport
    load: LoadReport
    build: BuildReport
    ledger: list[LedgerRow] = field(default_factory=list)
    beside: list[FlowResult] = field(default_factory=list)
    publish_problem: str = ""
    checked: list[tuple[str, FlowMode]] = field(default_factory=list)

    @property
    def problems(self) -> list[str]:
        """What went wrong, a line each. Records that a rule set aside are not among it."""
        flows = [
            f"extract {flow.object}: {flow.error.without(flow.object)}"
            for flow in self.extract.flows
            if flow.error
        ]
        flows += [
            f"{f.mode or 'reconcile'} of {f.object}: {f.error.without(f.object)}"
            for f in self.beside
            if f.error
        ]
        files = [f"ingest {file}" for file in (*self.ingest.failed, *self.ingest.blocked)]
        loads = [f"load: {error}" for entry in self.load.objects for error in entry.errors]
        builds = [
            f"build {table.table}: {table.message}"
            for table in self.build.tables
            if not table.is_built
        ]
        return [*flows, *files, *loads, *builds, *self.ledger_problems]

    @property
    def ledger_problems(self) -> list[str]:
        """Rows that do not balance, and why the readers' copy is not current."""
        rows = [_imbalance(row) for row in self.ledger if not row.balanced]
        return [*rows, *([f"publish: {self.publish_problem}"] if self.publish_problem else [])]

    @property
    def ok(self) -> bool:
        return not self.problems and not self.ingest.rejected_rows


def _imbalance(row: LedgerRow) -> str:
    if row.columns_lost:
        name = row.object
        return f"ledger: {name} lost its column(s) {row.columns_lost} in run {row.flow_run_id}"
    return f"ledger: {row.object} does not balance in run {row.flow_run_id}"


@dataclass(frozen=True)
class Pipeline:
    """The steps, wired. The warehouse is opened only while it is written to."""

    lake: Lake
    catalog: Catalog
    bus: Bus
    decisions: DecisionStore
    extractor: Extractor
    ingestor: Ingestor
    open_warehouse: Callable[[], AbstractContextManager[Warehouse]]
    publish: Callable[[], Publication]
    models: Models

    def run(
        self,
        objects: Sequence[SyncedObject],
        *,
        full: bool = False,
        progress: Progress = SILENT,
    ) -> RunReport:
        """Files of one object are ingested while others are still being read.

        Raises AlreadyRunningError when another run works on this lake, AbortError as the steps do.
        """
        with run_lock(self.lake), Reconciliation(self.extractor.context) as beside:
            brought = self._to_curated(objects, full=full, progress=progress)
            to_tables = partial(
                self._to_tables, brought, beside, objects=objects, full=full, progress=progress
            )
            try:
                beside.start_due(objects, brought[0].flows)
            except AbortError:
                # It stops the run, but what the flows have landed is loaded first.
                to_tables()
                raise
            return to_tables()

    def reconcile(
        self,
        objects: Sequence[SyncedObject],
        kinds: Collection[ComparisonKind],
        *,
        believe: Collection[str] = (),
        progress: Progress = SILENT,
    ) -> RunReport:
        """Reads no window, but what these kinds of comparison find, due or not. Of objects to
        `believe` any number of records may be gone.

        Raises as `run` does.
        """
        with run_lock(self.lake), Reconciliation(self.extractor.context) as beside:
            self.extractor.check_identity()
            brought = ExtractReport([]), self.ingestor.sweep(objects, progress)
            beside.start_now(objects, kinds, believe=believe)
            return self._to_tables(brought, beside, objects=objects, full=False, progress=progress)

    def _to_tables(
        self,
        brought: tuple[ExtractReport, IngestReport],
        beside: Reconciliation,
        *,
        objects: Sequence[SyncedObject],
        full: bool,
        progress: Progress,
    ) -> RunReport:
        """From curated on; what the comparison lands is ingested, too.

        The org can take hours to answer: it is asked only while the warehouse is closed.
        """
        extracted, ingested = brought
        with ExitStack() as opened:
            warehouse = opened.enter_context(self.open_warehouse())
            loaded = self._load(warehouse, objects, progress)
            beside.compare(warehouse)
            if beside.lacks_records or any(result.files for result in beside.results):
                opened.close()
                beside.extract_missing()
                more = self.ingestor.sweep(objects, progress)
                ingested = IngestReport([*ingested.files, *more.files])
                warehouse = opened.enter_context(self.open_warehouse())
                again = self._load(warehouse, objects, progress)
                loaded = LoadReport((*loaded.objects, *again.objects))
            results = [*extracted.deletions, *beside.results]
            built = build(
                warehouse,
                self.models,
                full=full,
                bus=self.bus,
                event_source=SOURCE,
                progress=progress,
            )
            runs = {f.flow_run_id for f in (*extracted.flows, *results) if f.flow_run_id}
            entries = warehouse.bookkeeping.ledger(flow_runs=runs) if runs else []
        # With the warehouse closed, so that its write-ahead log is in it.
        with progress.step("publish copy") as step:
            copy = self.publish()
            step.conclude(copy.problem, ok=not copy.problem)
        lists: list[tuple[str, FlowMode]] = [(name, DELETIONS) for name in extracted.checked]
        checked = [*lists, *beside.checked]
        return RunReport(
            extracted, ingested, loaded, built, entries, results, copy.problem, checked
        )

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

    def _to_curated(
        self, objects: Sequence[SyncedObject], *, full: bool, progress: Progress
    ) -> tuple[ExtractReport, IngestReport]:
        ingested: list[IngestResult] = []
        by_name = {obj.api_name: obj for obj in objects}

        def take_in(flow: FlowResult) -> None:
            if flow.files:
                report = self.ingestor.sweep([by_name[flow.object]], progress)
                ingested.extend(report.files)

        extracted = self.extractor.run(objects, full=full, progress=progress, on_flow=take_in)
        # What an earlier run, or somebody else, has left in the landing zone.
        whole_catalog = len(by_name) == len(self.catalog)
        rest = self.ingestor.sweep(() if whole_catalog else objects, progress)
        return extracted, IngestReport([*ingested, *rest.files])
