"""How the reports of the steps are printed, as text or as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from seil.app import wording
from seil.cli import output
from seil.cli.output import Bad

if TYPE_CHECKING:
    from seil.cli.frame import Call
    from seil.modeling.build import BuildReport
    from seil.modeling.plan import ModelPlan
    from seil.sf_to_dw.extract.extractor import ExtractReport
    from seil.sf_to_dw.extract.flow_context import FlowResult
    from seil.sf_to_dw.extract.plan import ExtractPlan, PlannedObject
    from seil.sf_to_dw.ingest.ingestor import IngestReport
    from seil.sf_to_dw.load.loader import LoadReport
    from seil.warehouse.bookkeeping import LedgerRow


def show_plan(call: Call, plan: ExtractPlan) -> None:
    if call.json:
        from seil.app.documents.steps import PlanDocument

        call.answer(PlanDocument.of(plan))
        return
    output.table(
        ("object", "mode", "from", "rows", "jobs", "calls", "note"),
        [
            (
                entry.object,
                entry.mode,
                entry.window_start,
                entry.estimated_rows,
                entry.jobs,
                entry.calls,
                Bad(entry.problem) if entry.problem else _plan_note(entry),
            )
            for entry in plan.objects
        ],
    )
    output.line()
    output.line(
        f"{len(plan.objects):,} objects, {plan.rows:,} rows, {plan.jobs:,} jobs,"
        f" {plan.calls:,} API calls"
    )
    if plan.quota is None:
        output.line("The org does not say how many API calls are left.")
        return
    quota = plan.quota
    output.line(
        f"API calls today: {quota.used:,} of {quota.allowed:,} used, {quota.remaining:,} left"
        f" ({quota.reserve:,} kept for others)"
    )
    if not plan.fits:
        output.line("This does not fit into what is left.", style="red")


def _plan_note(entry: PlannedObject) -> str | None:
    notes = ["goes on"] if entry.resumes else []
    if entry.also_due:
        notes.append(f"with {', '.join(entry.also_due)}")
    if entry.note:
        notes.append(entry.note)
    return "; ".join(notes) or None


def show_extract(call: Call, report: ExtractReport) -> None:
    if call.json:
        from seil.app.documents.steps import ExtractDocument

        call.answer(ExtractDocument.of(report))
        return
    output.table(
        ("object", "mode", "rows", "files", "seconds", "note"),
        [
            (
                flow.object,
                flow.mode,
                flow.landed,
                flow.files,
                round(flow.seconds, 1),
                _flow_note(flow),
            )
            for flow in report.flows
        ],
    )


def show_ingest(report: IngestReport) -> None:
    output.line(
        f"Ingest: {wording.counted(len(report.succeeded), 'file')} ingested,"
        f" {wording.counted(report.curated_rows, 'row')} curated,"
        f" {report.rejected_rows:,} set aside,"
        f" {wording.counted(len(report.failed), 'file')} rejected"
    )
    unusual = [file for file in report.files if not file.ok or file.state != "success"]
    if unusual:
        output.table(
            ("file", "state", "set aside", "why"),
            [
                (
                    file.key,
                    Bad(file.state) if file.state in ("error", "blocked") else file.state,
                    file.rejected_rows or None,
                    file.message,
                )
                for file in unusual
            ],
        )
    for file in report.succeeded:
        for note in file.notes:
            output.line(f"  {file.key.rpartition('/')[2]}: {note}")


def show_load(call: Call, report: LoadReport) -> None:
    if call.json:
        from seil.app.documents.steps import LoadDocument

        call.answer(LoadDocument.of(report))
        return
    total = report.outcome
    counts = {
        "inserted": total.inserted,
        "updated": total.updated,
        "deleted": total.deleted,
        "unchanged": total.unchanged,
        "superseded": total.superseded,
        "without a key": total.without_key,
    }
    outcomes = ", ".join(f"{count:,} {name}" for name, count in counts.items() if count)
    files, rows = wording.counted(report.files, "file"), wording.counted(total.rows, "row")
    output.line(f"Load: {files}, {rows}{': ' if outcomes else ''}{outcomes}")
    for entry in report.objects:
        for change in entry.changes:
            output.line(f"  changed: {change}")
        for error in entry.errors:
            output.line(f"  left out: {error}", style="red")


def show_build_plan(call: Call, plans: Sequence[ModelPlan]) -> None:
    if call.json:
        from seil.app.documents.steps import BuildPlanDocument

        call.answer(BuildPlanDocument.of(plans))
        return
    output.table(
        ("table", "build", "driving keys", "why"),
        [
            (
                plan.table,
                plan.mode,
                plan.keys,
                "; ".join([*([plan.reason] if plan.reason else []), *map(str, plan.changed)]),
            )
            for plan in plans
        ],
    )


def show_build(call: Call, report: BuildReport) -> None:
    if call.json:
        from seil.app.documents.steps import BuildDocument

        call.answer(BuildDocument.of(report))
        return
    rows = sum(table.rows for table in report.tables)
    ready = sum(table.state == "built" for table in report.tables)
    same = sum(table.is_built and table.mode == "unchanged" for table in report.tables)
    more = f", {same:,} of them unchanged" if same else ""
    output.line(f"Build: {ready:,} of {len(report.tables):,} tables built, {rows:,} rows{more}")
    changed = [t for t in report.tables if not (t.is_built and t.mode == "unchanged")]
    if changed:
        output.table(
            ("table", "how", "rows", "deleted", "inserted"),
            [
                (
                    table.table,
                    table.mode if table.state == "built" else Bad(table.state),
                    table.rows,
                    table.deleted,
                    table.inserted,
                )
                for table in changed
            ],
        )
    for table in report.tables:
        if table.message:
            output.line(f"  {table.table}: {table.message}", style="red")
        for failure in table.failures:
            # What an unchanged table warned of was said when it changed.
            if failure.level == "error" or table.mode != "unchanged":
                style = "red" if failure.level == "error" else ""
                output.line(f"  {failure.level}: {failure.brief}", style=style)
    for name in report.removed:
        drop = "`seil build --drop-removed` drops it"
        output.line(f"  {name}: its model is gone, the table stays as it was; {drop}")
    notes = Counter(note for table in report.tables for note in table.notes)
    for note, count in notes.items():
        output.line(f"  {note} (by {count:,} tables)" if count > 1 else f"  {note}", style="dim")


def show_ledger_rows(rows: Sequence[LedgerRow]) -> None:
    from seil.cli.ledger import show_ledger

    if rows:
        show_ledger(rows)
    else:
        output.line("Nothing was loaded yet: `seil run` reads the org and loads what it reads.")


def _flow_note(flow: FlowResult) -> Any:
    if flow.error:
        return Bad(flow.error.without(flow.object))
    notes = ["went on with the last run"] if flow.resumed else []
    if flow.left_out:
        notes.append(f"without {', '.join(sorted(flow.left_out))}")
    return "; ".join(notes)
