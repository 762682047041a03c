"""`seil status`: in step or not, since when, why, and what to do."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seil.app.status import (
    EVERY_STATE,
    NEEDING_ATTENTION,
    FileCount,
    count_files,
    site_status,
)
from seil.app.verdict import ago
from seil.cli import arguments, output, reports
from seil.cli.context import opened
from seil.cli.frame import PERSON_NEEDED, Call, command
from seil.sizes import size

if TYPE_CHECKING:
    from seil.app.status import FlowStatus, SiteStatus


def register(app: typer.Typer) -> None:
    command(app)(status)


def status(
    call: Call,
    objects: arguments.ObjectArguments = None,
    *,
    all_: Annotated[
        bool, typer.Option("--all", "-a", help="Every flow, all files, every ledger row, too.")
    ] = False,
) -> int:
    """Say whether all is in step, since when not, why, and what to do.

    Exit code 0: nobody has to do anything, in step or behind; 6: somebody has to.
    """
    with opened(call) as site:
        standing = site_status(
            site, objects or (), states=EVERY_STATE if all_ else NEEDING_ATTENTION
        )
    verdict = standing.verdict
    if call.json:
        from seil.app.documents.site import StatusDocument

        answer = StatusDocument.of(standing)
        call.answer(answer, problem=verdict.sentence, hint=verdict.next)
    else:
        _print(standing, every=all_ or bool(objects))
    return PERSON_NEEDED if verdict.needs_person else 0


def _print(standing: SiteStatus, *, every: bool) -> None:
    styles = {"broken": "red", "behind": "yellow"}
    output.line(standing.verdict.sentence, style=styles.get(standing.verdict.state, ""))
    for finding in standing.verdict.findings:
        since = f" since {output.text(finding.since)}" if finding.since else ""
        output.line(
            f"  {finding.kind}{since}: {finding.text}",
            style="red" if finding.needs_person else "",
        )
        output.line(f"    -> {finding.next}")
    for run in standing.under_way:
        if run.is_alive:
            begun = ago(run.started_at, datetime.now(UTC))
            output.line(f"  under way: `seil {run.command}`, begun {begun}, process {run.pid}")
    if every:
        _print_all(standing)
    else:
        _print_short(standing)
    output.age(standing.ledger.as_of)


def _print_short(standing: SiteStatus) -> None:
    healthy = [flow for flow in standing.flows if flow.committed and not flow.late]
    reached = [flow.committed for flow in healthy if flow.committed]
    if reached and standing.verdict.state != "in step":
        until = f"{output.text(min(reached))} or later"
        output.line(f"{len(healthy):,} of {len(standing.flows):,} flows are read until {until}.")
    if standing.ledger.problem:
        output.line(f"Ledger: {standing.ledger.problem}")
    elif off := [row for row in standing.ledger.rows if not row.balanced]:
        reports.show_ledger_rows(off)
    elif standing.ledger.rows:
        output.line(f"Ledger: the last run of {len(standing.ledger.rows):,} flows balances.")
    if reached:
        output.line("`seil status --all` shows every flow, the files and the ledger.")


def _print_all(standing: SiteStatus) -> None:
    output.line()
    output.table(
        ("object", "mode", "read until", "lag", "now"),
        [
            (
                flow.object,
                flow.mode,
                flow.committed,
                output.Bad(flow.lag) if flow.late else flow.lag,
                _now(flow),
            )
            for flow in standing.flows
        ],
    )
    output.line()
    counts = [(state, count_files(files)) for state, files in standing.files.items()]
    output.table(
        ("files", "count", "size"),
        [(_state(state, count), count.files, size(count.bytes)) for state, count in counts],
    )
    output.line()
    if standing.ledger.problem:
        output.line(f"Ledger: {standing.ledger.problem}")
    else:
        reports.show_ledger_rows(standing.ledger.rows)


def _state(state: str, count: FileCount) -> Any:
    return output.Bad(state) if state == "error" and count.files else state


def _now(flow: FlowStatus) -> str:
    if flow.running_pages is not None:
        return f"{flow.running_pages:,} pages landed, not committed"
    return "never run" if flow.committed is None else ""
