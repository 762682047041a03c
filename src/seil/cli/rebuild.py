"""`seil rebuild`: the warehouse again, from the lake alone."""

from __future__ import annotations

from typing import Annotated

import typer

from seil.app import steps
from seil.cli import output, reports
from seil.cli.context import opened, shown_progress
from seil.cli.frame import UNBALANCED, Call, command


def register(app: typer.Typer) -> None:
    command(app, narrated=True)(rebuild)


def rebuild(
    call: Call,
    *,
    anyway: Annotated[
        bool,
        typer.Option("--anyway", help="Put it in place even if it lacks what the old one has."),
    ] = False,
) -> int:
    """Rebuild the warehouse from the curated files; the old one stays until it is complete."""
    with opened(call) as site:
        with shown_progress(call) as progress:
            report = steps.rebuild(site, anyway=anyway, progress=progress)
        if call.json:
            from seil.app.documents.steps import RebuildDocument

            problems = filter(None, (*report.refused, report.publish_problem))
            call.answer(RebuildDocument.of(report), problem="; ".join(problems))
        else:
            if report.load.files:
                reports.show_load(call, report.load)
                reports.show_build(call, report.build)
            for name in report.copied:
                output.line(f"  kept: {name}")
            for reason in report.removed_objects:
                output.line(f"  left out: {reason}")
            for reason in (*report.refused, report.publish_problem):
                if reason:
                    output.line(f"  {reason}", style="red")
            output.line(
                "The new warehouse is in place."
                if report.is_replaced
                else "The old warehouse stays: the new one lacks what it has (--anyway takes it)."
            )
    return 0 if report.ok else UNBALANCED
