"""`seil reconcile`: what no window shows, compared now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from seil.cli import arguments, run_report
from seil.cli.context import opened, recorded_run, shown_progress
from seil.cli.frame import UNBALANCED, Call, command

if TYPE_CHECKING:
    from seil.sf_to_dw.compare.reconcile import ComparisonKind


def register(app: typer.Typer) -> None:
    command(app, narrated=True)(reconcile)


def reconcile(
    call: Call,
    objects: arguments.Objects = None,
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
    asked: dict[ComparisonKind, bool] = {"deletions": deletions, "ids": ids, "formulas": formulas}
    kinds = [kind for kind, wanted in asked.items() if wanted] or list(asked)
    with opened(call) as site:
        chosen = site.catalog.select(objects or ())
        believed = {obj.api_name for obj in site.catalog.select(believe)} if believe else set()
        with (
            recorded_run(site, "reconcile") as results,
            shown_progress(call) as shown,
        ):
            progress = results.progress(shown)
            report = site.pipeline.reconcile(chosen, kinds, believe=believed, progress=progress)
            results.ran(report)
        run_report.ran(call, report, site.catalog.display_names)
    return 0 if report.ok else UNBALANCED
