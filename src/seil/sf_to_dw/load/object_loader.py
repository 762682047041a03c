"""Loads one object's pending files: reads them, alters the table for them, merges them."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import TYPE_CHECKING

import pyarrow as pa

from seil.catalog import SyncedObject
from seil.errors import (
    FileRejectedError,
    StatementError,
    TableInUseError,
    WarehouseError,
)
from seil.events.envelope import Event
from seil.lake import Entry, Lake
from seil.observe.progress import Progress, Step
from seil.salesforce.ids import holds_ids
from seil.sf_to_dw.extract.flows import OWN_CURATED, PARTIAL_MODES
from seil.sf_to_dw.load.arrivals import Arrival, ArrivalKey
from seil.sf_to_dw.load.batches import BatchLimits, batches
from seil.sf_to_dw.load.columns import count_columns, manifest_columns
from seil.sf_to_dw.load.decisions import route, unrecorded_decisions
from seil.sf_to_dw.load.drift import ColumnPlan
from seil.sf_to_dw.load.events import ObjectLoad, load_events
from seil.sf_to_dw.load.files import CuratedFile, check_readable, read_footer
from seil.sf_to_dw.load.records import MergedFile, file_load, read_manifests
from seil.sf_to_dw.schema.column_names import LINEAGE_NAMES
from seil.sf_to_dw.schema.registry import SchemaRegistry
from seil.sf_to_dw.schema.review import (
    as_text_columns,
    decision,
)
from seil.state.decisions import DecisionStore, in_force
from seil.warehouse.bookkeeping import ColumnCounts, FlowRunRow, SchemaChange
from seil.warehouse.commits import commit_id
from seil.warehouse.lost_reasons import with_reason
from seil.warehouse.merges import EXTRACTED_AT, FILE, MergeOutcome, Records
from seil.warehouse.outbox import Outbox
from seil.warehouse.tables import TableName
from seil.warehouse.types import TEXT, TIMESTAMP

if TYPE_CHECKING:
    from seil.warehouse.commits import Commit
    from seil.warehouse.protocol import Warehouse

log = logging.getLogger(__name__)

SCHEMA = "salesforce"


class ObjectLoader:
    """First `prepare`; then `load`, or `merge_all` in the caller's commit and `count` after it.

    `provisional` are, by table, the columns that are text only until something describes them.
    """

    def __init__(
        self,
        warehouse: Warehouse,
        lake: Lake,
        obj: SyncedObject,
        arrival: Arrival,
        *,
        provisional: Mapping[str, frozenset[str]],
        as_text: frozenset[str],
        decisions: DecisionStore,
        outbox: Outbox,
    ) -> None:
        self._warehouse = warehouse
        self._lake = lake
        self._provisional = provisional
        self._as_text = as_text
        self._decisions = decisions
        self._arrival = arrival
        self._pending: set[ArrivalKey] = {("curated", entry.key) for entry in arrival.files}
        self._load_id = uuid.uuid4().hex
        self.outbox = outbox
        self.object = obj
        self.table = TableName(SCHEMA, obj.table)
        self.manifests: list[FlowRunRow] = []
        self.files: list[CuratedFile] = []
        self.changes: list[SchemaChange] = []
        self.is_new = False
        self.outcomes: list[MergeOutcome] = []
        self.errors: list[str] = []

    @property
    def size(self) -> int:
        return sum(file.size for file in self.files)

    @property
    def commit_id(self) -> str:
        """For a commit of all files."""
        return _id_of("load", self.files)

    @property
    def alters(self) -> bool:
        """Whether an existing table gets other columns."""
        return bool(self.changes) and not self.is_new

    def has_column(self, column: str) -> bool:
        """Whether files are pending for a table with this column."""
        return bool(self.files) and column in self._plan.columns.names

    @property
    def _key(self) -> str:
        return self.object.key.lower()

    @property
    def _records(self) -> Records:
        elsewhere = {c for c, entry in self._decided.items() if entry.policy in ("column", "drop")}
        return Records(
            self.table,
            self._key,
            history=self.object.history,
            given_up=frozenset(elsewhere),
            timed_files=OWN_CURATED,
        )

    def prepare(self) -> None:
        """Reads the footers of pending files, and plans the table's columns for them."""
        self.manifests, unreadable = read_manifests(self._lake, self._arrival.manifests)
        self._pending |= {("staging", key) for key in unreadable}
        self.errors += unreadable.values()
        self._decided = in_force(self._decisions.get(self.object.api_name))
        as_text = as_text_columns(self._decided.values()) | self._record_decisions()
        if not self._arrival.files:
            return
        self._allowed_text = as_text
        self._plan_files(self._readable(self._arrival.files))

    def _readable(self, entries: Iterable[Entry]) -> Iterator[CuratedFile]:
        """Rejects the others."""
        for entry in entries:
            try:
                file = route(self._footer(entry), self._decided)
                if self._key not in file.columns:
                    reason = f"has no column {self.object.key}"
                    hint = f"Add it, or set key for objects.{self.object.api_name} in objects.toml"
                    raise FileRejectedError(entry.key, "columns", reason, hint=hint)
            except FileRejectedError as error:
                self._reject(entry.key, error)
            else:
                yield file

    def _footer(self, entry: Entry) -> CuratedFile:
        """Names the columns with record Ids in files of older versions, which may have Ids of 15
        characters.
        """
        file = read_footer(self._lake.curated, entry)
        if LINEAGE_NAMES in file.metadata:
            return file
        schema = SchemaRegistry(self._lake).expected(self.object)
        kinds = {field.name.lower(): field.type for field in schema.fields} if schema else {}
        key = self.object.key
        ids = {name for name in file.columns if holds_ids(name, kinds.get(name, ""), key)}
        return replace(file, staged=replace(file.staged, ids=frozenset(ids)))

    def _plan_files(self, files: Iterable[CuratedFile]) -> None:
        """Plans the table for these files; rejects those that do not fit."""
        self._plan = self._new_plan(self._allowed_text)
        self.is_new = self._plan.current is None
        self.files = []
        for file in files:
            try:
                self._plan.accept(file)
            except FileRejectedError as error:
                self._reject(file.key, error)
            except StatementError as error:
                self._reject(file.key, self._rejection(file, error))
            else:
                self.files.append(file)
        self.changes = self._plan.changes() if self.files else []

    def backfill_history(self, limits: BatchLimits) -> None:
        """Stores the versions of files merged before the object's history was switched on."""
        if not self.object.history:
            return
        name = self.object.api_name
        missing = self._warehouse.files_without_versions(self._records, name)
        missing -= {file.key for file in self.files}
        if not missing:
            return
        prefix = f"Salesforce-{self.object.landing_name}/"
        entries = [entry for entry in self._lake.curated.list(prefix) if entry.key in missing]
        deleted = missing - {entry.key for entry in entries}
        text = "%s: backfilling its history from %d merged files; %d are no longer in curated"
        log.info(text, name, len(entries), len(deleted), extra={"object": name})
        with self._warehouse.commit(commit_id("versions", *deleted)) as commit:
            commit.merger.store_current_versions(self._records, deleted)
        files = list(self._readable(entries))
        for batch in batches(files, limits):
            self._bisect(batch, self._write_versions)

    def _write_versions(self, batch: Sequence[CuratedFile]) -> list[MergedFile]:
        with self._warehouse.commit(_id_of("versions", batch)) as commit:
            commit.merger.store_versions(self._records, [file.staged for file in batch])
        return []

    def load(self, limits: BatchLimits, progress: Progress) -> None:
        """In commits of its own. A table that a reader holds is left to the next load."""
        with self.step(progress) as step:
            try:
                self._load(limits, step)
            except TableInUseError as error:
                self.errors.append(f"{self.table} is in use: {error}")
            if self.errors:
                step.conclude("; ".join(self.errors), ok=False)

    def _load(self, limits: BatchLimits, step: Step) -> None:
        """Bisects the files where the table cannot be altered for them, to reject the culprits."""
        files = self.files
        try:
            with_reason(self._change_table)
        except TableInUseError:
            self.changes = []
            raise
        except StatementError as error:
            if len(files) == 1:
                self._reject(files[0].key, self._rejection(files[0], error))
                self.changes = []
                return
            changes: list[SchemaChange] = []
            middle = len(files) // 2
            for half in (files[:middle], files[middle:]):
                self._plan_files(half)
                if self.files:
                    self._load(limits, step)
                    changes += self.changes
            self.changes = changes
            return
        for batch in batches(files, limits):
            merged = self._bisect(batch, self._merge_batch)
            self.count(merged)
            step.advance(sum(entry.outcome.rows for entry in merged))

    def _change_table(self) -> None:
        if self.is_new or self.changes or self._decided:
            with self._warehouse.commit(_id_of("tables", self.files)) as commit:
                self._alter_table(commit)
                self.outbox.add(commit.recorder, self.events())

    def merge_all(self, commit: Commit, step: Step) -> list[MergedFile]:
        """Merges all files; the caller records them."""
        self._alter_table(commit)
        merged = self._merge(commit, self.files)
        step.advance(sum(entry.outcome.rows for entry in merged))
        return merged

    def count(self, merged: Iterable[MergedFile]) -> None:
        """Counts files whose merge is committed."""
        merged = list(merged)
        self._pending -= {("curated", entry.file.key) for entry in merged}
        outcomes = [entry.outcome for entry in merged]
        self.outcomes += outcomes
        total = sum(outcomes, MergeOutcome())
        if total.without_key:
            name = self.object.api_name
            self.errors.append(f"{total.without_key} row(s) of {name} have no {self._key}")
        name, files = self.object.api_name, len(outcomes)
        runs = sorted({entry.file.flow_run_id for entry in merged if entry.file.flow_run_id})
        extra = {"object": name, "flow_run_ids": runs, "files": files, **vars(total)}
        log.info("%s: %d file(s), %s", name, files, total, extra=extra)
        for entry in merged:
            about = {"object": name, "file": entry.file.key, **vars(entry.outcome)}
            about["flow_run_id"] = entry.file.flow_run_id
            log.debug("%s is merged: %s", entry.file.key, entry.outcome, extra=about)

    def report(self, merged: Iterable[MergedFile] = ()) -> ObjectLoad:
        """Of what is committed, and of `merged`, about to be."""
        outcomes = [*self.outcomes, *(entry.outcome for entry in merged)]
        return ObjectLoad(
            self.object.api_name,
            str(self.table),
            files=len(outcomes),
            runs=len(self.manifests),
            outcome=sum(outcomes, MergeOutcome()),
            changes=() if self.is_new else tuple(self.changes),
            errors=tuple(self.errors),
            pending=frozenset(self._pending),
        )

    def events(self, merged: Iterable[MergedFile] = ()) -> list[Event]:
        return list(load_events(self.report(merged), self._load_id))

    def step(self, progress: Progress) -> AbstractContextManager[Step]:
        return progress.step(f"load {self.object.api_name}", sum(file.rows for file in self.files))

    def _new_plan(self, as_text: set[str]) -> ColumnPlan:
        existing = self._warehouse.columns(self.table)
        if existing is not None:
            existing = pa.schema([c for c in existing if c.name not in (EXTRACTED_AT, FILE)])
        return ColumnPlan(
            self._warehouse,
            self.table,
            existing,
            provisional=self._provisional.get(str(self.table), frozenset()),
            as_text=as_text,
        )

    def _record_decisions(self) -> set[str]:
        """Stores `as_text` as decisions, so that a rebuild loads the same files.

        Returns the columns.
        """
        columns = {
            name.partition(".")[2].lower()
            for name in self._as_text
            if name.partition(".")[0].lower() == self.table.name
        }
        new = sorted(columns - as_text_columns(self._decided.values()))
        if new:
            decisions = [decision("text", by="seil load --as-text", column=name) for name in new]
            self._decisions.add(self.object.api_name, decisions)
        return columns

    def _alter_table(self, commit: Commit) -> None:
        """Creates the table, or alters it as planned."""
        planned = self._plan.columns
        decided = unrecorded_decisions(self._warehouse, self.table, self._decided.values())
        # First: an engine whose commits are not atomic across tables redoes what it lacks, and a
        # table that has changed already would not say why.
        commit.recorder.record_schema_changes([*self.changes, *decided])
        if self.is_new:
            own = [pa.field(EXTRACTED_AT, TIMESTAMP), pa.field(FILE, TEXT)]
            columns = pa.schema([*planned, *own])
            commit.tables.create_table(self.table, columns, key=self._key)
        changes = self.changes if self.alters else []
        for change in changes:
            if change.change == "new-type":
                commit.tables.change_type(self.table, planned.field(change.column))
        if new := [planned.field(c.column) for c in changes if c.change == "new-column"]:
            commit.tables.add_columns(self.table, pa.schema(new))

    def _bisect(
        self,
        batch: Sequence[CuratedFile],
        work: Callable[[Sequence[CuratedFile]], list[MergedFile]],
    ) -> list[MergedFile]:
        """Calls `work` with the files in one commit; where that fails, bisects them to reject the
        damaged and unacceptable ones and merge the others.
        """
        try:
            return with_reason(lambda: work(batch))
        except WarehouseError as error:
            sound = [file for file in batch if self._is_sound(file)]
            if len(sound) == len(batch):
                if not isinstance(error, StatementError):
                    raise
                if len(batch) == 1:
                    self._reject(batch[0].key, self._rejection(batch[0], error))
                    return []
        middle = (len(sound) + 1) // 2 if len(sound) == len(batch) else len(sound)
        halves = (sound[:middle], sound[middle:])
        return [merged for half in halves if half for merged in self._bisect(half, work)]

    def _merge_batch(self, batch: Sequence[CuratedFile]) -> list[MergedFile]:
        with self._warehouse.commit(_id_of("load", batch)) as commit:
            merged = self._merge(commit, batch)
            commit.recorder.record_loads([file_load(entry) for entry in merged])
            self.outbox.add(commit.recorder, self.events(merged))
        return merged

    def _merge(self, commit: Commit, batch: Sequence[CuratedFile]) -> list[MergedFile]:
        outcomes = commit.merger.merge(self._records, [file.staged for file in batch])
        for file in batch:
            if outcomes[file.key].rows != file.rows:
                reason = (
                    f"{file.key} has {file.rows} rows, but {outcomes[file.key].rows} of them "
                    f"were merged into {self.table}"
                )
                raise WarehouseError(self._warehouse.url, reason, hint="Nothing was committed")
        counts = self._column_counts(batch)
        return [
            MergedFile(self.object, file, outcomes[file.key], columns=counts.get(file.key))
            for file in batch
        ]

    def _column_counts(self, batch: Sequence[CuratedFile]) -> dict[str, ColumnCounts]:
        """By file, for files of whole records whose manifest lists the fields read."""
        whole = [file for file in batch if file.mode not in PARTIAL_MODES]
        runs = {file.flow_run_id for file in whole}
        read = {run: manifest_columns(self._lake, self.object, run) for run in runs if run}
        table = self._warehouse.columns(self.table) if any(read.values()) else None
        if table is None:
            return {}
        return {
            file.key: count_columns(
                read[file.flow_run_id],
                file,
                frozenset(table.names),
                excluded=self.object.exclude,
                decisions=self._decided,
            )
            for file in whole
            if read.get(file.flow_run_id)
        }

    def _is_sound(self, file: CuratedFile) -> bool:
        try:
            check_readable(self._lake.curated, file)
        except FileRejectedError as error:
            self._reject(file.key, error)
            return False
        return True

    def _rejection(self, file: CuratedFile, error: StatementError) -> FileRejectedError:
        table = f"{self.table} ({len(self._plan.columns):,} columns)"
        next_step = "Deliver it again, corrected"
        if error.hint:
            next_step = f"{error.hint}; then `seil files retry {file.key}` and `seil run`"
        hint = f"It stays in curated; the object's other files were loaded. {next_step}"
        reason = f"cannot be merged into {table}: {error.reason}"
        return FileRejectedError(file.key, "merge", reason, hint=hint)

    def _reject(self, key: str, error: FileRejectedError) -> None:
        about = {"object": self.object.api_name, "file": key}
        log.warning("%s is left out: %s", key, error, extra=about)
        self.errors.append(str(error))


def _id_of(kind: str, files: Iterable[CuratedFile]) -> str:
    """`written_at` is part of it: another version of a file is another commit."""
    return commit_id(kind, *(f"{file.key} {file.written_at.isoformat()}" for file in files))
