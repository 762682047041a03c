"""`seil reconcile`: what no window shows, compared now."""

from __future__ import annotations

from typing import Annotated

import typer

from seil.app import steps
from seil.cli import arguments, run_report
from seil.cli.context import opened, shown_progress
from seil.cli.frame import UNBALANCED, Call, command


def register(app: typer.Typer) -> None:
    command(app, narrated=True)(reconcile)


def reconcile(
    call: Call,
    objects: arguments.ObjectArguments = None,
    *,
    deletions: Annotated[
        bool, typer.Option("--deletions", help="Read the org's lists of deletions.")
    ] = False,
    ids: Annotated[
        bool, typer.Option("--ids", help="Compare all Ids of the org with the warehouse.")
    ] = False,
    formulas: Annotated[
        bool, typer.Option("--formulas", help="Compare the calculated fields of all records.")
    ] = False,
    believe: Annotated[
        list[str] | None,
        typer.Option(
            "--believe",
            metavar="OBJECT",
            help="Mark the records of this object that are gone as deleted, however many they are.",
        ),
    ] = None,
) -> int:
    """Compare the org with the warehouse now, whatever is due; all three ways if none is named."""
    flags: dict[steps.ComparisonName, bool] = {
        "deletions": deletions,
        "ids": ids,
        "formulas": formulas,
    }
    kinds = [kind for kind, is_wanted in flags.items() if is_wanted] or steps.COMPARISONS
    with opened(call) as site:
        with shown_progress(call) as progress:
            report = steps.reconcile(
                site, objects or (), kinds=kinds, believe=believe or (), progress=progress
            )
        run_report.show_run(call, report, list(site.catalog))
    return 0 if report.ok else UNBALANCED
