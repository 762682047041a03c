"""The warehouse again, from curated and staging alone; the old one stays until the new is whole.

The new one is made in a file beside it and takes its name in one step. What is killed before that
leaves the old one as it was; the next rebuild starts anew.
"""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from seil.catalog import Catalog
from seil.errors import WarehouseError
from seil.events.bus import Bus
from seil.events.envelope import Event
from seil.lake import Lake
from seil.observe.progress import SILENT, Progress
from seil.settings import WarehouseSettings
from seil.sf_to_dw.build import BuildReport, build
from seil.sf_to_dw.ledger import LOADS
from seil.sf_to_dw.load import SOURCE, LoadReport, load
from seil.sf_to_dw.outbox import Outbox
from seil.warehouse import open_warehouse
from seil.warehouse.embedded_errors import is_broken
from seil.warehouse.published import publish

if TYPE_CHECKING:
    from seil.sf_to_dw.model import Models
    from seil.warehouse.protocol import Warehouse

log = logging.getLogger(__name__)

_NEW = ".rebuild"
_BROKEN = ".broken"
_NAMED = 3

Open = Callable[[WarehouseSettings], AbstractContextManager["Warehouse"]]


@dataclass(frozen=True)
class RebuildReport:
    """`refused` are the reasons why the old warehouse was kept; none when the new one is in place.

    `state` is what was found: a warehouse, none, or one that could not be read.
    """

    load: LoadReport
    build: BuildReport
    state: str
    refused: tuple[str, ...] = ()
    publish_problem: str = ""

    @property
    def is_replaced(self) -> bool:
        return not self.refused

    @property
    def ok(self) -> bool:
        done = self.load.ok and self.build.ok and not self.publish_problem
        return self.is_replaced and done


@dataclass(frozen=True)
class _Old:
    """What the old warehouse holds: curated files, and the tables that were built."""

    state: str
    files: frozenset[str] = frozenset()
    tables: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Rebuild:
    """Under the run lock, which is the caller's. Raises WarehouseError when the old is in use."""

    settings: WarehouseSettings
    lake: Lake
    catalog: Catalog
    models: Models
    bus: Bus
    progress: Progress = SILENT
    open: Open = field(default=open_warehouse)

    def run(self, *, anyway: bool = False) -> RebuildReport:
        """`anyway` puts the new one in place even when it lacks what the old one has."""
        file = Path(self.settings.url.partition(":")[2])
        new = file.with_name(f"{file.name}{_NEW}")
        old = self._old(file)
        _remove(new)
        try:
            with self._opened(new) as warehouse:
                loaded = load(warehouse, self.lake, self.catalog, progress=self.progress)
                built = build(warehouse, self.models, progress=self.progress)
                refused = () if anyway else tuple(_lacks(warehouse, old, loaded, built))
                warehouse.execute("CHECKPOINT")
            if not refused:
                _swap(new, file, broken=old.state == "broken")
        finally:
            _remove(new)
        copy = publish(self.settings, anew=True)
        report = RebuildReport(loaded, built, old.state, refused, copy.problem)
        self.bus.publish([_event(report, self.settings.url)])
        return report

    def _opened(self, file: Path) -> AbstractContextManager[Warehouse]:
        return self.open(self.settings.model_copy(update={"url": f"duckdb:{file}"}))

    def _old(self, file: Path) -> _Old:
        """Opened for writing, so that what stands in its write-ahead log gets into the file."""
        if not file.exists():
            return _Old("missing")
        try:
            with self._opened(file) as warehouse:
                # Of what it still owes, the new one knows nothing.
                Outbox(warehouse, self.bus).clear()
                files = _merged(warehouse)
                tables = frozenset(warehouse.tables()) & {m.name for m in self.models.values()}
                warehouse.execute("CHECKPOINT")
        except WarehouseError as error:
            if not is_broken(error):
                raise
            log.warning("%s", error)
            return _Old("broken")
        return _Old("present", files, tables)


def _lacks(
    warehouse: Warehouse, old: _Old, loaded: LoadReport, built: BuildReport
) -> Iterator[str]:
    """What the old warehouse has and the new one has not."""
    if gone := sorted(old.files - _merged(warehouse)):
        more = f" and {len(gone) - _NAMED:,} more" if len(gone) > _NAMED else ""
        names = ", ".join(gone[:_NAMED])
        yield f"{len(gone):,} file(s) of the old one could not be loaded: {names}{more}"
        for entry in loaded.objects:
            yield from entry.errors
    for table in built.tables:
        if table.table in old.tables and not table.is_built:
            yield f"table {table.table} cannot be built: {table.message}"


def _merged(warehouse: Warehouse) -> frozenset[str]:
    """The curated files that are in a warehouse, by key."""
    if LOADS.name not in warehouse.tables(LOADS.schema):
        return frozenset()
    found = warehouse.query("SELECT curated_key FROM seil.loads")
    return frozenset(str(key) for key in found.column(0).to_pylist())


def _swap(new: Path, file: Path, *, broken: bool) -> None:
    with _translated(file):
        if broken:
            file.replace(file.with_name(f"{file.name}{_BROKEN}"))
        # A log belongs to one file; what stood in it is in the old file by now.
        _wal(file).unlink(missing_ok=True)
        new.replace(file)
        folder = os.open(file.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _remove(file: Path) -> None:
    """What a rebuild that was killed has left."""
    with _translated(file):
        file.unlink(missing_ok=True)
        _wal(file).unlink(missing_ok=True)
        with suppress(FileNotFoundError):
            shutil.rmtree(f"{file}.tmp")


def _wal(file: Path) -> Path:
    return file.with_name(f"{file.name}.wal")


@contextmanager
def _translated(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise WarehouseError(f"duckdb:{file}", error.strerror or str(error)) from error


def _event(report: RebuildReport, url: str) -> Event:
    detail = {
        "state": "success" if report.ok else "error",
        "warehouse": url,
        "was": report.state,
        "replaced": report.is_replaced,
        "files": report.load.files,
        "rows": report.load.outcome.rows,
        "refused": list(report.refused),
    }
    return Event(SOURCE, "rebuild", detail)
