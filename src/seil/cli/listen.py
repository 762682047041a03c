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
    from seil.sf_to_dw.listen import Listener, Told


def register(app: typer.Typer) -> None:
    command(app)(listen)


def listen(
    call: Call,
    *,
    sweep: Annotated[
        str, typer.Option(help="How often to look for files that other tools put into in/.")
    ] = "10s",
    once: Annotated[bool, typer.Option("--once", help="Do what is to be done, then end.")] = False,
) -> int:
    """Take in files as they land, load and build what came: on events instead of on the clock."""
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


def _listener(call: Call, site: Site) -> Listener:
    from seil.sf_to_dw.listen import Listener

    def tell(told: Told) -> None:
        if call.json:
            call.answer_line("seil.listen/1", dict(vars(told)))
        elif not call.quiet or not told.ok:
            parts = (told.step, told.state, told.about, told.message)
            line = "  ".join(output.text(part) for part in (told.at, *parts) if part)
            output.line(line, style="" if told.ok else "red")
            sys.stdout.flush()

    return Listener(
        lake=site.lake,
        catalog=site.catalog,
        journal=site.journal,
        state=site.state,
        ingestor=site.ingestor,
        open_warehouse=site.warehouse,
        publish=site.publish,
        models=site.models,
        workers=site.settings.ingest.workers,
        keep=site.settings.events.keep,
        tell=tell,
    )
