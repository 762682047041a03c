"""`seil outcomes`."""

from __future__ import annotations

from typing import Annotated

import typer

from seil.app.outcomes import FINE, list_outcomes
from seil.cli import output
from seil.cli.context import opened
from seil.cli.frame import Call, command


def register(root: typer.Typer) -> None:
    command(root)(outcomes)


def outcomes(
    call: Call,
    *,
    flow: Annotated[str, typer.Option(help="Only of this flow: push:NAME.")] = "",
    run: Annotated[str, typer.Option(help="Only of this run.")] = "",
    name: Annotated[str, typer.Option("--object", help="Only of this object.")] = "",
    key: Annotated[str, typer.Option(help="Only of the record with this key.")] = "",
    state: Annotated[
        str, typer.Option(help="Only in this state: written, rejected, missing, retrying ...")
    ] = "",
    code: Annotated[
        str, typer.Option(help="Only with this error code, such as CHANGED_SINCE.")
    ] = "",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="Outcomes to show.")] = 50,
) -> None:
    """List the outcomes of writes into Salesforce, newest first."""
    where = {"flow": flow, "run_id": run, "object": name, "key": key, "state": state, "code": code}
    with opened(call) as site:
        page = list_outcomes(site, limit=limit, **where)
    if call.json:
        from seil.app.documents.pushes import OutcomesDocument

        call.answer(OutcomesDocument(page.states, page.outcomes))
    elif not page.outcomes:
        output.line("No outcomes.")
    else:
        output.line(", ".join(f"{count:,} {name}" for name, count in page.states.items()))
        columns = ("changed at", "flow", "object", "key", "operation", "state", "try", "reason")
        output.table(
            columns,
            [
                (
                    *(row.changed_at, row.flow, row.object, row.key, row.operation),
                    row.state if row.state in FINE else output.Bad(row.state),
                    *(row.attempts, f"{row.code} {row.reason}".strip()),
                )
                for row in page.outcomes
            ],
        )
