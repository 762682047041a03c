"""Curated files into the warehouse: per object, the current record of every key.

Each transaction carries some files, their rows of the ledger, and the changes of the table that
they need, so a load that is killed or repeated leaves the same table as one that was not.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from seil.catalog import Catalog, SyncedObject
from seil.errors import FileRejectedError, StatementError, WarehouseError
from seil.events.bus import Bus
from seil.events.envelope import Event
from seil.lake import Lake
from seil.observe.progress import SILENT, Progress
from seil.sf_to_dw.changes import change_log, record_change
from seil.sf_to_dw.flows import PARTIAL_MODES
from seil.sf_to_dw.history import keep_versions
from seil.sf_to_dw.ledger import prepare_ledger
from seil.sf_to_dw.load_drift import SchemaChange, TablePlan
from seil.sf_to_dw.load_files import CuratedFile, check_readable, pending_files, read_footer
from seil.sf_to_dw.load_records import (
    append_changes,
    append_runs,
    loaded_files,
    new_manifests,
    provisional_columns,
    record_loads,
)
from seil.sf_to_dw.partials_load import lay_partials_over, merge_partials
from seil.sf_to_dw.schema_review import (
    Decisions,
    as_text_columns,
    decision,
    record_decisions,
    routed,
)
from seil.warehouse.protocol import EXTRACTED_AT, FILE, Outcome, TableName
from seil.warehouse.types import TEXT, TIMESTAMP

if TYPE_CHECKING:
    from seil.warehouse.protocol import Warehouse

log = logging.getLogger(__name__)

SOURCE = "seil.sf-to-dw"
SCHEMA = "salesforce"


@dataclass(frozen=True)
class BatchLimits:
    """What one transaction may carry: the backlog of a week commits step by step."""

    files: int = 200
    size: int = 1 << 30


@dataclass(frozen=True)
class ObjectLoad:
    """What became of one object's pending files; `errors` are those left out, with the reason."""

    object: str
    table: str
    files: int = 0
    runs: int = 0
    outcome: Outcome = field(default_factory=Outcome)
    changes: tuple[SchemaChange, ...] = ()
    errors: tuple[str, ...] = ()

    @property
    def rows(self) -> int:
        return self.outcome.rows

    @property
    def ok(self) -> bool:
        return not self.errors


@dataclass(frozen=True)
class LoadReport:
    objects: tuple[ObjectLoad, ...] = ()

    @property
    def ok(self) -> bool:
        return all(entry.ok for entry in self.objects)

    @property
    def files(self) -> int:
        return sum(entry.files for entry in self.objects)

    @property
    def outcome(self) -> Outcome:
        return sum((entry.outcome for entry in self.objects), Outcome())


_LIMITS = BatchLimits()


def load(
    warehouse: Warehouse,
    lake: Lake,
    catalog: Catalog,
    *,
    objects: Iterable[str] = (),
    as_text: Iterable[str] = (),
    limits: BatchLimits = _LIMITS,
    bus: Bus | None = None,
    progress: Progress = SILENT,
) -> LoadReport:
    """Merges every curated file that no load has merged yet, in whatever order they came.

    A file that cannot be merged stays where it is and is named in the report; the others go on.
    `as_text` are columns, as `<table>.<column>`, that may become text to take in what does not fit.
    """
    prepare_ledger(warehouse)
    allowed = frozenset(as_text)
    loaded = []
    for obj in catalog.select(objects):
        loader = _ObjectLoader(warehouse, lake, obj, as_text=allowed, limits=limits)
        entry = loader.load(progress)
        if bus and (events := list(_events(entry))):
            bus.publish(events)
        loaded.append(entry)
    return LoadReport(tuple(loaded))


