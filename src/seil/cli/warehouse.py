"""`seil warehouse upkeep`: what the warehouse's growth needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from seil.app import upkeep as upkeeps
from seil.cli import output
from seil.cli.context import opened, shown_progress
from seil.cli.frame import UNBALANCED, Call, command, group

if TYPE_CHECKING:
    from seil.warehouse.upkeep import UpkeepPlan


def register(root: typer.Typer) -> None:
    app = group("Look after the warehouse.")
    command(app, narrated=True)(upkeep)
    root.add_typer(app, name="warehouse")


def upkeep(
    call: Call,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be done, and change nothing.")
    ] = False,
) -> int:
    """Give the space of deleted rows back. `seil run --every` and `seil start` do it when due."""
    with opened(call) as site:
        if dry_run:
            return _answer_plans(call, upkeeps.plan_upkeep(site))
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


def _answer_plans(call: Call, plans: Sequence[UpkeepPlan]) -> int:
    if call.json:
        from seil.app.documents.upkeep import UpkeepPlanDocument

        call.answer(UpkeepPlanDocument(plans))
        return 0
    for plan in plans:
        output.line(upkeeps.outlook(plan))
    if not plans:
        output.line("Nothing to do.")
    return 0
