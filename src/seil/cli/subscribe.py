"""`seil subscribe`: the tables follow Salesforce's events."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from seil.cli import output
from seil.cli.context import opened
from seil.cli.frame import Call, command

if TYPE_CHECKING:
    from seil.sf_to_dw.subscriber import BatchOutcome


def register(app: typer.Typer) -> None:
    command(app)(subscribe)


def subscribe(call: Call) -> None:
    """Read records as Salesforce's events name them, load and build: seconds after a change."""
    from seil.app.subscribe import subscriber

    with opened(call) as site:
        subscribed = subscriber(site, lambda outcome: _report(call, outcome))
        if not (call.json or call.quiet):
            output.line(f"Subscribes to {', '.join(subscribed.topics)}; Ctrl-C ends it.")
            sys.stdout.flush()
        subscribed.run()


def _report(call: Call, outcome: BatchOutcome) -> None:
    from seil.app.documents.subscribe import SubscribeDocument

    if call.json:
        call.answer_line(SubscribeDocument.of(outcome))
    elif not call.quiet or outcome.problem:
        what = (
            f"gap closed: {', '.join(outcome.gaps)}"
            if outcome.gaps
            else f"{outcome.events:,} events"
        )
        parts = (outcome.at, what, f"{outcome.rows:,} rows", ", ".join(outcome.objects))
        line = "  ".join(output.text(part) for part in (*parts, outcome.problem) if part)
        output.line(line, style="red" if outcome.problem else "")
        sys.stdout.flush()
