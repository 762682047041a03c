"""`seil push plan`, `apply`, `undo`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from seil.app import pushes
from seil.cli import output
from seil.cli.context import opened, shown_progress
from seil.cli.frame import UNBALANCED, Call, command, group

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seil.app.pushes import PlannedValue, PushResult
    from seil.dw_to_sf.plan import Plan

_LABEL = 9

PushName = Annotated[str, typer.Argument(help="A push: the name of its file in [push] folder.")]


def register(root: typer.Typer) -> None:
    app = group("Write the result of a warehouse query into Salesforce: plan, apply, undo.")
    command(app)(plan)
    command(app)(apply)
    command(app)(undo)
    root.add_typer(app, name="push")


def plan(
    call: Call,
    name: PushName,
    *,
    limit: Annotated[int, typer.Option("--limit", "-n", min=0, help="Values to show.")] = 20,
) -> None:
    """Compare the query with the org's mirror and store the differences as a plan."""
    with opened(call) as site, shown_progress(call) as progress:
        new_plan = pushes.plan_push(site, name, progress=progress)
        values = pushes.planned_values(new_plan, limit=limit)
    if call.json:
        from seil.app.documents.pushes import PushPlanDocument

        call.answer(PushPlanDocument.of(new_plan, values))
    else:
        show_plan(new_plan, values)
        if new_plan.writes:
            output.line(f"Apply it: `seil push apply {name} {new_plan.hash}`")


def apply(
    call: Call,
    name: PushName,
    plan_hash: Annotated[str, typer.Argument(metavar="PLAN", help="The plan's hash.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Apply even above the brakes.")] = False,
) -> int:
    """Write a plan into the org. Exit code 1 if a record was not written.

    Records that changed in the org since the plan are not written.
    """
    with opened(call) as site:
        _confirm(pushes.stored_plan(site, name, plan_hash), yes=yes)
        with shown_progress(call) as progress:
            result = pushes.apply_push(site, name, plan_hash, progress=progress)
    return _show_result(call, name, result)


def undo(
    call: Call,
    name: PushName,
    run_id: Annotated[str, typer.Argument(metavar="RUN", help="The run that applied the plan.")],
) -> int:
    """Restore the values that a run replaced. Exit code 1 if a record changed since."""
    with opened(call) as site, shown_progress(call) as progress:
        result = pushes.undo_push(site, name, run_id, progress=progress)
    return _show_result(call, name, result)


def _confirm(plan: Plan, *, yes: bool) -> None:
    reasons = plan.over_the_brakes
    if not reasons or yes:
        return
    question = f"Above the brakes: {'; '.join(reasons)}."
    if not sys.stdin.isatty():
        raise typer.BadParameter(f"{question} Give --yes to apply it anyway")
    typer.confirm(f"{question} Apply it?", abort=True)


def show_plan(plan: Plan, values: Sequence[PlannedValue]) -> None:
    counts = plan.counts
    batches = "1 batch" if plan.batches == 1 else f"{plan.batches:,} batches"
    output.line(f"Plan {plan.hash} of push {plan.definition.name}")
    facts = {
        "object": f"{plan.definition.object}, {plan.definition.operation}",
        "records": f"{counts.records:,}: {counts.same:,} same, {counts.changed:,} to change, "
        f"{counts.new:,} new, {counts.missing:,} not in the mirror, {counts.refused:,} refused, "
        f"{counts.held:,} held back",
        "values": ", ".join(f"{count:,} {name}" for name, count in counts.fields.items()),
        "cost": f"{plan.calls:,} API calls, {batches}",
        "brakes": "; ".join(plan.over_the_brakes),
    }
    for label, text in facts.items():
        if text:
            output.paragraph(text, label=label, width=_LABEL)
    if values:
        output.line()
        columns = ("key", "field", "old", "new", "verdict", "written")
        output.table(columns, [_value(value) for value in values])
    if more := sum(counts.fields.values()) - len(values):
        output.line(f"{more:,} more, in {plan.path}" if values else f"All values: {plan.path}")


def _value(value: PlannedValue) -> tuple[object, ...]:
    written = "yes" if value.write else output.Bad(value.problem or "no")
    return (value.key, value.field, value.old, value.new, value.verdict, written)


def _show_result(call: Call, name: str, result: PushResult) -> int:
    problem = f"push {name}: some records were not written"
    if call.json:
        from seil.app.documents.pushes import PushDocument

        hint = f"See `seil outcomes --run {result.run_id}`"
        call.answer(PushDocument.of(name, result), problem=problem, hint=hint)
        return 0 if result.ok else UNBALANCED
    states = ", ".join(f"{count:,} {state}" for state, count in sorted(result.states.items()))
    output.line(f"Run {result.run_id}: {states or 'nothing to write'}")
    if result.refused:
        columns = ("key", "state", "code", "reason")
        rows = [(o.key, output.Bad(o.state), o.code, o.reason) for o in result.refused]
        output.table(columns, rows)
    if result.states["written"] and result.plan:
        output.line(f"Undo it: `seil push undo {name} {result.run_id}`")
    return 0 if result.ok else UNBALANCED
