"""The warehouse again, from curated and staging alone; the old one stays until the new is whole.

The new one is made in a file beside it and takes its name in one step. What is killed before that
leaves the old one as it was; the next rebuild starts anew.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from seil.catalog import Catalog
from seil.errors import WarehouseError
from seil.events.bus import Bus
from seil.events.envelope import Event
from seil.lake import Fence, Lake
from seil.modeling.build import BuildReport, build
from seil.observe.progress import SILENT, Progress
from seil.settings import WarehouseSettings
from seil.sf_to_dw.load.loader import SOURCE, LoadReport, load
from seil.sf_to_dw.load.merged import VIEW as MERGED_RECORDS
from seil.state.decisions import DecisionStore
from seil.warehouse import open_warehouse, warehouse_file
from seil.warehouse.duckdb.errors import is_broken
from seil.warehouse.duckdb.published import publish
from seil.warehouse.duckdb.user_objects import UserObject, copy_user_objects, user_objects
from seil.warehouse.merges import OpenUrl
from seil.warehouse.outbox import Outbox
from seil.warehouse.tables import TableName

if TYPE_CHECKING:
    from seil.modeling.model import Models
    from seil.warehouse.protocol import Warehouse

log = logging.getLogger(__name__)

_NEW = ".rebuild"
_BROKEN = ".broken"
_NAMED = 3
_OWN_SCHEMAS = re.compile(r"seil|seil_\w+|salesforce_history")


class Open(Protocol):
    def __call__(
        self, settings: WarehouseSettings, *, fence: Fence, open_url: OpenUrl
    ) -> AbstractContextManager[Warehouse]: ...


@dataclass(frozen=True)
class RebuildReport:
    """`refused` are the reasons why the old warehouse was kept; none when the new one is in place.

    `state` is what was found: a warehouse, none, or one that could not be read. `kept` are the
    schemas, tables and views of users that were copied over, `left_out` what the new one does not
    have because the catalog does not name its object any more.
    """

    load: LoadReport
    build: BuildReport
    state: str
    refused: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
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
    """What the old warehouse holds: curated files by object, the tables that were built, and what
    users made beside them.
    """

    state: str
    files: Mapping[str, frozenset[str]] = field(default_factory=dict)
    tables: frozenset[str] = frozenset()
    users: tuple[UserObject, ...] = ()

    def not_copied(self) -> Iterator[str]:
        for entry in self.users:
            if not entry.is_copied:
                yield f"{entry} is not SEIL's and cannot be copied: keep its text, then drop it"

    def in_catalog(self, catalog: Catalog) -> _Old:
        """Without the files of objects that the catalog does not name any more."""
        files = {name: keys for name, keys in self.files.items() if catalog.find(name)}
        return replace(self, files=files)

    def left_out(self, catalog: Catalog) -> Iterator[str]:
        for name, files in self.files.items():
            if catalog.find(name) is None:
                yield (
                    f"{name} is not in the catalog any more: its {len(files):,} file(s) stay in "
                    "curated, its table is not in the new warehouse"
                )


@dataclass(frozen=True)
class Rebuild:
    """Under the run lock, which is the caller's. Raises WarehouseError when the old is in use."""

    settings: WarehouseSettings
    lake: Lake
    catalog: Catalog
    models: Models
    bus: Bus
    decisions: DecisionStore
    progress: Progress = SILENT
    open: Open = field(default=open_warehouse)

    def run(self, *, anyway: bool = False) -> RebuildReport:
        """`anyway` puts the new one in place even when it lacks what the old one has."""
        file = warehouse_file(self.settings)
        new = file.with_name(f"{file.name}{_NEW}")
        old = self._old(file)
        if not anyway and (refused := tuple(old.not_copied())):
            return RebuildReport(LoadReport(), BuildReport("", ()), old.state, refused)
        _remove(new)
        try:
            with self._opened(new) as warehouse:
                loaded = load(
                    warehouse,
                    self.lake,
                    self.catalog,
                    decisions=self.decisions,
                    progress=self.progress,
                )
                built = build(warehouse, self.models, progress=self.progress)
                lacking = list(_lacks(warehouse, old.in_catalog(self.catalog), loaded, built))
                kept, failed = _keep(warehouse, file, old.users)
                refused = () if anyway else (*lacking, *failed)
                warehouse.execute("CHECKPOINT")
            if not refused:
                with self._fenced(file, old):
                    _swap(new, file, broken=old.state == "broken")
        finally:
            _remove(new)
        copy = publish(self.settings, anew=True)
        left_out = tuple(old.left_out(self.catalog))
        report = RebuildReport(
            loaded,
            built,
            old.state,
            refused,
            kept=kept,
            left_out=left_out,
            publish_problem=copy.problem,
        )
        self.bus.publish([_event(report, self.settings.url)])
        return report

    def _opened(self, file: Path) -> AbstractContextManager[Warehouse]:
        settings = self.settings.model_copy(update={"url": f"duckdb:{file}"})
        return self.open(settings, fence=self.lake.fence, open_url=self.lake.open_url)

    @contextmanager
    def _fenced(self, file: Path, old: _Old) -> Iterator[None]:
        """While the old one is replaced, nobody commits to it, nor has a later run done so."""
        if old.state != "present":
            self.lake.fence.check()
            yield
            return
        with self._opened(file) as warehouse, warehouse.transaction():
            yield

    def _old(self, file: Path) -> _Old:
        """Opened for writing, so that what stands in its write-ahead log gets into the file."""
        if not file.exists():
            return _Old("missing")
        try:
            with self._opened(file) as warehouse:
                with warehouse.transaction():
                    # Runs before this one commit nothing more to it.
                    pass
                # Of what it still owes, the new one knows nothing.
                Outbox(warehouse, self.bus).clear()
                files = warehouse.bookkeeping.files_by_object()
                tables = frozenset(warehouse.tables()) & {m.name for m in self.models.values()}
                users = self._users(warehouse)
                warehouse.execute("CHECKPOINT")
        except WarehouseError as error:
            if not is_broken(error):
                raise
            log.warning("%s", error)
            return _Old("broken")
        return _Old("present", files, tables, tuple(users))

    def _users(self, warehouse: Warehouse) -> list[UserObject]:
        current = {TableName("salesforce", obj.table) for obj in self.catalog.values()}
        own = {*current, *warehouse.bookkeeping.loaded_tables(), MERGED_RECORDS}
        own |= {TableName("", model.name) for model in self.models.values()}
        return user_objects(warehouse, own_schemas=_OWN_SCHEMAS, own_tables=own)


def _lacks(
    warehouse: Warehouse, old: _Old, loaded: LoadReport, built: BuildReport
) -> Iterator[str]:
    """What the old warehouse has and the new one has not."""
    merged = _all(warehouse.bookkeeping.files_by_object())
    if gone := sorted(_all(old.files) - merged):
        more = f" and {len(gone) - _NAMED:,} more" if len(gone) > _NAMED else ""
        names = ", ".join(gone[:_NAMED])
        yield f"{len(gone):,} file(s) of the old one could not be loaded: {names}{more}"
        for entry in loaded.objects:
            yield from entry.errors
    for table in built.tables:
        if table.table in old.tables and not table.is_built:
            yield f"table {table.table} cannot be built: {table.message}"


def _keep(
    warehouse: Warehouse, file: Path, users: Sequence[UserObject]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """What was copied over, and why the rest cannot be."""
    try:
        return tuple(map(str, copy_user_objects(warehouse, file, users))), ()
    except WarehouseError as error:
        return (), (error.reason,)


def _all(keys: Mapping[str, frozenset[str]]) -> frozenset[str]:
    return frozenset().union(*keys.values())


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
