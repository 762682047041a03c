"""`seil plan`, `run`, `extract`, `ingest`, `load`, `build`: the pipeline and its steps."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from seil.app import steps
from seil.app.schedule import DueObjects, Repetition
from seil.app.site import Site
from seil.app.upkeep import upkeep_if_due
from seil.cli import arguments, output, reports, run_report
from seil.cli.context import announcement, opened, shown_progress
from seil.cli.frame import UNBALANCED, Call, command

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import timedelta

    from seil.warehouse.readers import Publication

Full = Annotated[bool, typer.Option("--full", help="Read everything again, whatever was read.")]


def register(app: typer.Typer) -> None:
    command(app)(plan)
    for step in (run, extract, load, build):
        command(app, narrated=True)(step)


def plan(call: Call, objects: arguments.ObjectArguments = None, *, full: Full = False) -> int:
    """Show what a run would read, and what it would cost. Exit code 1 if it exceeds the quota."""
    with opened(call) as site:
        cost = steps.plan(site, objects or (), full=full)
        reports.show_plan(call, cost)
    return 0 if cost.fits and not any(entry.problem for entry in cost.objects) else UNBALANCED


def run(
    call: Call,
    objects: arguments.ObjectArguments = None,
    *,
    full: Full = False,
    every: Annotated[
        str,
        typer.Option(
            help="Repeat: 20s, 10m, 1h. An object with a schedule of its own waits for it."
        ),
    ] = "",
) -> int:
    """Extract what changed, ingest it, load it and build the tables: all steps."""
    interval = arguments.interval(every) if every else None
    if interval:
        _run_every(call, objects or (), interval, full=full)
        return 0
    with opened(call) as site:
        return _run_once(call, site, objects or (), full=full)


def extract(call: Call, objects: arguments.ObjectArguments = None, *, full: Full = False) -> int:
    """Read what changed from Salesforce into the landing zone."""
    with opened(call) as site:
        with shown_progress(call) as progress:
            report = steps.extract(site, objects or (), full=full, progress=progress)
        reports.show_extract(call, report)
    return UNBALANCED if report.failed else 0


def load(
    call: Call,
    objects: arguments.ObjectArguments = None,
    *,
    as_text: Annotated[
        list[str] | None,
        typer.Option(
            "--as-text",
            help="A column, as table.column, that may become text where a value does not fit.",
        ),
    ] = None,
    everything: Annotated[
        bool,
        typer.Option(
            "--all", help="Look through all of curated, as the first load of each day does."
        ),
    ] = False,
) -> int:
    """Merge curated files into the warehouse's current records."""
    with opened(call) as site:
        with shown_progress(call) as progress:
            report, copy = steps.load(
                site,
                objects or (),
                as_text=as_text or (),
                everything=everything,
                progress=progress,
            )
        reports.show_load(call, report)
        _show_copy(call, copy)
    return 0 if report.ok and copy.ok else UNBALANCED


def build(
    call: Call,
    tables: Annotated[list[str] | None, typer.Argument(help="Tables; default: all.")] = None,
    *,
    full: Annotated[
        bool, typer.Option("--full", help="Every row, not only those that changes reach.")
    ] = False,
    explained: Annotated[
        bool, typer.Option("--explain", help="Say what would be built and why; build nothing.")
    ] = False,
    without_removed: Annotated[
        bool, typer.Option("--drop-removed", help="Drop the tables whose model is gone.")
    ] = False,
) -> int:
    """Bring the tables up to date with the current records, and test them."""
    with opened(call) as site:
        if explained:
            reports.show_build_plan(call, steps.explain(site, tables or (), full=full))
            return 0
        with shown_progress(call) as progress:
            report, copy = steps.build(
                site,
                tables or (),
                full=full,
                without_removed=without_removed,
                progress=progress,
            )
        reports.show_build(call, report)
        _show_copy(call, copy)
    return 0 if report.ok and copy.ok else UNBALANCED


def _show_copy(call: Call, copy: Publication) -> None:
    """As logged where the answer is JSON."""
    if copy.problem and not call.json:
        output.line(f"  {copy.problem}", style="red")


def _run_once(call: Call, site: Site, names: Sequence[str], *, full: bool) -> int:
    with shown_progress(call) as progress:
        report = steps.run(site, names, full=full, progress=progress)
    run_report.show_run(call, report, list(site.catalog))
    return 0 if report.ok else UNBALANCED


def _run_every(call: Call, names: Sequence[str], interval: timedelta, *, full: bool) -> None:
    def run_due(site: Site, names: Sequence[str], *, full: bool) -> None:
        call.release(_run_once(call, site, names, full=full))
        with shown_progress(call) as progress:
            upkeep_if_due(site, progress=progress)

    due = DueObjects(run_due, interval, names, full)
    Repetition(interval, partial(opened, call), due, announcement(call)).repeat()
