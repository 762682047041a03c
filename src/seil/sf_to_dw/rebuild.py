"""Rebuilds the warehouse from curated and staging, and swaps it for the old one atomically.

A rebuild that is killed before the swap leaves the old warehouse untouched; the next one starts
over.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol

from seil.catalog import Catalog
from seil.errors import WarehouseError
from seil.events.bus import Bus
from seil.events.envelope import Event
from seil.events.file_events import SOURCE
from seil.lake import Lake, RunFence
from seil.modeling.build import BuildReport, build
from seil.observe.progress import SILENT, Progress
from seil.settings import WarehouseSettings
from seil.sf_to_dw.load.loader import LoadReport, load
from seil.sf_to_dw.load.merged_records import VIEW as MERGED_RECORDS
from seil.state.decisions import DecisionStore
from seil.warehouse import open_replacement, publish
from seil.warehouse.merges import OpenUrl
from seil.warehouse.outbox import Outbox
from seil.warehouse.replacement import OldState, Replacement, UserObject
from seil.warehouse.tables import TableName

if TYPE_CHECKING:
    from seil.modeling.model import Models
    from seil.warehouse.protocol import Warehouse

_MAX_NAMES = 3
_OWN_SCHEMAS = re.compile(r"seil|seil_\w+|salesforce_history")


class OpenReplacement(Protocol):
    def __call__(
        self, settings: WarehouseSettings, *, fence: RunFence, open_url: OpenUrl
    ) -> Replacement: ...


@dataclass(frozen=True)
class RebuildReport:
    """`refused` are the reasons why the old warehouse stays; empty after the swap.

    `state` is the old warehouse's. `copied` are the users' schemas, tables and views in the new
    warehouse; `removed_objects` are those that are missing because the catalog lacks them now.
    """

    load: LoadReport
    build: BuildReport
    state: str
    refused: tuple[str, ...] = ()
    copied: tuple[str, ...] = ()
    removed_objects: tuple[str, ...] = ()
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
    """Contents of the old warehouse: curated files by object, built tables, users' objects."""

    state: OldState
    files: Mapping[str, frozenset[str]] = field(default_factory=dict)
    tables: frozenset[str] = frozenset()
    users: tuple[UserObject, ...] = ()

    def not_copied(self) -> Iterator[str]:
        for entry in self.users:
            if not entry.is_copied:
                yield f"{entry} is not SEIL's and cannot be copied: keep its text, then drop it"

    def in_catalog(self, catalog: Catalog) -> _Old:
        """Without the files of objects that are no longer in the catalog."""
        files = {name: keys for name, keys in self.files.items() if catalog.find(name)}
        return replace(self, files=files)

    def removed_objects(self, catalog: Catalog) -> Iterator[str]:
        for name, files in self.files.items():
            if catalog.find(name) is None:
                yield (
                    f"{name} is no longer in the catalog: its {len(files):,} file(s) stay in "
                    "curated, its table is not in the new warehouse"
                )


@dataclass(frozen=True)
class Rebuild:
    """The caller holds the run lock. Raises WarehouseError while the old warehouse is in use.

    `on_loaded` is called with the new warehouse before its tables are built.
    """

    settings: WarehouseSettings
    lake: Lake
    catalog: Catalog
    models: Models
    bus: Bus
    decisions: DecisionStore
    progress: Progress = SILENT
    open: OpenReplacement = field(default=open_replacement)
    on_loaded: Callable[[Warehouse], None] = lambda _: None

    def run(self, *, anyway: bool = False) -> RebuildReport:
        """`anyway` swaps even if the new warehouse lacks something that the old one has."""
        lake = self.lake
        replacement = self.open(self.settings, fence=lake.fence, open_url=lake.open_url)
        old = self._read_old(replacement)
        if not anyway and (refused := tuple(old.not_copied())):
            return RebuildReport(LoadReport(), BuildReport("", ()), old.state, refused)
        try:
            report = self._fill(replacement, old, anyway=anyway)
            if report.is_replaced:
                replacement.replace()
        finally:
            replacement.discard()
        copy = publish(self.settings, is_replaced=True)
        report = replace(report, publish_problem=copy.problem)
        self.bus.publish([_event(report, self.settings.url)])
        return report

    def _fill(self, replacement: Replacement, old: _Old, *, anyway: bool) -> RebuildReport:
        """Loads and builds the new warehouse, and compares it with the old one."""
        with replacement.new() as warehouse:
            loaded = load(
                warehouse,
                self.lake,
                self.catalog,
                decisions=self.decisions,
                progress=self.progress,
            )
            self.on_loaded(warehouse)
            built = build(warehouse, self.models, progress=self.progress)
            missing = list(_missing(warehouse, old.in_catalog(self.catalog), loaded, built))
            copied, failed = _copy_user_objects(replacement, old.users)
        return RebuildReport(
            loaded,
            built,
            old.state,
            () if anyway else (*missing, *failed),
            copied=copied,
            removed_objects=tuple(old.removed_objects(self.catalog)),
        )

    def _read_old(self, replacement: Replacement) -> _Old:
        def read(warehouse: Warehouse) -> _Old:
            # The swap would lose events that are not published yet.
            Outbox(warehouse, self.bus).clear()
            return _Old(
                "present",
                warehouse.bookkeeping.files_by_object(),
                frozenset(warehouse.tables()) & {model.name for model in self.models.values()},
                tuple(
                    replacement.user_objects(
                        own_schemas=_OWN_SCHEMAS, own_tables=self._own_tables(warehouse)
                    )
                ),
            )

        state, old = replacement.read_old(read)
        return old or _Old(state)

    def _own_tables(self, warehouse: Warehouse) -> set[TableName]:
        current = {TableName("salesforce", obj.table) for obj in self.catalog.values()}
        own = {*current, *warehouse.bookkeeping.loaded_tables(), MERGED_RECORDS}
        return own | {TableName("", model.name) for model in self.models.values()}


def _missing(
    warehouse: Warehouse, old: _Old, loaded: LoadReport, built: BuildReport
) -> Iterator[str]:
    """What the old warehouse has and the new one lacks, one line each."""
    loaded_files = _all(warehouse.bookkeeping.files_by_object())
    if files := sorted(_all(old.files) - loaded_files):
        more = f" and {len(files) - _MAX_NAMES:,} more" if len(files) > _MAX_NAMES else ""
        names = ", ".join(files[:_MAX_NAMES])
        yield f"{len(files):,} file(s) of the old one could not be loaded: {names}{more}"
        for entry in loaded.objects:
            yield from entry.errors
    for table in built.tables:
        if table.table in old.tables and not table.is_built:
            yield f"table {table.table} cannot be built: {table.message}"


def _copy_user_objects(
    replacement: Replacement, users: Sequence[UserObject]
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Names of the copied objects, and why the copy failed."""
    try:
        return tuple(map(str, replacement.copy_user_objects(users))), ()
    except WarehouseError as error:
        return (), (error.reason,)


def _all(keys: Mapping[str, frozenset[str]]) -> frozenset[str]:
    return frozenset().union(*keys.values())


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
