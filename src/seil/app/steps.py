"""The pipeline's steps, each a recorded run under the run lock; each returns its report.

`names` are objects by any of their names, none of them means all. Every step raises
ConfigurationError for a name that the catalog does not have, AlreadyRunningError where another run
holds the lock.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

from seil.observe.progress import SILENT, Progress

if TYPE_CHECKING:
    from seil.app.site import Site
    from seil.modeling.build import BuildReport
    from seil.modeling.plan import ModelPlan
    from seil.sf_to_dw.extract.extractor import ExtractReport
    from seil.sf_to_dw.extract.plan import ExtractPlan
    from seil.sf_to_dw.ingest.imports import ImportResult
    from seil.sf_to_dw.ingest.ingestor import IngestReport
    from seil.sf_to_dw.load.loader import LoadReport
    from seil.sf_to_dw.pipeline import RunReport
    from seil.sf_to_dw.rebuild import RebuildReport
    from seil.warehouse.readers import Publication

ComparisonName = Literal["deletions", "ids", "formulas"]
COMPARISONS: tuple[ComparisonName, ...] = ("deletions", "ids", "formulas")


def plan(site: Site, names: Sequence[str] = (), *, full: bool = False) -> ExtractPlan:
    """What a run would read, and what it would cost; no run itself."""
    from seil.sf_to_dw.extract.plan import plan as plan_objects

    chosen = site.catalog.select(names)
    return plan_objects(site.org, site.lake, chosen, site.settings.extract, full=full)


def run(
    site: Site, names: Sequence[str] = (), *, full: bool = False, progress: Progress = SILENT
) -> RunReport:
    """All steps: read what changed, take it in, load it, build the tables."""
    chosen = site.catalog.select(names)
    if log := site.audit_trail_to_read:
        log.prune(site.settings.events.keep)
    with site.runs.run("run", objects=[obj.api_name for obj in chosen], full=full) as results:
        # The pipeline takes the lock itself, after what does not need it.
        report = site.pipeline.run(chosen, full=full, progress=results.progress(progress))
        results.add_run(report)
    return replace(report, unpublished=results.unpublished)


def reconcile(
    site: Site,
    names: Sequence[str] = (),
    *,
    kinds: Sequence[ComparisonName] = COMPARISONS,
    believe: Collection[str] = (),
    progress: Progress = SILENT,
) -> RunReport:
    """Compares the org with the warehouse now. `believe` names objects of which any number of
    records may be gone.
    """
    chosen = site.catalog.select(names)
    believed = {obj.api_name for obj in site.catalog.select(believe)} if believe else set()
    with site.runs.run("reconcile") as results:
        report = site.pipeline.reconcile(
            chosen, kinds, believe=believed, progress=results.progress(progress)
        )
        results.add_run(report)
    return replace(report, unpublished=results.unpublished)


def extract(
    site: Site, names: Sequence[str] = (), *, full: bool = False, progress: Progress = SILENT
) -> ExtractReport:
    from seil.sf_to_dw.lock import run_lock

    chosen = site.catalog.select(names)
    with (
        site.runs.run("extract", objects=list(names), full=full) as results,
        run_lock(site.lake),
    ):
        report = site.extractor.run(chosen, full=full, progress=results.progress(progress))
        results.add_flows([*report.flows, *report.deletions])
        results.add_comparisons((name, "deletions") for name in report.checked)
    return report


class Intake(NamedTuple):
    """`imported` are the files of a source, which was to hold `source_object` if that is given."""

    imported: list[ImportResult]
    report: IngestReport
    source_object: str = ""

    @property
    def ok(self) -> bool:
        """Every Parquet file was assigned to an object, and there was one for the object given."""
        is_placed = not any(file.unplaced for file in self.imported)
        is_missing = self.source_object and all(file.state == "left" for file in self.imported)
        return self.report.ok and is_placed and not is_missing


def ingest(
    site: Site,
    names: Sequence[str] = (),
    *,
    source: Path | None = None,
    source_object: str = "",
    progress: Progress = SILENT,
) -> Intake:
    """Takes landed files in. First copies the Parquet files of `source` in, a file or a folder;
    `source_object` says what they hold where their names do not.
    """
    from seil.sf_to_dw.lock import run_lock

    with site.runs.run("ingest") as results, run_lock(site.lake):
        chosen = site.catalog.select(names) if names else ()
        imported = _land(site, source, source_object) if source else []
        report = site.ingestor.sweep(chosen, results.progress(progress))
        results.add_ingest(report)
    return Intake(imported, report, source_object)


def _land(site: Site, source: Path, object_name: str) -> list[ImportResult]:
    from seil.sf_to_dw.ingest.imports import land_folder

    obj = site.catalog.select([object_name])[0] if object_name else None
    own = site.own_paths
    return land_folder(site.lake, site.catalog, source, obj=obj, bus=site.bus, own=own)


def load(
    site: Site,
    names: Sequence[str] = (),
    *,
    as_text: Sequence[str] = (),
    everything: bool = False,
    progress: Progress = SILENT,
) -> tuple[LoadReport, Publication]:
    """Merges curated files. `as_text` names columns, as table.column, that may become text;
    `everything` looks through all of curated.
    """
    from seil.sf_to_dw.load.loader import load as load_curated
    from seil.sf_to_dw.lock import run_lock

    with site.runs.run("load", objects=list(names)) as results, run_lock(site.lake):
        chosen = [obj.api_name for obj in site.catalog.select(names)] if names else ()
        with site.warehouse() as warehouse:
            report = load_curated(
                warehouse,
                site.lake,
                site.catalog,
                objects=chosen,
                as_text=as_text,
                everything=everything,
                decisions=site.state.decisions,
                bus=site.bus,
                progress=results.progress(progress),
            )
        results.add_load(report)
        return report, site.publish()


def build(
    site: Site,
    tables: Sequence[str] = (),
    *,
    full: bool = False,
    without_removed: bool = False,
    progress: Progress = SILENT,
) -> tuple[BuildReport, Publication]:
    """Brings tables up to date with the current records, and tests them; none named: all.

    `without_removed` drops the tables whose model is gone first.
    """
    from seil.modeling.build import build as build_tables
    from seil.modeling.removed import drop_removed
    from seil.sf_to_dw.lock import run_lock

    with (
        site.runs.run("build", tables=list(tables), full=full) as results,
        run_lock(site.lake),
    ):
        with site.warehouse() as warehouse:
            if without_removed:
                drop_removed(warehouse, site.models)
            report = build_tables(
                warehouse,
                site.models,
                tables=tables,
                full=full,
                logs_keys=site.logs_keys,
                bus=site.bus,
                progress=results.progress(progress),
            )
        results.add_build(report)
        copy = site.publish()
    problem = copy.problem or results.unpublished
    return report, replace(copy, problem=problem)


def explain(site: Site, tables: Sequence[str] = (), *, full: bool = False) -> Sequence[ModelPlan]:
    """What `build` would do and why; no run itself, but under the lock."""
    from seil.modeling.build import explain as explain_tables
    from seil.sf_to_dw.lock import run_lock

    with run_lock(site.lake), site.warehouse() as warehouse:
        return explain_tables(warehouse, site.models, tables=tables, full=full)


def rebuild(site: Site, *, anyway: bool = False, progress: Progress = SILENT) -> RebuildReport:
    """The warehouse again, from the curated files. `anyway`: even if it lacks what the old has."""
    from seil.app.upkeep_mark import mark_compact
    from seil.sf_to_dw.lock import run_lock
    from seil.sf_to_dw.rebuild import Rebuild

    with site.runs.run("rebuild") as results, run_lock(site.lake):
        report = Rebuild(
            site.settings.warehouse,
            site.lake,
            site.catalog,
            site.models,
            bus=site.bus,
            decisions=site.state.decisions,
            progress=results.progress(progress),
            on_loaded=site.mirror_outcomes,
        ).run(anyway=anyway)
        if report.is_replaced:
            mark_compact(site.state, site.settings.warehouse)
            results.add_load(report.load)
            results.add_build(report.build)
    return replace(report, publish_problem=report.publish_problem or results.unpublished)
