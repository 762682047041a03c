"""What the steps answer: `seil plan`, `run`, `extract`, `ingest`, `load`, `build`, `rebuild`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, Self

from seil.app.documents.base import JsonDocument
from seil.modeling.build import BuildReport, TableBuild
from seil.modeling.plan import BuildMode, ModelPlan
from seil.sf_to_dw.extract.extractor import ExtractReport
from seil.sf_to_dw.extract.flow_context import FlowResult
from seil.sf_to_dw.extract.plan import ApiQuota, ExtractPlan, PlannedObject
from seil.sf_to_dw.ingest.imports import ImportResult
from seil.sf_to_dw.ingest.ingestor import IngestReport, IngestResult
from seil.sf_to_dw.load.events import ObjectLoad
from seil.sf_to_dw.load.loader import LoadReport
from seil.sf_to_dw.pipeline import RunReport
from seil.sf_to_dw.rebuild import RebuildReport
from seil.warehouse.bookkeeping import LedgerRow


@dataclass(frozen=True)
class QuotaPart:
    """API calls of the org's day; `reserve` is left to others."""

    allowed: int
    used: int
    remaining: int
    reserve: int

    @classmethod
    def of(cls, quota: ApiQuota) -> Self:
        return cls(quota.allowed, quota.used, quota.remaining, quota.reserve)


@dataclass(frozen=True)
class PlanDocument(JsonDocument, schema="seil.plan/1", command="seil plan"):
    objects: Sequence[PlannedObject]
    rows: int
    jobs: int
    calls: int
    quota: QuotaPart | None
    fits: bool

    @classmethod
    def of(cls, plan: ExtractPlan) -> Self:
        quota = QuotaPart.of(plan.quota) if plan.quota else None
        return cls(plan.objects, plan.rows, plan.jobs, plan.calls, quota, plan.fits)


@dataclass(frozen=True)
class FlowPart:
    """One object's run; `error` is set where its window stays open."""

    object: str
    mode: str | None
    flow_run_id: str
    window_start: datetime | None
    window_end: datetime | None
    reported: int
    landed: int
    files: int
    resumed: bool
    left_out: Mapping[str, str]
    seconds: float
    error: str | None

    @classmethod
    def of(cls, flow: FlowResult) -> Self:
        window = flow.window
        return cls(
            object=flow.object,
            mode=flow.mode,
            flow_run_id=flow.flow_run_id,
            window_start=window.start if window else None,
            window_end=window.end if window else None,
            reported=flow.reported,
            landed=flow.landed,
            files=flow.files,
            resumed=flow.resumed,
            left_out=flow.left_out,
            seconds=flow.seconds,
            error=str(flow.error) if flow.error else None,
        )


@dataclass(frozen=True)
class ExtractDocument(JsonDocument, schema="seil.extract/1", command="seil extract"):
    flows: Sequence[FlowPart]

    @classmethod
    def of(cls, report: ExtractReport) -> Self:
        return cls([FlowPart.of(flow) for flow in report.flows])


@dataclass(frozen=True)
class IngestPart:
    """What became of one landed file."""

    key: str
    state: Literal["success", "error", "waiting", "blocked", "gone"]
    message: str
    object: str
    flow_run_id: str
    check: str
    hint: str
    archived_key: str
    curated_key: str
    exceptions_key: str
    landed_rows: int
    curated_rows: int
    rejected_rows: int
    rules: Sequence[Any]
    drift: Mapping[str, Any]
    notes: Sequence[str]

    @classmethod
    def of(cls, file: IngestResult) -> Self:
        return cls(**{**vars(file), "drift": file.drift.to_dict()})


@dataclass(frozen=True)
class IngestDocument(JsonDocument, schema="seil.ingest/1", command="seil ingest"):
    imported: Sequence[ImportResult]
    files: Sequence[IngestPart]

    @classmethod
    def of(cls, imported: Sequence[ImportResult], report: IngestReport) -> Self:
        return cls(imported, [IngestPart.of(file) for file in report.files])


