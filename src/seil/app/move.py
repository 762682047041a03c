"""Moves the site to another warehouse, and switches the settings to it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from seil.errors import AlreadyRunningError
from seil.events.envelope import Event
from seil.events.file_events import SOURCE
from seil.observe.progress import SILENT, Progress
from seil.settings.rewrite import SettingPlace

if TYPE_CHECKING:
    from seil.app.run_results import RunResults
    from seil.app.site import Site
    from seil.settings import WarehouseSettings
    from seil.sf_to_dw.move import MovePlan, MoveReport, WarehouseMove
    from seil.warehouse.equality import KeyedTable
    from seil.warehouse.readers import Publication

_LOCK = "move.lock"
_POLL = 1.0


@dataclass(frozen=True)
class MoveResult:
    """`setting` is where `warehouse.url` is set, `line` what to write there."""

    report: MoveReport
    setting: str
    line: str
    is_switched: bool = False
    publish_problem: str = ""

    @property
    def ok(self) -> bool:
        return self.report.is_equal and not self.publish_problem


def plan_move(site: Site, url: str, *, config: Path | None, switch: bool) -> MovePlan:
    """What `move` would do. Waits for a run under way; raises as `move` does."""
    place = SettingPlace(config, "warehouse", "url")
    task = _move(site, _target(site, url, place), SILENT)
    if switch and not task.is_same_place():
        place.check()
    with _run_lock(site, SILENT, brief=True):
        return task.plan()


def move(
    site: Site,
    url: str,
    *,
    config: Path | None,
    switch: bool = False,
    progress: Progress = SILENT,
) -> MoveResult:
    """Fills the warehouse at `url` from curated, proves it equal to the site's, and with `switch`
    writes its URL into the settings. `url` is as in the settings; `config` is their file. Where the
    site is there already, nothing is done.

    Waits for a run under way, at its begin and before its end. Raises ConfigurationError where the
    target cannot be used, before anything is changed, and AlreadyRunningError where another move is
    under way.
    """
    from seil.sf_to_dw.lock import run_lock

    place = SettingPlace(config, "warehouse", "url")
    target = _target(site, url, place)
    if _move(site, target, SILENT).is_same_place():
        return _nothing_to_do(site, target, place, url)
    if switch:
        place.check()
    with site.runs.run("move", to=url) as results, run_lock(site.lake, key=_LOCK) as lock:
        task = _move(site, target, results.progress(progress))
        with _run_lock(site, task.progress, brief=True):
            plan = task.begin()
        task.fill(lock)
        with _run_lock(site, task.progress):
            report = task.finish(plan)
            result = MoveResult(report, str(place), place.line(url))
            if report.is_equal:
                problem = _publish(site, target).problem
                if switch:
                    place.write(url)
                result = replace(result, is_switched=switch, publish_problem=problem)
        _record(results, result)
        site.bus.publish([_event(result)])
    return result


def _nothing_to_do(
    site: Site, target: WarehouseSettings, place: SettingPlace, url: str
) -> MoveResult:
    """As where an earlier move has switched to it."""
    from seil.modeling.build import BuildReport
    from seil.sf_to_dw.load.loader import LoadReport
    from seil.sf_to_dw.move import MovePlan, MoveReport

    plan = MovePlan(site.settings.warehouse.url, target.url, is_current=True)
    report = MoveReport(plan, LoadReport(), BuildReport("", ()))
    return MoveResult(report, str(place), place.line(url))


def _record(results: RunResults, result: MoveResult) -> None:
    """Without values of records: the report of a run is kept for long."""
    report = result.report
    results.add_load(report.load)
    results.add_build(report.build)
    for problem in (*report.missing_files, result.publish_problem):
        if problem:
            results.add_problem(problem)
    for name in report.differing:
        results.add_problem(f"{name} differs in the new warehouse")


def _event(result: MoveResult) -> Event:
    report = result.report
    detail = {
        "state": "success" if result.ok else "error",
        "from": report.plan.source,
        "to": report.plan.target,
        "equal": report.is_equal,
        "switched": result.is_switched,
        "files": report.files,
        "rows": report.rows,
        "differing": list(report.differing),
    }
    return Event(SOURCE, "move", detail)


def _target(site: Site, url: str, place: SettingPlace) -> WarehouseSettings:
    """The settings of the new warehouse. Raises ConfigurationError for a URL that is none."""
    from seil.settings.load import with_warehouse_url

    base = (place.file.parent if place.file else Path()).resolve()
    return with_warehouse_url(site.settings, url, base).warehouse


def _move(site: Site, target: WarehouseSettings, progress: Progress) -> WarehouseMove:
    from seil.sf_to_dw.move import WarehouseMove

    return WarehouseMove(
        site.settings.warehouse,
        target,
        site.lake,
        site.catalog,
        site.models,
        site.bus,
        site.state.decisions,
        carried=_inventory(),
        progress=progress,
        on_loaded=site.mirror_outcomes,
    )


def _inventory() -> list[KeyedTable]:
    """Ad Manager's tables: they do not come from curated."""
    from seil.gam_to_sf.inventory import TABLES
    from seil.warehouse.equality import KeyedTable

    return [KeyedTable(table.name, (table.key,), is_unique=False) for table in TABLES]


@contextmanager
def _run_lock(site: Site, progress: Progress, *, brief: bool = False) -> Iterator[None]:
    """Once the run under way has ended, however long it takes."""
    from seil.sf_to_dw.lock import run_lock

    with ExitStack() as stack:
        try:
            stack.enter_context(run_lock(site.lake, brief=brief))
        except AlreadyRunningError:
            with progress.step("wait for the run under way"):
                _enter_when_free(stack, site, brief=brief)
        yield


def _enter_when_free(stack: ExitStack, site: Site, *, brief: bool) -> None:
    from seil.sf_to_dw.lock import run_lock

    while True:
        time.sleep(_POLL)
        with suppress(AlreadyRunningError):
            stack.enter_context(run_lock(site.lake, brief=brief))
            return


def _publish(site: Site, target: WarehouseSettings) -> Publication:
    """The copies for readers, of both: the current one may have loaded something, too."""
    from seil.warehouse import publish

    site.publish()
    return publish(target, is_replaced=True)
