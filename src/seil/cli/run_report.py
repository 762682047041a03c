"""The summary of `seil run` and `seil reconcile`: what changed, and what went wrong.

Objects without changes are counted, not listed: an idle hour is a few lines.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from seil.cli import output, reports
from seil.cli.ledger import show_ledger

if TYPE_CHECKING:
    from seil.cli.frame import Call
    from seil.sf_to_dw.extract.extractor import ExtractReport
    from seil.sf_to_dw.extract.flow_context import FlowResult
    from seil.sf_to_dw.pipeline import RunReport
    from seil.warehouse.bookkeeping import LedgerRow

_NAMED = 3


def show_run(call: Call, report: RunReport, names: Sequence[str]) -> None:
    """Ledger rows in the order of `names`."""
    if not call.json:
        _show_run(call, report, names)
        return
    from seil.app.documents.steps import RunDocument

    call.answer(RunDocument.of(report), problem="; ".join(report.problems))


def _show_run(call: Call, report: RunReport, names: Sequence[str]) -> None:
    _show_extract(report.extract)
    _show_comparisons(report)
    reports.show_ingest(report.ingest)
    reports.show_load(call, report.load)
    reports.show_build(call, report.build)
    for problem in filter(None, (report.publish_problem, report.unpublished)):
        output.line(f"  {problem}", style="red")
    if rows := _changed_rows(report, names):
        output.line()
        show_ledger(rows)
    if report.ok:
        output.line(_success_text(report, len(rows)))
    else:
        output.line("Not everything arrived: see above.", style="red")


def _show_extract(report: ExtractReport) -> None:
    if not report.flows:
        return
    rows = sum(flow.reported for flow in report.flows)
    changed = sum(bool(flow.reported) for flow in report.flows)
    counts = f"{rows:,} rows of {changed:,} of them" if rows else "no changes"
    output.line(f"Extract: {len(report.flows):,} objects read, {counts}")
    for flow in report.flows:
        if flow.resumed:
            output.line(f"  {flow.object}: resumed the run that was interrupted")
    _show_errors(report.flows)


def _show_errors(flows: Iterable[FlowResult]) -> None:
    """Each reason once, with the objects it holds for."""
    objects: dict[str, list[str]] = {}
    for flow in flows:
        if flow.error:
            reason = flow.error.without(flow.object)
            about = f"{flow.mode}: {reason}" if flow.mode else reason
            objects.setdefault(about, []).append(flow.object)
    for reason, names in objects.items():
        more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
        output.line(f"  {', '.join(names[:_NAMED])}{more}: {reason}", style="red")


def _show_comparisons(report: RunReport) -> None:
    """What was compared; an object or kind that had nothing new is left out."""
    landed: Counter[str] = Counter()
    objects: Counter[str] = Counter()
    for flow in report.reconciliation:
        if flow.landed and flow.mode:
            landed[flow.mode] += flow.landed
            objects[flow.mode] += 1
    for mode, rows in landed.items():
        output.line(f"Besides: {rows:,} records by {mode}, of {objects[mode]:,} objects")
    _show_errors(report.reconciliation)


def _changed_rows(report: RunReport, names: Sequence[str]) -> list[LedgerRow]:
    """Rows of objects of which anything is new in the warehouse, and those that need a look, in the
    order of `names`.
    """
    new = {
        entry.object
        for entry in report.load.objects
        if entry.outcome.inserted or entry.outcome.updated or entry.outcome.deleted
    }
    # A comparison lands only what differs, of versions that the table has already.
    new |= {flow.object for flow in report.reconciliation if flow.landed}
    rows = [row for row in report.ledger if row.object in new or row.set_aside or not row.balanced]
    order = {name: number for number, name in enumerate(names)}
    return sorted(rows, key=lambda row: (order.get(row.object, len(order)), row.object, row.mode))


def _success_text(report: RunReport, count: int) -> str:
    rest = len(report.ledger) - count
    if not report.ledger:
        return "Everything is up to date."
    if not count:
        return f"Nothing is new: all {rest:,} ledger rows balance."
    more = f" {rest:,} more ledger rows balance, of objects without changes." if rest else ""
    return f"Everything that was reported has arrived.{more}"