@dataclass(frozen=True)
class LoadPart:
    """What became of one object's files: every row is counted once."""

    object: str
    table: str
    files: int
    rows: int
    inserted: int
    updated: int
    deleted: int
    unchanged: int
    superseded: int
    without_key: int
    changes: Sequence[str]
    errors: Sequence[str]

    @classmethod
    def of(cls, entry: ObjectLoad) -> Self:
        return cls(
            object=entry.object,
            table=entry.table,
            files=entry.files,
            rows=entry.rows,
            **vars(entry.outcome),
            changes=[str(change) for change in entry.changes],
            errors=entry.errors,
        )


@dataclass(frozen=True)
class LoadDocument(JsonDocument, schema="seil.load/1", command="seil load"):
    objects: Sequence[LoadPart]

    @classmethod
    def of(cls, report: LoadReport) -> Self:
        return cls([LoadPart.of(entry) for entry in report.objects])


@dataclass(frozen=True)
class BuildDocument(JsonDocument, schema="seil.build/1", command="seil build"):
    tables: Sequence[TableBuild]
    removed: Sequence[str]

    @classmethod
    def of(cls, report: BuildReport) -> Self:
        return cls(report.tables, report.removed)


@dataclass(frozen=True)
class ChangePart:
    """Changes of a source table that a table has not seen."""

    source: str
    rows: int


@dataclass(frozen=True)
class TablePlanPart:
    """What a build would do; `keys` is how many driving records are affected, null if unknown."""

    table: str
    mode: BuildMode
    reason: str
    changed: Sequence[ChangePart]
    keys: int | None

    @classmethod
    def of(cls, plan: ModelPlan) -> Self:
        changed = [ChangePart(str(change.source), change.rows) for change in plan.changed]
        return cls(plan.table, plan.mode, plan.reason, changed, plan.keys)


@dataclass(frozen=True)
class BuildPlanDocument(JsonDocument, schema="seil.build-plan/1", command="seil build --explain"):
    tables: Sequence[TablePlanPart]

    @classmethod
    def of(cls, plans: Sequence[ModelPlan]) -> Self:
        return cls([TablePlanPart.of(plan) for plan in plans])


@dataclass(frozen=True)
class RunDocument(JsonDocument, schema="seil.run/1", command="seil run, seil reconcile"):
    ok: bool
    extract: Sequence[FlowPart]
    beside: Sequence[FlowPart]
    ingest: Sequence[IngestPart]
    load: Sequence[LoadPart]
    build: Sequence[TableBuild]
    ledger: Sequence[LedgerRow]

    @classmethod
    def of(cls, report: RunReport) -> Self:
        return cls(
            ok=report.ok,
            extract=[FlowPart.of(flow) for flow in report.extract.flows],
            beside=[FlowPart.of(flow) for flow in report.reconciliation],
            ingest=[IngestPart.of(file) for file in report.ingest.files],
            load=[LoadPart.of(entry) for entry in report.load.objects],
            build=report.build.tables,
            ledger=report.ledger,
        )


@dataclass(frozen=True)
class RebuildDocument(JsonDocument, schema="seil.rebuild/1", command="seil rebuild"):
    replaced: bool
    was: str
    refused: Sequence[str]
    kept: Sequence[str]
    left_out: Sequence[str]
    files: int
    inserted: int
    updated: int
    deleted: int
    unchanged: int
    superseded: int
    without_key: int
    tables: Mapping[str, int]

    @classmethod
    def of(cls, report: RebuildReport) -> Self:
        return cls(
            replaced=report.is_replaced,
            was=report.state,
            refused=report.refused,
            kept=report.copied,
            left_out=report.removed_objects,
            files=report.load.files,
            **vars(report.load.outcome),
            tables={table.table: table.rows for table in report.build.tables},
        )
