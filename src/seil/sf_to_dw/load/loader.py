"""Curated -> warehouse: merges curated files into a table of current records per object.

A commit has files, their ledger rows and the table changes that they need, so that a killed or
repeated load leaves the same tables. Objects with few rows share a commit; if it fails, each gets
its own.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

from seil.catalog import Catalog
from seil.errors import SeilError
from seil.events.bus import Bus
from seil.lake import Lake
from seil.observe.progress import SILENT, Progress
from seil.sf_to_dw.load.arrivals import Arrivals
from seil.sf_to_dw.load.batches import BatchLimits
from seil.sf_to_dw.load.events import ObjectLoad
from seil.sf_to_dw.load.merged_records import (
    MASTER,
    drop_view,
    is_name_free,
    replace_view,
    view_exists,
)
from seil.sf_to_dw.load.object_loader import ObjectLoader
from seil.sf_to_dw.load.records import file_load
from seil.state.decisions import NO_DECISIONS, DecisionStore
from seil.warehouse.commits import commit_id
from seil.warehouse.merges import MergeOutcome
from seil.warehouse.outbox import Outbox

if TYPE_CHECKING:
    from seil.warehouse.protocol import Warehouse

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LoadReport:
    objects: tuple[ObjectLoad, ...] = ()

    def __add__(self, other: LoadReport) -> LoadReport:
        return LoadReport((*self.objects, *other.objects))

    @property
    def ok(self) -> bool:
        return all(entry.ok for entry in self.objects)

    @property
    def files(self) -> int:
        return sum(entry.files for entry in self.objects)

    @property
    def outcome(self) -> MergeOutcome:
        return sum((entry.outcome for entry in self.objects), MergeOutcome())


_LIMITS = BatchLimits()


def load(
    warehouse: Warehouse,
    lake: Lake,
    catalog: Catalog,
    *,
    objects: Iterable[str] = (),
    as_text: Iterable[str] = (),
    everything: bool = False,
    limits: BatchLimits = _LIMITS,
    decisions: DecisionStore = NO_DECISIONS,
    bus: Bus | None = None,
    progress: Progress = SILENT,
) -> LoadReport:
    """Merges every curated file that no load has merged yet, in whatever order they arrived.

    A file that cannot be merged stays in curated and is named in the report; the others continue.
    `as_text` are columns, as `<table>.<column>`, that may become text to hold values that do not
    fit. `everything` lists all of curated, as the first load of a day does.
    """
    warehouse.prepare()
    chosen = catalog.select(objects)
    arrivals = Arrivals(warehouse, lake, chosen, everything=everything)
    outbox = Outbox(warehouse, bus)
    provisional = warehouse.bookkeeping.provisional_columns()
    allowed = frozenset(as_text)
    loaders = (
        ObjectLoader(
            warehouse,
            lake,
            obj,
            arrivals.pending(obj),
            provisional=provisional,
            as_text=allowed,
            decisions=decisions,
            outbox=outbox,
        )
        for obj in chosen
    )
    loaded: list[ObjectLoad] = []
    has_merges, has_view = False, is_name_free(catalog.values())
    if not has_view:
        drop_view(warehouse)
    for group in _groups(loaders, limits):
        _load_group(warehouse, group, limits, progress)
        outbox.publish([event for loader in group for event in loader.events()])
        loaded += [loader.report() for loader in group]
        has_merges |= any(loader.has_column(MASTER) for loader in group)
    if has_view and (has_merges or not view_exists(warehouse)):
        replace_view(warehouse, catalog.values())
    arrivals.record({entry.object: entry.pending for entry in loaded})
    outbox.clear()
    return LoadReport(tuple(loaded))


def _groups(loaders: Iterable[ObjectLoader], limits: BatchLimits) -> Iterator[list[ObjectLoader]]:
    """Neighbours that fit into one commit; an object with many rows or a changed table is alone."""
    group: list[ObjectLoader] = []
    files, size = 0, 0
    for loader in loaders:
        loader.prepare()
        files += len(loader.files)
        size += loader.size
        fits = files <= limits.files and size <= min(limits.shared, limits.size)
        if group and (loader.alters or not fits):
            yield group
            group, files, size = [], len(loader.files), loader.size
        group.append(loader)
        if loader.alters:
            yield group
            group, files, size = [], 0, 0
    if group:
        yield group


def _load_group(
    warehouse: Warehouse, group: Sequence[ObjectLoader], limits: BatchLimits, progress: Progress
) -> None:
    manifests = [row for loader in group for row in loader.manifests]
    if manifests:
        name = commit_id("runs", *(run.flow_run_id for run in manifests))
        with warehouse.commit(name) as commit:
            commit.recorder.record_runs(manifests)
    for loader in group:
        loader.backfill_history(limits)
    pending = [loader for loader in group if loader.files]
    together = warehouse.traits.atomic_across_tables and len(pending) > 1
    if together and _load_together(warehouse, pending, progress):
        return
    for loader in pending:
        loader.load(limits, progress)


def _load_together(warehouse: Warehouse, group: Sequence[ObjectLoader], progress: Progress) -> bool:
    """All or nothing; each object's step ends with the commit. False: load them one by one."""
    commit_name = commit_id("load", *(one.commit_id for one in group))
    try:
        with ExitStack() as steps, warehouse.commit(commit_name) as commit:
            merged = [
                loader.merge_all(commit, steps.enter_context(loader.step(progress)))
                for loader in group
            ]
            pairs = list(zip(group, merged, strict=True))
            commit.recorder.record_loads([file_load(entry) for files in merged for entry in files])
            events = [event for one, own in pairs for event in one.events(own)]
            group[0].outbox.add(commit.recorder, events)
    except SeilError as error:
        log.info("each object gets a transaction of its own, as one for all failed: %s", error)
        return False
    for loader, files in zip(group, merged, strict=True):
        loader.count(files)
    return True
