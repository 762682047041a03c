"""`seil warehouse upkeep`: what the warehouse's growth needs."""

from __future__ import annotations

import typer

from seil.app import upkeep as upkeeps
from seil.cli import output
from seil.cli.context import opened, shown_progress
from seil.cli.frame import UNBALANCED, Call, command, group


def register(root: typer.Typer) -> None:
    app = group("Look after the warehouse.")
    command(app, narrated=True)(upkeep)
    root.add_typer(app, name="warehouse")


def upkeep(call: Call) -> int:
    """Give the space of deleted rows back. `seil run --every` and `seil start` do it when due."""
    with opened(call) as site:
        with shown_progress(call) as progress:
            report = upkeeps.upkeep(site, progress=progress)
        if call.json:
            from seil.app.documents.upkeep import WarehouseUpkeepDocument

            call.answer(WarehouseUpkeepDocument.of(report))
        else:
            for result in report.results:
                output.line(upkeeps.summary(result))
            if not report.results:
                output.line("Nothing to do.")
            if report.publication.problem:
                output.line(f"  {report.publication.problem}", style="red")
    return 0 if report.publication.ok else UNBALANCED
