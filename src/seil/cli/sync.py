"""`seil sync`: the ways back, a command a flow."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from seil.app import syncs
from seil.app.schedule import Repetition
from seil.cli import arguments, output, sync_billing
from seil.cli.context import announcement, opened, shown_progress
from seil.cli.frame import UNBALANCED, Call, command, group

if TYPE_CHECKING:
    from collections.abc import Collection

    from seil.app.site import Site
    from seil.app.syncs import GamToSfResult
    from seil.gam_to_sf.results import Gap, StepResult

_LABEL = 17

Every = Annotated[str, typer.Option(help="Again and again: 20s, 10m, 1h.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show what would be written.")]


def register(root: typer.Typer) -> None:
    app = group("Bring other systems' data into Salesforce, and Salesforce's into them.")
    command(app, narrated=True)(gam_to_sf)
    sync_billing.register(app)
    root.add_typer(app, name="sync")


def gam_to_sf(
    call: Call,
    *,
    every: Every = "",
    dry_run: DryRunOption = False,
    inventory: Annotated[
        bool, typer.Option("--inventory", help="Read ad units and placements now, not once a day.")
    ] = False,
) -> int:
    """Write Ad Manager's statuses and delivery into Salesforce. Exit code 1 if a step failed.

    Proposals, orders, line items, delivery of yesterday and today: each step runs even when an
    earlier one failed, and writes only what differs. Once a day the network's ad units and
    placements become tables of the warehouse.
    """
    if every:
        repeated = partial(_repeated, call, dry_run=dry_run, inventory=inventory)
        interval = arguments.interval(every)
        Repetition(interval, partial(opened, call), repeated, announcement(call)).repeat()
        return 0
    with opened(call) as site:
        return _gam_to_sf_once(call, site, dry_run=dry_run, inventory=inventory)


def _repeated(call: Call, site: Site, **options: bool) -> None:
    call.release(_gam_to_sf_once(call, site, **options))


def _gam_to_sf_once(call: Call, site: Site, **options: bool) -> int:
    with shown_progress(call) as progress:
        result = syncs.sync_gam_to_sf(site, progress=progress, **options)
    failed = [f"{step.name}: {step.problem}" for step in result.steps if not step.ok]
    if call.json:
        from seil.app.documents.syncs import GamToSfDocument

        hint = f"See `seil outcomes --run {result.run_id}`"
        call.answer(GamToSfDocument.of(result), problem="; ".join(failed), hint=hint)
    else:
        _show(result, in_full=call.verbose or result.dry_run)
    return UNBALANCED if failed else 0


def _show(result: GamToSfResult, *, in_full: bool) -> None:
    written = "dry run" if result.dry_run else "written"
    columns = ("step", "read", "left out", "differing", written, "failed")
    output.table(columns, [_row(step, dry_run=result.dry_run) for step in result.steps])
    for step in result.steps:
        _show_left_out(step, set(step.gaps) if in_full else step.new_gaps)
        _show_differing(step, dry_run=result.dry_run)
    if not in_full and any(set(step.gaps) - step.new_gaps for step in result.steps):
        output.line("The same was left out as before; `--verbose` lists it.")
    calls = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in result.calls.items())
    output.line(f"Run {result.run_id}; calls: {calls}")


def _row(step: StepResult, *, dry_run: bool) -> tuple[object, ...]:
    written = None if dry_run else step.states["written"]
    failed = output.Bad(step.problem) if not step.ok else ""
    left_out = sum(sample.count for sample in step.gaps.values())
    return (step.name, step.read, left_out, step.differing, written, failed)


def _show_left_out(step: StepResult, gaps: Collection[Gap]) -> None:
    for gap, sample in step.gaps.items():
        if gap not in gaps:
            continue
        more = " ..." if sample.count > len(sample.first) else ""
        text = f"{sample.count:,} {gap.replace('_', ' ')}: {', '.join(sample.first)}{more}"
        output.paragraph(text, label=step.name, width=_LABEL)


def _show_differing(step: StepResult, *, dry_run: bool) -> None:
    if step.note:
        output.paragraph(step.note, label=step.name, width=_LABEL)
    if dry_run and step.changes:
        columns = (step.object, "field", "old", "new")
        output.table(columns, [(c.record_id, c.field, c.old, c.new) for c in step.changes])
    if step.refused:
        rows = [(o.key, output.Bad(o.state), o.code, o.reason) for o in step.refused]
        output.table((step.object, "state", "code", "reason"), rows)
