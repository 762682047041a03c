"""`seil move`: the site to another warehouse."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from seil.cli import output
from seil.cli.context import opened, shown_progress
from seil.cli.frame import UNBALANCED, Call, command

if TYPE_CHECKING:
    from seil.app.move import MoveResult
    from seil.sf_to_dw.move import MovePlan


def register(app: typer.Typer) -> None:
    command(app, narrated=True)(move)


def move(
    call: Call,
    url: Annotated[
        str,
        typer.Argument(help="The new warehouse, as `url` in [warehouse] would have it."),
    ],
    *,
    switch: Annotated[
        bool, typer.Option("--switch", help="Write the URL into seil.toml once both are equal.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be moved, and what would not.")
    ] = False,
) -> int:
    """Fill another warehouse from the curated files, and prove it equal to the site's.

    Runs go on meanwhile, until the last files are loaded and both are compared. Without --switch
    the command ends with the line to change. The old warehouse stays as it is.
    """
    from seil.app import move as moves

    with opened(call) as site:
        if dry_run:
            plan = moves.plan_move(site, url, config=call.config, switch=switch)
            return _answer_plan(call, plan)
        with shown_progress(call) as progress:
            result = moves.move(site, url, config=call.config, switch=switch, progress=progress)
        if call.json:
            from seil.app.documents.move import MoveDocument

            call.answer(MoveDocument.of(result))
        else:
            _show(result)
        return 0 if result.ok else UNBALANCED


def _answer_plan(call: Call, plan: MovePlan) -> int:
    if call.json:
        from seil.app.documents.move import MovePlanDocument

        call.answer(MovePlanDocument.of(plan))
        return 0
    if plan.is_current:
        _show_nothing_to_do(plan)
        return 0
    begun = ", which an earlier move has begun to fill" if plan.is_begun else ""
    output.line(f"From {plan.source} to {plan.target}{begun}:")
    output.line(f"  {plan.files:,} curated files, {len(plan.tables):,} tables to compare")
    _show_left_behind(plan)
    return 0


def _show_left_behind(plan: MovePlan) -> None:
    for name in plan.left_behind:
        output.line(f"  stays behind: {name}")


def _show_nothing_to_do(plan: MovePlan) -> None:
    output.line(f"{plan.target} is the site's warehouse already: nothing to do.")


def _show(result: MoveResult) -> None:
    report = result.report
    if report.plan.is_current:
        _show_nothing_to_do(report.plan)
        return
    _show_left_behind(report.plan)
    for reason in (*report.refused, result.publish_problem):
        if reason:
            output.line(f"  {reason}", style="red")
    if not report.is_equal:
        output.line("The warehouses differ: the site stays where it is.")
        return
    output.line(f"Equal: {report.rows:,} rows of {len(report.compared):,} tables.")
    if result.is_switched:
        output.line(f"{result.setting} names {report.plan.target} now.")
        output.line(f"{report.plan.source} stays as it is; nothing of SEIL reads it any more.")
    else:
        output.line(f"To switch, write at {result.setting}:")
        output.line(f"  {result.line}")
