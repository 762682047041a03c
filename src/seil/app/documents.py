"""Reports as JSON documents: what `--json` prints and the console reads.

Their shapes are in seil.app.document_shapes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from seil.events.dispatch_state import DeadLetter
    from seil.events.envelope import Event
    from seil.modeling.build import TableBuild
    from seil.modeling.plan import ModelPlan
    from seil.sf_to_dw.extract.flow_context import FlowResult
    from seil.sf_to_dw.extract.plan import ExtractPlan
    from seil.sf_to_dw.ingest.ingestor import IngestReport
    from seil.sf_to_dw.load.events import ObjectLoad
    from seil.sf_to_dw.pipeline import RunReport
    from seil.sf_to_dw.rebuild import RebuildReport
    from seil.warehouse.bookkeeping import LedgerRow


def plan_document(plan: ExtractPlan) -> dict[str, Any]:
    quota = plan.quota
    return {
        "objects": [dict(vars(entry)) for entry in plan.objects],
        "rows": plan.rows,
        "jobs": plan.jobs,
        "calls": plan.calls,
        "quota": quota
        and {
            "allowed": quota.allowed,
            "used": quota.used,
            "remaining": quota.remaining,
            "reserve": quota.reserve,
        },
        "fits": plan.fits,
    }


def flow_document(flow: FlowResult) -> dict[str, Any]:
    start, end = (flow.window.start, flow.window.end) if flow.window else (None, None)
    return {
        **{name: value for name, value in vars(flow).items() if name not in ("window", "error")},
        "window_start": start,
        "window_end": end,
        "error": str(flow.error) if flow.error else None,
    }


def ingest_documents(report: IngestReport) -> list[dict[str, Any]]:
    return [{**vars(file), "drift": file.drift.to_dict()} for file in report.files]


def load_document(entry: ObjectLoad) -> dict[str, Any]:
    return {
        "object": entry.object,
        "table": entry.table,
        "files": entry.files,
        "rows": entry.rows,
        **vars(entry.outcome),
        "changes": [str(change) for change in entry.changes],
        "errors": list(entry.errors),
    }


def table_plan_document(plan: ModelPlan) -> dict[str, Any]:
    changed = [{"source": str(change.source), "rows": change.rows} for change in plan.changed]
    return {**vars(plan), "changed": changed}


def table_document(table: TableBuild) -> dict[str, Any]:
    return {**vars(table), "failures": [dict(vars(failure)) for failure in table.failures]}


def ledger_document(row: LedgerRow) -> dict[str, Any]:
    return dict(vars(row))


def run_document(report: RunReport) -> dict[str, Any]:
    return {
        "ok": report.ok,
        "extract": [flow_document(flow) for flow in report.extract.flows],
        "beside": [flow_document(flow) for flow in report.beside],
        "ingest": ingest_documents(report.ingest),
        "load": [load_document(entry) for entry in report.load.objects],
        "build": [table_document(table) for table in report.build.tables],
        "ledger": [ledger_document(row) for row in report.ledger],
    }


def rebuild_document(report: RebuildReport) -> dict[str, Any]:
    return {
        "replaced": report.is_replaced,
        "was": report.state,
        "refused": list(report.refused),
        "kept": list(report.kept),
        "left_out": list(report.left_out),
        "files": report.load.files,
        **vars(report.load.outcome),
        "tables": {table.table: table.rows for table in report.build.tables},
    }


def event_document(number: int, event: Event) -> dict[str, Any]:
    return {"number": number, **event.to_dict()}


def dead_letter_document(letter: DeadLetter) -> dict[str, Any]:
    return {
        **event_document(letter.seq, letter.event),
        "subscriber": letter.subscriber,
        "reason": letter.reason,
        "attempts": letter.attempts,
        "died_at": letter.died_at,
        "waiting": letter.waiting,
    }
