"""`seil sync sf-to-t1`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, cast

import typer

from seil.app import billing
from seil.cli import output
from seil.cli.context import opened, shown_progress
from seil.cli.frame import UNBALANCED, Call, command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seil.app.billing import BillingReport, FilePlan
    from seil.app.site import Site
    from seil.observe.progress import Progress
    from seil.sf_to_t1.sending import BatchDecision

_LABEL = 8
_DECISIONS = ("committed", "missing")
_ALL = "all"
_SHOWN = 5


def register(app: typer.Typer) -> None:
    """Under `seil sync`."""
    command(app, name="sf-to-t1", narrated=True)(sf_to_t1)


def sf_to_t1(
    call: Call,
    *,
    job: Annotated[
        str, typer.Option(help="The Integration_Job__c record that gets the status.")
    ] = "",
    files: Annotated[
        list[str] | None,
        typer.Option("--file", help="A file of the org by its id, a path, or a URL. Repeatable."),
    ] = None,
    table: Annotated[
        str, typer.Option(help="A table of [sf_to_t1.tables]; default: that of [sf_to_t1].")
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check the files, show columns, batches and sums.")
    ] = False,
    decide: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE:BATCH|all=committed|missing",
            help="Settle a batch in doubt, or all of a file, by what TechOne shows. Repeatable.",
        ),
    ] = None,
) -> int:
    """Import billing files into TechOne, each row once, and set the status of Integration_Job__c.

    Without --file: what is pending, and the jobs that wait in the org. Exit code 1 if a file was
    not imported or a status not written.
    """
    if job and not files:
        raise typer.BadParameter("--job needs the job's files: give --file")
    if dry_run and decide:
        raise typer.BadParameter("--dry-run changes nothing: leave --decide out")
    with opened(call) as site, shown_progress(call) as progress:
        if dry_run:
            return _plan(call, site, files or [], table=table, progress=progress)
        decisions = _decide(site, decide or [], files or [])
        if files:
            report = billing.import_files(
                site, files, job_id=job, table=table, decisions=decisions, progress=progress
            )
        else:
            report = billing.sync_billing(site, decisions=decisions, progress=progress)
    return _show(call, report)


def _decide(site: Site, texts: Sequence[str], files: Sequence[str]) -> dict[str, BatchDecision]:
    """Stores the decisions; returns those on whole files, which hold for this run's doubts too."""
    parsed = [_decision(text) for text in texts]
    requested = [billing.file_name(file) for file in files]
    of_files: dict[str, BatchDecision] = {}
    for name, batch, decision in parsed:
        file_id = billing.file_name(name)
        if batch == _ALL:
            billing.decide_file(site, file_id, decision, requested=requested)
            of_files[file_id] = decision
        else:
            billing.decide_batch(site, file_id, int(batch), decision)
    return of_files


def _decision(text: str) -> tuple[str, str, BatchDecision]:
    """(file, batch number or `all`, decision)"""
    name, _, decision = text.rpartition("=")
    file, _, batch = name.rpartition(":")
    if not file or not (batch == _ALL or batch.isdecimal()) or decision not in _DECISIONS:
        raise typer.BadParameter(
            f"{text!r} is not FILE:BATCH=committed, FILE:BATCH=missing, or either with FILE:all"
        )
    return file, batch, cast("BatchDecision", decision)


def _plan(call: Call, site: Site, files: Sequence[str], *, table: str, progress: Progress) -> int:
    chosen = [(file, table) for file in files] or billing.pending_files(site)
    plans = [
        plan
        for file, name in chosen
        for plan in billing.plan_files(site, [file], table=name, progress=progress)
    ]
    if call.json:
        from seil.app.documents.billing import BillingPlanDocument

        call.answer(BillingPlanDocument(plans))
    elif not plans:
        output.line("Nothing is pending.")
    for plan in () if call.json else plans:
        _show_plan(plan)
    return 0


def _show_plan(plan: FilePlan) -> None:
    done = plan.batches - plan.batches_left
    facts = {
        "into": plan.place,
        "rows": f"{plan.rows:,}",
        "batches": f"{plan.batches:,}" + (f", {done:,} of them in TechOne already" if done else ""),
        "columns": ", ".join(plan.columns),
        "sums": ", ".join(f"{name} {total}" for name, total in plan.sums.items()),
    }
    output.line(plan.file_id)
    for label, text in facts.items():
        if text:
            output.paragraph(text, label=label, width=_LABEL)
    for doubt in plan.doubts[:_SHOWN]:
        text = f"batch {doubt.number}: {doubt.reason}"
        output.paragraph(text, label="doubt", width=_LABEL, style="red")
    if (more := len(plan.doubts) - _SHOWN) > 0:
        output.paragraph(f"and {more:,} more: --json lists them", label="doubt", width=_LABEL)


def _show(call: Call, report: BillingReport) -> int:
    if call.json:
        from seil.app.documents.billing import BillingDocument

        hint = "docs/sf-to-t1.md says what to do by reason"
        call.answer(BillingDocument.of(report), problem="; ".join(report.problems), hint=hint)
        return 0 if report.ok else UNBALANCED
    if report.held_by:
        output.line(f"Another run works on it ({report.held_by}); what was asked for is stored.")
        return 0
    if report.files:
        rows = [
            (
                f.file_id,
                f.place,
                f.row_count,
                f.state if f.state == "imported" else output.Bad(f.state),
            )
            for f in report.files
        ]
        output.table(("file", "into", "rows", "state"), rows)
    for job in report.jobs:
        status = job.written_status or "not written yet"
        output.line(f"Job {job.job_id}: {status}", style="" if job.written_status else "red")
    for problem in report.problems:
        output.paragraph(problem, style="red")
    if not report.files and not report.jobs and report.ok:
        output.line("Nothing to do.")
    return 0 if report.ok else UNBALANCED
