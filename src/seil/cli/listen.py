"""`seil listen`: files as they land, into the tables."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from seil.app.site import Site
from seil.cli import arguments, output
from seil.cli.context import opened
from seil.cli.frame import UNBALANCED, Call, command

if TYPE_CHECKING:
    from seil.sf_to_dw.handlers import StepOutcome
    from seil.sf_to_dw.listen import FileListener


def register(app: typer.Typer) -> None:
    command(app)(listen)


def listen(
    call: Call,
    *,
    sweep: Annotated[
        str, typer.Option(help="How often to look for files that other tools put into in/.")
    ] = "10s",
    once: Annotated[bool, typer.Option("--once", help="Process waiting files, then end.")] = False,
) -> int:
    """Ingest files as they land, load and build: on events instead of the clock."""
    interval = arguments.interval(sweep)
    with opened(call) as site:
        listener = _listener(call, site)
        if once:
            return 0 if listener.drain() else UNBALANCED
        if not (call.json or call.quiet):
            where = site.lake.landing.uri("in/")
            output.line(f"Listens for files in {where}; Ctrl-C ends it.")
            sys.stdout.flush()
        listener.listen(interval)
    return 0


def _listener(call: Call, site: Site) -> FileListener:
    from seil.app import handlers
    from seil.app.documents.listen import ListenDocument

    def report(outcome: StepOutcome) -> None:
        if call.json:
            call.answer_line(ListenDocument.of(outcome))
        elif not call.quiet or not outcome.ok:
            parts = (outcome.step, outcome.state, outcome.about, outcome.message)
            line = "  ".join(output.text(part) for part in (outcome.at, *parts) if part)
            output.line(line, style="" if outcome.ok else "red")
            sys.stdout.flush()

    return handlers.listener(site, report)
