"""`seil outcomes`: listed, exported, and sent again."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seil.app.outcomes import FINE, export_outcomes, list_outcomes, retry_outcomes
from seil.cli import output
from seil.cli.context import opened, shown_progress
from seil.cli.frame import UNBALANCED, Call, command, default_command, group

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from seil.app.outcomes import FlowRetry, OutcomePage

_outcomes = group("List the outcomes of writes into Salesforce; send rows again.", has_default=True)

FlowOption = Annotated[
    str, typer.Option(help="Only of this flow: push:NAME, gam_to_sf or sf_to_t1.")
]
RunIdOption = Annotated[str, typer.Option("--run", help="Only of this run.")]
ObjectNameOption = Annotated[str, typer.Option("--object", help="Only of this object.")]
KeyOption = Annotated[str, typer.Option(help="Only of the record with this key.")]
StateOption = Annotated[
    str, typer.Option(help="Only in this state: written, rejected, missing, retrying ...")
]
CodeOption = Annotated[str, typer.Option(help="Only with this error code, such as CHANGED_SINCE.")]


def register(root: typer.Typer) -> None:
    command(_outcomes)(retry)
    root.add_typer(_outcomes, name="outcomes")


@default_command(_outcomes)
def outcomes(
    call: Call,
    *,
    flow: FlowOption = "",
    run_id: RunIdOption = "",
    name: ObjectNameOption = "",
    key: KeyOption = "",
    state: StateOption = "",
    code: CodeOption = "",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Outcomes to show.")] = 50,
    to: Annotated[
        Path | None,
        typer.Option("--output", help="Write all to this .parquet, .csv or .jsonl file instead."),
    ] = None,
) -> None:
    """List the outcomes of writes into Salesforce, newest first, or export them."""
    where = {
        "flow": flow,
        "run_id": run_id,
        "object": name,
        "key": key,
        "state": state,
        "code": code,
    }
    if to is not None:
        _export(call, to, where)
        return
    with opened(call) as site:
        page = list_outcomes(site, limit=limit, **where)
    if call.json:
        from seil.app.documents.pushes import OutcomesDocument

        call.answer(OutcomesDocument(page.states, page.outcomes))
    else:
        _show(page)


def retry(
    call: Call,
    *,
    flow: FlowOption = "",
    run_id: RunIdOption = "",
    name: ObjectNameOption = "",
    key: KeyOption = "",
    state: StateOption = "",
    code: CodeOption = "",
) -> int:
    """Send rows again that were rejected, missing or retrying. Exit code 1 if some still are.

    Records that changed in the org since their plan are not written: those need a new plan.
    """
    where = {
        "flow": flow,
        "run_id": run_id,
        "object": name,
        "key": key,
        "state": state,
        "code": code,
    }
    with opened(call) as site, shown_progress(call) as progress:
        retries = retry_outcomes(site, progress=progress, **where)
    code_ = 0 if all(retry.ok for retry in retries) else UNBALANCED
    if call.json:
        from seil.app.documents.pushes import OutcomesRetryDocument

        call.answer(OutcomesRetryDocument(retries), problem="some rows were not written")
    elif retries:
        _show_retries(retries)
    else:
        output.line("No rows to send again.")
    return code_


def _export(call: Call, file: Path, where: Mapping[str, str]) -> None:
    with opened(call) as site:
        written = export_outcomes(site, file, **where)
    if call.json:
        from seil.app.documents.pushes import OutcomesFileDocument

        call.answer(OutcomesFileDocument(str(written.file), written.rows))
    else:
        output.line(f"{written.rows:,} outcomes in {written.file}")


def _show(page: OutcomePage) -> None:
    if not page.outcomes:
        output.line("No outcomes.")
        return
    output.line(", ".join(f"{count:,} {name}" for name, count in page.states.items()))
    columns = ("changed at", "flow", "object", "key", "operation", "state", "try", "reason")
    rows = [
        (
            *(row.changed_at, row.flow, row.object, row.key, row.operation),
            row.state if row.state in FINE else output.Bad(row.state),
            *(row.attempts, f"{row.code} {row.reason}".strip()),
        )
        for row in page.outcomes
    ]
    output.table(columns, rows)


def _show_retries(retries: Sequence[FlowRetry]) -> None:
    rows = []
    for entry in retries:
        states = ", ".join(f"{count:,} {name}" for name, count in sorted(entry.states.items()))
        rows.append(
            (entry.flow, entry.run_id, states if entry.ok else output.Bad(states), entry.note)
        )
    output.table(("flow", "run", "records", "note"), rows)
