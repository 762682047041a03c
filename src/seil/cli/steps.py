"""`seil plan`, `run`, `extract`, `ingest`, `load`, `build`: the way of the data, and its steps."""

from __future__ import annotations

import logging
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from seil.app import wording
from seil.app.site import Site
from seil.cli import arguments, output, reports, run_report
from seil.cli.context import opened, recorded_run, shown_progress
from seil.cli.frame import UNBALANCED, Call, command
from seil.errors import ConfigurationError, LoginError, SeilError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seil.catalog import SyncedObject
    from seil.warehouse.readers import Publication

logger = logging.getLogger(__name__)

Full = Annotated[bool, typer.Option("--full", help="Read everything again, whatever was read.")]


def register(app: typer.Typer) -> None:
    command(app)(plan)
    for step in (run, extract, load, build):
        command(app, narrated=True)(step)


def plan(call: Call, objects: arguments.Objects = None, *, full: Full = False) -> int:
    """Show what a run would read, and what it would cost. Exit code 1 if it exceeds the quota."""
    from seil.sf_to_dw.extract.plan import plan as planned

    with opened(call) as site:
        chosen = site.catalog.select(objects or ())
        made = planned(site.org, site.lake, chosen, site.settings.extract, full=full)
        reports.planned(call, made, site.catalog.display_names)
    return 0 if made.fits and not any(entry.problem for entry in made.objects) else UNBALANCED


def run(
    call: Call,
    objects: arguments.Objects = None,
    *,
    full: Full = False,
    every: Annotated[
        str,
        typer.Option(
            help="Again and again: 20s, 10m, 1h. An object with a schedule of its own waits for it."
        ),
    ] = "",
) -> int:
    """Read what changed, take it in, load it and build the tables: all steps."""
    interval = arguments.interval(every) if every else None
    if interval:
        _run_every(call, objects or (), interval, full=full)
    with opened(call) as site:
        return _run_once(call, site, site.catalog.select(objects or ()), full=full)


def extract(call: Call, objects: arguments.Objects = None, *, full: Full = False) -> int:
    """Read what changed from Salesforce into the landing zone."""
    from seil.sf_to_dw.lock import run_lock

    with opened(call) as site:
        chosen = site.catalog.select(objects or ())
        with (
            recorded_run(site, "extract", objects=objects or [], full=full) as results,
            run_lock(site.lake),
            shown_progress(call) as shown,
        ):
            progress = results.progress(shown)
            report = site.extractor.run(chosen, full=full, progress=progress)
            results.extracted([*report.flows, *report.deletions])
            results.checked((name, "deletions") for name in report.checked)
        reports.extracted(call, report, site.catalog.display_names)
    return UNBALANCED if report.failed else 0


def load(
    call: Call,
    objects: arguments.Objects = None,
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
    from seil.sf_to_dw.load.loader import load as loaded
    from seil.sf_to_dw.lock import run_lock

    with (
        opened(call) as site,
        recorded_run(site, "load", objects=objects or []) as results,
        run_lock(site.lake),
    ):
        chosen = [o.api_name for o in site.catalog.select(objects)] if objects else ()
        with shown_progress(call) as shown, site.warehouse() as warehouse:
            report = loaded(
                warehouse,
                site.lake,
                site.catalog,
                objects=chosen,
                as_text=as_text or (),
                everything=everything,
                decisions=site.state.decisions,
                bus=site.journal,
                progress=results.progress(shown),
            )
        results.loaded(report)
        reports.loaded(call, report)
        copy = _published(call, site)
    return 0 if report.ok and copy.ok else UNBALANCED


def build(
    call: Call,
    tables: Annotated[
        list[str] | None, typer.Argument(help="Tables; default: all sixteen.")
    ] = None,
    *,
    full: Annotated[
        bool, typer.Option("--full", help="Every row, not only those that changes reach.")
    ] = False,
    explained: Annotated[
        bool, typer.Option("--explain", help="Say what would be built and why; build nothing.")
    ] = False,
) -> int:
    """Bring the tables up to date with the current records, and test them."""
    from seil.modeling.build import build as built
    from seil.modeling.build import explain
    from seil.sf_to_dw.lock import run_lock

    with opened(call) as site:
        if explained:
            with run_lock(site.lake), site.warehouse() as warehouse:
                plans = explain(warehouse, site.models, tables=tables or (), full=full)
            reports.build_planned(call, plans)
            return 0
    with (
        opened(call) as site,
        recorded_run(site, "build", tables=tables or [], full=full) as results,
        run_lock(site.lake),
    ):
        with shown_progress(call) as shown, site.warehouse() as warehouse:
            report = built(
                warehouse,
                site.models,
                tables=tables or (),
                full=full,
                bus=site.journal,
                progress=results.progress(shown),
            )
        results.built(report)
        reports.built(call, report)
        copy = _published(call, site)
    return 0 if report.ok and copy.ok else UNBALANCED


def _published(call: Call, site: Site) -> Publication:
    """As logged where the answer is JSON."""
    copy = site.publish()
    if copy.problem and not call.json:
        output.line(f"  {copy.problem}", style="red")
    return copy


def _run_once(call: Call, site: Site, objects: Sequence[SyncedObject], *, full: bool) -> int:
    site.journal.prune(site.settings.events.keep)
    names = [obj.api_name for obj in objects]
    with recorded_run(site, "run", objects=names, full=full) as results:
        with shown_progress(call) as shown:
            progress = results.progress(shown)
            report = site.pipeline.run(objects, full=full, progress=progress)
        results.ran(report)
    run_report.ran(call, report, site.catalog.display_names)
    return 0 if report.ok else UNBALANCED


def _run_every(call: Call, names: Sequence[str], interval: timedelta, *, full: bool) -> None:
    """Never returns. Only what a person has to mend ends it; anything else is better next time."""
    while True:
        begun = time.monotonic()
        try:
            with opened(call) as site:
                chosen = due(site, site.catalog.select(names), within=interval)
                if chosen:
                    call.release(_run_once(call, site, chosen, full=full))
        except (ConfigurationError, LoginError):
            raise
        except SeilError as error:
            logger.error("this run failed, the next one tries again: %s", error)
        # Only the first one reads everything.
        full = False
        left = max(interval.total_seconds() - (time.monotonic() - begun), 0)
        wait = wording.duration(timedelta(seconds=left))
        logger.info("next run in %s", wait)
        if not (call.json or call.quiet):
            output.line(f"Next run in {wait}; Ctrl-C ends it.")
            sys.stdout.flush()
        time.sleep(left)


def due(site: Site, objects: Sequence[SyncedObject], *, within: timedelta) -> list[SyncedObject]:
    """Those whose time has come, or will before half of the next interval is over.

    An object that has no schedule of its own does not wait longer than `within`, the interval.
    """
    from seil.sf_to_dw.extract.flows import FlowStates

    states = FlowStates(site.lake)
    soon = datetime.now(UTC) + within / 2
    usual = site.catalog.usual_schedule

    def is_due(obj: SyncedObject) -> bool:
        finished = states.get(obj).finished_at
        own = obj.flow.schedule
        schedule = min(within, own) if own == usual else own
        return finished is None or finished + schedule <= soon

    return [obj for obj in objects if is_due(obj)]