class _ObjectLoader:
    def __init__(
        self,
        warehouse: Warehouse,
        lake: Lake,
        obj: SyncedObject,
        *,
        as_text: frozenset[str],
        limits: BatchLimits,
    ) -> None:
        self._warehouse = warehouse
        self._lake = lake
        self._object = obj
        self._limits = limits
        self._table = TableName(SCHEMA, obj.table)
        self._decided = Decisions(lake).by_column(obj)
        self._plan = self._new_plan(as_text)
        self._is_new = self._plan.known is None
        self._errors: list[str] = []

    def load(self, progress: Progress) -> ObjectLoad:
        name = self._object.api_name
        manifests, unreadable = new_manifests(self._warehouse, self._lake, self._object)
        self._errors += unreadable
        files = list(self._accepted())
        changes = self._prepare(manifests, files)
        merged: list[Outcome] = []
        with progress.step(f"load {self._object.table}", sum(file.rows for file in files)) as step:
            try:
                for batch in _batches(files, self._limits):
                    outcomes = self._merge(batch)
                    merged += outcomes
                    step.advance(sum(outcome.rows for outcome in outcomes))
            except StatementError as error:
                log.warning("%s: %s", name, error)
                self._errors.append(str(error))
        outcome = sum(merged, Outcome())
        if outcome.without_key:
            self._errors.append(f"{outcome.without_key} row(s) of {name} have no {self._key}")
        log.info("%s: %d file(s), %s", name, len(merged), outcome)
        return ObjectLoad(
            name,
            str(self._table),
            files=len(merged),
            runs=len(manifests),
            outcome=outcome,
            changes=() if self._is_new else tuple(changes),
            errors=tuple(self._errors),
        )

    @property
    def _key(self) -> str:
        return self._object.key.lower()

    def _new_plan(self, as_text: frozenset[str]) -> TablePlan:
        known = self._warehouse.columns(self._table)
        if known is not None:
            known = pa.schema([c for c in known if c.name not in (EXTRACTED_AT, FILE)])
        return TablePlan(
            self._warehouse,
            self._table,
            known,
            provisional=provisional_columns(self._warehouse, self._table),
            as_text=as_text_columns(self._decided.values()) | self._allowed(as_text),
        )

    def _allowed(self, as_text: frozenset[str]) -> set[str]:
        """Kept as decisions, so that a rebuild takes in what this load does."""
        named = {
            name.partition(".")[2].lower()
            for name in as_text
            if name.partition(".")[0].lower() == self._table.name
        }
        new = sorted(named - as_text_columns(self._decided.values()))
        made = [decision("text", by="seil load --as-text", column=column) for column in new]
        if made:
            Decisions(self._lake).add(self._object, made)
        return named

    def _accepted(self) -> Iterator[CuratedFile]:
        """Pending files that fit the table; why the others do not is kept in the errors."""
        curated = self._lake.curated
        loaded = loaded_files(self._warehouse, self._object)
        for entry in pending_files(curated, self._object, loaded):
            key = entry.key
            try:
                file = routed(read_footer(curated, entry), self._decided)
                if self._key not in file.columns:
                    reason = f"has no column {self._object.key}"
                    raise FileRejectedError(key, "columns", reason, hint="It is the object's key")
                self._plan.accept(file)
            except FileRejectedError as error:
                log.warning("%s is left out: %s", key, error)
                self._errors.append(str(error))
            else:
                yield file

    def _prepare(
        self, manifests: Sequence[Mapping[str, Any]], files: Sequence[CuratedFile]
    ) -> list[SchemaChange]:
        """The table as the files need it, and the flow runs they came from."""
        changes = self._plan.changes() if files else []
        if not files and not manifests:
            return changes
        with self._warehouse.transaction():
            if files:
                self._alter(changes)
            append_changes(self._warehouse, changes)
            record_decisions(self._warehouse, self._table, self._decided.values())
            append_runs(self._warehouse, manifests)
        return changes

    def _alter(self, changes: Iterable[SchemaChange]) -> None:
        wanted = self._plan.columns
        if self._is_new:
            own = [pa.field(EXTRACTED_AT, TIMESTAMP), pa.field(FILE, TEXT)]
            self._warehouse.create_table(self._table, pa.schema([*wanted, *own]))
            return
        for change in changes:
            column = wanted.field(change.column)
            if change.change == "new-column":
                self._warehouse.add_column(self._table, column)
            else:
                self._warehouse.change_type(self._table, column)

    def _merge(self, batch: Sequence[CuratedFile]) -> list[Outcome]:
        """One transaction. Should it fail for a damaged file, that one is left out."""
        try:
            return self._merge_together(batch)
        except WarehouseError:
            sound = [file for file in batch if self._is_sound(file)]
            if len(sound) == len(batch):
                raise
        return self._merge_together(sound) if sound else []

    def _merge_together(self, batch: Sequence[CuratedFile]) -> list[Outcome]:
        with self._warehouse.transaction():
            staged = [file.staged for file in batch if file.mode not in PARTIAL_MODES]
            log = change_log(self._warehouse, self._table, self._key) if staged else None
            outcomes: dict[str, Outcome] = {}
            if self._object.history:
                keep_versions(self._warehouse, self._table, batch, key=self._key)
            if staged:
                outcomes |= self._warehouse.merge(self._table, staged, key=self._key, log=log)
            if log:
                record_change(self._warehouse, self._table, log)
            outcomes |= merge_partials(self._warehouse, self._table, batch, key=self._key)
            for file in batch:
                if outcomes[file.key].rows != file.rows:
                    reason = (
                        f"{file.key} has {file.rows} rows, but {outcomes[file.key].rows} of them "
                        f"were merged into {self._table}"
                    )
                    raise WarehouseError(self._warehouse.url, reason, hint="Nothing was committed")
            lay_partials_over(self._warehouse, self._table, self._key)
            record_loads(self._warehouse, self._object, [(f, outcomes[f.key]) for f in batch])
        return list(outcomes.values())

    def _is_sound(self, file: CuratedFile) -> bool:
        try:
            check_readable(self._lake.curated, file)
        except FileRejectedError as error:
            log.warning("%s is left out: %s", file.key, error)
            self._errors.append(str(error))
            return False
        return True


def _batches(files: Iterable[CuratedFile], limits: BatchLimits) -> Iterator[list[CuratedFile]]:
    batch: list[CuratedFile] = []
    size = 0
    for file in files:
        if batch and (len(batch) >= limits.files or size + file.size > limits.size):
            yield batch
            batch, size = [], 0
        batch.append(file)
        size += file.size
    if batch:
        yield batch


def _events(entry: ObjectLoad) -> Iterator[Event]:
    about = {"object": entry.object, "table": entry.table}
    if entry.files or entry.errors:
        detail = {
            "state": "error" if entry.errors else "success",
            **about,
            "files": entry.files,
            "rows": entry.rows,
            **asdict(entry.outcome),
            "errors": list(entry.errors),
        }
        yield Event(SOURCE, "load", detail)
    for change in entry.changes:
        yield Event(SOURCE, "schema-drift", {**about, **asdict(change), "message": str(change)})
