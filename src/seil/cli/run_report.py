"""What `seil run` and `seil reconcile` say at the end: what changed, and what went wrong.

What had nothing to do is counted, not listed: an idle hour is a few lines.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from seil.app import documents
from seil.cli import output, reports
from seil.cli.ledger import show_ledger

if TYPE_CHECKING:
    from seil.cli.frame import Call
    from seil.sf_to_dw.extract.extractor import ExtractReport
    from seil.sf_to_dw.extract.flow_context import FlowResult
    from seil.sf_to_dw.pipeline import RunReport
    from seil.warehouse.bookkeeping import LedgerRow

_NAMED = 3


def ran(call: Call, report: RunReport, names: Mapping[str, str]) -> None:
    """`names` are display names by API name."""
    if not call.json:
        _show_run(call, report, names)
        return
    call.answer(
        "seil.run/1",
        documents.run_document(report),
        problem="; ".join(report.problems),
    )


def _show_run(call: Call, report: RunReport, names: Mapping[str, str]) -> None:
    """`names` are display names by API name."""
    _extracted(report.extract, names)
    _beside(report)
    reports.ingested(report.ingest)
    reports.loaded(call, report.load)
    reports.built(call, report.build)
    if report.publish_problem:
        output.line(f"  {report.publish_problem}", style="red")
    if rows := _changed(report, names):
        output.line()
        show_ledger(rows, names)
    if report.ok:
        output.line(_all_well(report, len(rows)))
    else:
        output.line("Not everything arrived: see above.", style="red")


def _extracted(report: ExtractReport, names: Mapping[str, str]) -> None:
    if not report.flows:
        return
    rows = sum(flow.reported for flow in report.flows)
    told = sum(bool(flow.reported) for flow in report.flows)
    said = f"{rows:,} rows of {told:,} of them" if rows else "no changes"
    output.line(f"Extract: {len(report.flows):,} objects read, {said}")
    for flow in report.flows:
        if flow.resumed:
            name = names.get(flow.object, flow.object)
            output.line(f"  {name}: went on with the run that was broken off")
    _failed(report.flows)


def _failed(flows: Iterable[FlowResult]) -> None:
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


def _beside(report: RunReport) -> None:
    """What was compared; an object or kind that had nothing new is left out."""
    landed: Counter[str] = Counter()
    objects: Counter[str] = Counter()
    for found in report.beside:
        if found.landed and found.mode:
            landed[found.mode] += found.landed
            objects[found.mode] += 1
    for mode, rows in landed.items():
        output.line(f"Besides: {rows:,} records by {mode}, of {objects[mode]:,} objects")
    _failed(report.beside)


def _changed(report: RunReport, names: Mapping[str, str]) -> list[LedgerRow]:
    """Rows of objects of which anything is new in the warehouse, and those that need a look, in the
    order of `names`.
    """
    new = {
        entry.object
        for entry in report.load.objects
        if entry.outcome.inserted or entry.outcome.updated or entry.outcome.deleted
    }
    # A comparison lands only what differs, of versions that the table has already.
    new |= {flow.object for flow in report.beside if flow.landed}
    rows = [row for row in report.ledger if row.object in new or row.set_aside or not row.balanced]
    order = {name: number for number, name in enumerate(names)}
    return sorted(rows, key=lambda row: (order.get(row.object, len(order)), row.object, row.mode))


def _all_well(report: RunReport, shown: int) -> str:
    rest = len(report.ledger) - shown
    if not report.ledger:
        return "Everything is up to date."
    if not shown:
        return f"Nothing is new: all {rest:,} ledger rows balance."
    more = f" {rest:,} more ledger rows balance, of objects without changes." if rest else ""
    return f"Everything that was reported has arrived.{more}"
