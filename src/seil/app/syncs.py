"""The ways back into Salesforce: `seil sync`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from seil.errors import SeilError
from seil.extras import requires
from seil.observe.progress import SILENT, Progress

if TYPE_CHECKING:
    from seil.admanager.client import AdManager
    from seil.app.runs import Run
    from seil.app.site import Site
    from seil.gam_to_sf.changes import Recipient
    from seil.gam_to_sf.flow import FlowStep
    from seil.gam_to_sf.inventory import Inventory
    from seil.gam_to_sf.results import StepResult
    from seil.state.marks import Marks

GAM_TO_SF = "gam_to_sf"
_INVENTORY_MARK = "gam_to_sf inventory"
_GAPS_MARK = "gam_to_sf gaps"
_LOCK = "sync.gam-to-sf.lock"


@dataclass
class GamToSfResult:
    """`calls` are those made, by far end."""

    run_id: str
    dry_run: bool
    steps: Sequence[StepResult] = ()
    calls: dict[str, int] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return all(step.ok for step in self.steps)


def sync_gam_to_sf(
    site: Site, *, dry_run: bool = False, inventory: bool = False, progress: Progress = SILENT
) -> GamToSfResult:
    """Runs every step of delivery reporting; a failed one is in the result and in the run.

    Ad units and placements are read once a day, and with `inventory` now. Raises
    AlreadyRunningError.
    """
    with requires("api"):
        from seil.admanager.client import AdManager
        from seil.admanager.pace import CallPace
        from seil.gam_to_sf.flow import GamToSf, flow_steps

    settings = site.settings.gam_to_sf
    pace = CallPace(settings.calls_per_second)
    admanager = AdManager(site.settings.admanager, pace=pace)
    with _locked_run(site, dry_run=dry_run) as run:
        result = GamToSfResult(run.run_id, dry_run)
        before = site.org.budget.calls
        flow = GamToSf(
            site.org,
            _recipient(site, run, dry_run=dry_run),
            [
                *flow_steps(admanager, settings, site.state.marks),
                *_inventory_steps(site, admanager, dry_run=dry_run, forced=inventory),
            ],
        )
        result.steps = flow.run(run.progress(progress))
        result.calls = {
            "salesforce": site.org.budget.calls - before,
            "ad_manager": pace.calls,
        }
        if not dry_run:
            _find_new_gaps(site.state.marks, result.steps)
        _note(run, result)
    return result


@contextmanager
def _locked_run(site: Site, *, dry_run: bool) -> Iterator[Run]:
    """Under the flow's own lock: runs that read the org go on meanwhile."""
    from seil.sf_to_dw.lock import run_lock

    with (
        site.runs.run("sync gam-to-sf", dry_run=dry_run) as run,
        run_lock(site.lake, key=_LOCK),
    ):
        yield run


def _recipient(site: Site, run: Run, *, dry_run: bool) -> Recipient:
    from seil.app.pushes import writer_options
    from seil.gam_to_sf.changes import Preview, SalesforceRecords
    from seil.salesforce.writes.writer import Writer

    if dry_run:
        return Preview()
    options = writer_options(site)
    writer = Writer(site.org, site.state.outcomes.log(GAM_TO_SF, run.run_id), options)
    return SalesforceRecords(writer, crossover=options.crossover)


def _inventory_steps(
    site: Site, admanager: AdManager, *, dry_run: bool, forced: bool
) -> Iterator[FlowStep]:
    """None where it was read today already, or where there is no warehouse yet."""
    from seil.gam_to_sf.inventory import InventoryStep

    if forced or (site.has_warehouse and site.state.marks.get(_INVENTORY_MARK) != inventory_day()):
        store = None if dry_run else partial(_store_inventory, site)
        yield InventoryStep(admanager, store, forced)


def _store_inventory(site: Site, inventory: Inventory) -> None:
    """Raises AlreadyRunningError while a run holds the warehouse."""
    from seil.sf_to_dw.lock import run_lock

    with run_lock(site.lake, brief=True):
        with site.warehouse() as warehouse:
            inventory.store(warehouse)
        site.publish()
    site.state.marks.set(_INVENTORY_MARK, inventory_day())


def inventory_day() -> str:
    """The inventory is read again when it changes."""
    return datetime.now(UTC).date().isoformat()


def _find_new_gaps(marks: Marks, steps: Sequence[StepResult]) -> None:
    """The mark holds the last run's gaps by step; of one that failed, those of the run before."""
    by_step: dict[str, Any] = json.loads(marks.get(_GAPS_MARK) or "{}")
    for step in steps:
        gaps = {str(gap): [sample.count, *sample.first] for gap, sample in step.gaps.items()}
        before = by_step.get(step.name, {})
        step.new_gaps = {gap for gap in step.gaps if gaps[gap] != before.get(gap)}
        if step.error is None:
            by_step[step.name] = gaps
    marks.set(_GAPS_MARK, json.dumps(by_step))


def _note(run: Run, result: GamToSfResult) -> None:
    for step in result.steps:
        run.counts["records_read"] += step.read
        run.counts["differing"] += step.differing
        run.counts.update(step.states)
        error = step.error
        if error is None:
            run.note("sync", step.name)
        else:
            run.note("sync", step.name, error if isinstance(error, SeilError) else step.problem)
        if step.not_written:
            see = f"`seil outcomes --run {run.run_id}`"
            run.add_problem(f"sync {step.name}: {step.problem}: {see}")
    for name, calls in result.calls.items():
        run.counts[f"{name}_calls"] += calls
