"""Publishes the tables as Iceberg tables, for others to read: by command, and after each build."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from seil.errors import ConfigurationError, Problem
from seil.extras import requires
from seil.observe.progress import SILENT, Progress

if TYPE_CHECKING:
    from datetime import datetime

    from seil.app.run_results import RunResults
    from seil.app.site import Site
    from seil.iceberg.catalog import IcebergCatalog
    from seil.iceberg.publisher import PublishMode, TableOutcome

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

    @property
    def problems(self) -> list[str]:
        return [f"{t.table}: {t.message}" for t in self.tables if t.state == "failed"]


def publish_tables(
    site: Site,
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
    with site.runs.run("publish iceberg", tables=list(tables), to=to, mode=mode) as results:
        report = _publish(site, tables, to=to, mode=mode, progress=results.progress(progress))
        note_outcomes(results, report)
    return report


def note_outcomes(results: RunResults, report: PublishReport) -> None:
    for table in report.tables:
        results.note("publish", table.table, table.message)
        results.counts["published_rows"] += table.inserted


def _publish(
    site: Site, tables: Sequence[str], *, to: str, mode: PublishMode, progress: Progress
) -> PublishReport:
    from seil.app.published_tables import table_names, warehouse_tables
    from seil.sf_to_dw.lock import run_lock

    names = table_names(site, tables or site.settings.publish.tables)
    with opened_catalog(site, to) as catalog, run_lock(site.lake, key=LOCK, brief=True) as lock:
        from seil.iceberg.engine import embedded_engine
        from seil.iceberg.publisher import TablePublisher

        settings = site.settings.publish
        with (
            site.reading() as reading,
            embedded_engine(
                memory=settings.memory, threads=site.settings.warehouse.threads
            ) as engine,
        ):
            sources, missing = warehouse_tables(site, reading.warehouse, names)
            publisher = TablePublisher(catalog, engine, mode, check=lock.check, progress=progress)
            outcomes = publisher.publish(sources)
            return PublishReport(
                catalog.url,
                reading.as_of,
                tuple(outcomes),
                tuple(map(str, missing)),
                catalog.moves_together,
            )


@contextmanager
def opened_catalog(site: Site, to: str = "") -> Iterator[IcebergCatalog]:
    """`to` is as `[publish] catalog`, a folder relative to the current one. Raises
    ConfigurationError where there is neither, MissingExtraError, IcebergError.
    """
    from seil.settings.paths import catalog_url

    settings = site.settings.publish
    url = catalog_url(to, Path.cwd()) if to else settings.catalog
    if not url:
        cure = "name a folder or catalog, or set it in seil.toml; docs/iceberg.md shows how"
        raise ConfigurationError([Problem("publish.catalog", "is empty", cure)])
    with requires(EXTRA):
        from seil.iceberg.catalog import open_catalog
    yield open_catalog(settings, url)
