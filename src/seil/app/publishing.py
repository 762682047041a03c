"""Publishes the tables as Iceberg tables, for others to read: by command, and after each build."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from seil.errors import ConfigurationError, Problem, SeilError
from seil.extras import requires
from seil.observe.progress import SILENT, Progress

if TYPE_CHECKING:
    from seil.app.published_tables import PublishableTable, PublishingSite
    from seil.app.run_results import RunResults
    from seil.app.runs import Run
    from seil.iceberg.catalog import IcebergCatalog
    from seil.iceberg.publisher import PublishMode, TableOutcome
    from seil.iceberg.upkeep import Upkeep, UpkeepOutcome, UpkeepRules
    from seil.warehouse.tables import TableName

log = logging.getLogger(__name__)

LOCK = "publish.lock"
EXTRA = "iceberg"


@dataclass(frozen=True)
class PublishReport:
    """`as_of` is when the copy that was read was published, None of the warehouse itself; `missing`
    are tables that are not built yet. `is_one_moment`: readers see all tables change at once.
    """

    catalog: str
    as_of: datetime | None
    tables: tuple[TableOutcome, ...]
    missing: tuple[str, ...] = ()
    is_one_moment: bool = False
    upkeep: tuple[UpkeepOutcome, ...] = ()

    @property
    def problems(self) -> list[str]:
        tables = [f"{t.table}: {t.message}" for t in self.tables if t.state == "failed"]
        return [*tables, *(f"{u.table}: {u.message}" for u in self.upkeep if u.message)]


def publish_tables(
    site: PublishingSite,
    tables: Sequence[str] = (),
    *,
    to: str = "",
    mode: PublishMode = "changes",
    progress: Progress = SILENT,
) -> PublishReport:
    """Brings the published tables up to date, by default those of `[publish] tables` in
    `[publish] catalog`. A table that fails is in the report.

    Raises ConfigurationError, AlreadyRunningError, IcebergError where no table can be published.
    """
    catalog_place(site, to)  # A run's arguments are kept: no password may be among them.
    with site.runs.run("publish iceberg", tables=list(tables), to=to, mode=mode) as results:
        report = _publish(site, tables, to=to, mode=mode, progress=results.progress(progress))
        note_outcomes(results, report)
    return report


def publish_after_build(site: PublishingSite, run: Run) -> None:
    """Where `[publish] catalog` is set. An error is noted, and repeated by the next run; it never
    fails the run.
    """
    settings = site.settings.publish
    if not (settings.catalog and settings.after_build):
        return
    try:
        report = _publish(site, (), to="", mode="changes", progress=run.progress())
    except SeilError as error:
        run.note("publish", "catalog", error)
        log.warning("the tables were not published: %s", error)
        return
    run.note("publish", "catalog")
    note_outcomes(run, report)
    for problem in report.problems:
        log.warning("not published: %s", problem)


def note_outcomes(results: RunResults, report: PublishReport) -> None:
    for table in report.tables:
        results.note("publish", table.table, table.message)
        results.counts["published_rows"] += table.inserted
    for done in report.upkeep:
        results.note("publish", f"{done.table} upkeep", done.message)


def _publish(
    site: PublishingSite, tables: Sequence[str], *, to: str, mode: PublishMode, progress: Progress
) -> PublishReport:
    from seil.app.published_tables import table_names, warehouse_tables
    from seil.sf_to_dw.lock import run_lock

    refuse_iceberg_warehouse(site)
    names = table_names(site, tables or site.settings.publish.tables)
    with opened_catalog(site, to) as catalog, run_lock(site.lake, key=LOCK, brief=True) as lock:
        from seil.iceberg.engine import embedded_engine
        from seil.iceberg.publisher import TablePublisher
        from seil.iceberg.upkeep import Upkeep

        with (
            site.reading() as reading,
            reading.warehouse.one_moment(),
            embedded_engine(
                memory=site.settings.publish.memory, threads=site.settings.warehouse.threads
            ) as engine,
        ):
            sources, missing = warehouse_tables(site, reading.warehouse, names)
            publisher = TablePublisher(catalog, engine, mode, check=lock.check, progress=progress)
            outcomes = publisher.publish(sources)
            upkeep = Upkeep(catalog, engine, _rules(site), check=lock.check)
            published = {one.published_as for one in outcomes if one.state == "published"}
            due = [s.identifier for s in sources if ".".join(s.identifier) in published]
            done = [upkeep.run(identifier, only_due=True) for identifier in due]
            return PublishReport(
                catalog.url,
                reading.as_of,
                tuple(outcomes),
                tuple(map(str, missing)),
                catalog.moves_together,
                tuple(outcome for outcome in done if outcome.did_something),
            )


PublishedStanding = Literal["current", "behind", "changed by another writer", "not published"]


@dataclass(frozen=True)
class PublishedTable:
    """`version` and `commit` are those of the published rows; `at` when they were committed."""

    table: str
    published_as: str
    standing: PublishedStanding
    version: str = ""
    commit: str = ""
    snapshot_id: int | None = None
    at: datetime | None = None


def published_standing(
    site: PublishingSite, tables: Sequence[str] = (), *, to: str = ""
) -> list[PublishedTable]:
    """What each published table has, against the warehouse. Reads only; raises as
    `publish_tables`, and IcebergError for a folder that has no catalog.
    """
    from seil.app.published_tables import table_names, warehouse_tables

    refuse_iceberg_warehouse(site)
    names = table_names(site, tables or site.settings.publish.tables)
    with opened_catalog(site, to, creates=False) as catalog, site.reading() as reading:
        sources, _ = warehouse_tables(site, reading.warehouse, names)
        return [_standing(catalog, source) for source in sources]


def _standing(catalog: IcebergCatalog, source: PublishableTable) -> PublishedTable:
    from seil.iceberg.published import published_state

    name = ".".join(source.identifier)
    table = catalog.find(source.identifier)
    state = published_state(table) if table is not None else None
    if state is None or state.snapshot_id is None:
        return PublishedTable(source.name, name, "not published")
    standing: PublishedStanding = "current" if state.version == source.version else "behind"
    return PublishedTable(
        source.name,
        name,
        "changed by another writer" if state.is_foreign else standing,
        state.version,
        state.commit,
        state.snapshot_id,
        state.committed_at,
    )


def refuse_iceberg_warehouse(site: PublishingSite) -> None:
    """Raises ConfigurationError."""
    from seil.warehouse import is_iceberg

    if is_iceberg(site.settings.warehouse):
        reason = "the warehouse's tables are Iceberg tables already"
        cure = "let others read them in the warehouse's own catalog: docs/iceberg.md"
        raise ConfigurationError([Problem("warehouse.url", reason, cure)])


def keep_up(
    site: PublishingSite, tables: Sequence[str] = (), *, to: str = "", progress: Progress = SILENT
) -> list[UpkeepOutcome]:
    """Compacts tables with delete files, expires old snapshots and removes files that none has,
    due or not. Raises as `published_standing`.
    """
    from seil.app.published_tables import table_names
    from seil.sf_to_dw.lock import run_lock

    refuse_iceberg_warehouse(site)
    names = table_names(site, tables or site.settings.publish.tables)
    catalog_place(site, to)
    with (
        site.runs.run("publish upkeep", tables=list(tables), to=to) as results,
        opened_catalog(site, to, creates=False) as catalog,
        run_lock(site.lake, key=LOCK, brief=True) as lock,
    ):
        from seil.iceberg.engine import embedded_engine
        from seil.iceberg.upkeep import Upkeep

        recorded = results.progress(progress)
        outcomes = []
        with embedded_engine(memory=site.settings.publish.memory) as engine:
            upkeep = Upkeep(catalog, engine, _rules(site), check=lock.check)
            for name in names:
                outcomes.append(_kept_up(upkeep, site, name, recorded))
                results.note("publish", f"{outcomes[-1].table} upkeep", outcomes[-1].message)
    return outcomes


def _kept_up(
    upkeep: Upkeep, site: PublishingSite, name: TableName, progress: Progress
) -> UpkeepOutcome:
    from seil.app.published_tables import identifier_of

    with progress.step(f"upkeep {name}") as step:
        outcome = upkeep.run(identifier_of(name, site.settings.publish.namespace), only_due=False)
        step.conclude(outcome.message, ok=not outcome.message)
    return outcome


def _rules(site: PublishingSite) -> UpkeepRules:
    from seil.iceberg.upkeep import UpkeepRules

    settings = site.settings.publish
    return UpkeepRules(settings.compact_after, settings.keep_snapshots, settings.keep_orphans)


def catalog_place(site: PublishingSite, to: str = "") -> str:
    """The catalog's URL. `to` is as `[publish] catalog`, a folder relative to the current one.

    Raises ConfigurationError where there is neither, and for one that the settings would refuse.
    """
    from seil.settings.paths import catalog_url
    from seil.settings.publish import require_catalog

    cure = "name a folder or catalog, or set it in seil.toml; docs/iceberg.md shows how"
    try:
        url = catalog_url(require_catalog(to), Path.cwd()) if to else site.settings.publish.catalog
    except ValueError as error:
        raise ConfigurationError([Problem("publish.catalog", str(error), cure)]) from error
    if not url:
        raise ConfigurationError([Problem("publish.catalog", "is empty", cure)])
    return url


@contextmanager
def opened_catalog(
    site: PublishingSite, to: str = "", *, creates: bool = True
) -> Iterator[IcebergCatalog]:
    """`to` is as for `catalog_place`, which raises as well; not `creates`: a folder must be a
    catalog already. Raises MissingExtraError, IcebergError.
    """
    url = catalog_place(site, to)
    with requires(EXTRA):
        from seil.iceberg.catalog import open_catalog
    with closing(open_catalog(site.settings.publish, url, creates=creates)) as catalog:
        yield catalog
