"""Upkeep of the warehouse: when it is due, and doing it. No run waits for it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seil.app.upkeep_mark import mark_compact, upkeep_due
from seil.app.wording import counted
from seil.errors import AlreadyRunningError, WarehouseError
from seil.observe.progress import SILENT, Progress
from seil.sizes import size

if TYPE_CHECKING:
    from seil.app.site import Site
    from seil.warehouse.readers import Publication
    from seil.warehouse.upkeep import UpkeepPlan, UpkeepResult

log = logging.getLogger(__name__)

COMMAND = "warehouse upkeep"


@dataclass(frozen=True)
class UpkeepReport:
    """`results` are empty where the engine needs none."""

    results: Sequence[UpkeepResult]
    publication: Publication


def upkeep(site: Site, *, progress: Progress = SILENT) -> UpkeepReport:
    """Does it now, due or not, as a recorded run under the run lock.

    Raises AlreadyRunningError, WarehouseError.
    """
    from seil import warehouse
    from seil.sf_to_dw.lock import run_lock

    settings = site.settings.warehouse
    with site.runs.run(COMMAND) as results, run_lock(site.lake):
        with results.progress(progress).step("upkeep warehouse") as step:
            done = warehouse.upkeep(settings, fence=site.lake.fence)
            step.conclude("; ".join(map(summary, done)))
        mark_compact(site.state, settings)
        publication = warehouse.publish(settings, is_replaced=True)
    return UpkeepReport(done, publication)


def plan_upkeep(site: Site) -> Sequence[UpkeepPlan]:
    """What `upkeep` would do now; changes nothing, and goes on beside a run."""
    from seil import warehouse

    return warehouse.plan_upkeep(site.settings.warehouse)


def upkeep_if_due(site: Site, *, progress: Progress = SILENT) -> UpkeepReport | None:
    """Between two runs. What stops it is logged and in its report: the next pause tries again."""
    if not (reason := upkeep_due(site.state, site.settings.warehouse)):
        return None
    log.info("upkeep of the warehouse: %s", reason)
    try:
        return upkeep(site, progress=progress)
    except (AlreadyRunningError, WarehouseError) as error:
        log.warning("no upkeep of the warehouse now: %s", error)
        return None


def outlook(plan: UpkeepPlan) -> str:
    """In words."""
    parts = (
        "laid out anew" if plan.is_laid_out else "",
        f"{counted(plan.files, 'file')} of {size(plan.bytes)} to rewrite" if plan.files else "",
        f"{counted(plan.snapshots, 'snapshot')} to expire" if plan.snapshots else "",
        f"{counted(plan.lost_files, 'lost file')} to remove" if plan.lost_files else "",
        f"{plan.branches:,} killed commits' branches to remove" if plan.branches else "",
    )
    return f"{plan.place}: {', '.join(filter(None, parts))}"


def summary(result: UpkeepResult) -> str:
    before, after = result.bytes_before / 1e6, result.bytes_after / 1e6
    return f"{result.place} {result.act}: {before:,.0f} to {after:,.0f} MB"
