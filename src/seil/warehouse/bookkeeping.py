"""A warehouse's bookkeeping, stored with its data: loads, flow runs, changes, builds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from seil.observe.run_context import current_run
from seil.warehouse.tables import TableName

if TYPE_CHECKING:
    import pyarrow as pa

    from seil.events.envelope import Event
    from seil.lake.notices import NoticePlace
    from seil.warehouse.builds import RowChange
    from seil.warehouse.merges import MergeOutcome

SEQUENCE, IS_OLD = "_sequence", "_is_old"
OPEN_OUTCOMES = ("rejected", "missing", "retrying")
"""States of rows that were not written."""


def images(source: TableName) -> TableName:
    """The table of a source's changed records, before and after: see SEQUENCE and IS_OLD."""
    return TableName("seil_changes", source.name)


@dataclass(frozen=True)
class ColumnCounts:
    """How many of the fields that a file's run read are in curated, and in the table.

    `left_out` are those excluded on purpose (`name: reason; ...`), `lost` the names of the others.
    """

    curated: int
    merged: int
    left_out: str
    lost: str


@dataclass(frozen=True)
class FileLoad:
    """A curated file that was merged into a table.

    `columns` is None where the file's run did not report which fields it read. `run_id` is the
    command run that merged it, empty if unknown.
    """

    curated_key: str
    curated_at: datetime
    object: str
    table: TableName
    flow_run_id: str
    mode: str
    window_start: datetime | None
    window_end: datetime | None
    landed_key: str
    landed_rows: int
    curated_rows: int
    rejected_rows: int
    outcome: MergeOutcome
    columns: ColumnCounts | None = None
    run_id: str = field(default_factory=current_run)


@dataclass(frozen=True)
class LoadTotals:
    files: int = 0
    last_loaded_at: datetime | None = None


@dataclass(frozen=True)
class FlowRunRow:
    """A flow run, as its manifest reports it."""

    object: str
    flow_run_id: str
    mode: str
    window_start: datetime | None
    window_end: datetime | None
    job_id: str
    reported: int
    landed: int
    pages: int
    columns_read: int | None
    started_at: datetime | None
    finished_at: datetime | None
    run_id: str = field(default_factory=current_run)


@dataclass(frozen=True)
class LedgerRow:
    """The row counts of one flow run. `reported` is None where the source gave no count.

    `columns_read` is the number of fields that the run read, None if unknown; the counts of
    curated and merged columns are None where no file was loaded. `columns_left_out` holds
    `name: reason; ...`; a row with `columns_lost` does not balance.
    """

    object: str
    flow_run_id: str
    mode: str
    window_start: datetime | None
    window_end: datetime | None
    reported: int | None
    landed: int
    curated: int
    set_aside: int
    merged: int
    balanced: bool
    columns_read: int | None = None
    columns_curated: int | None = None
    columns_merged: int | None = None
    columns_left_out: str = ""
    columns_lost: str = ""


@dataclass(frozen=True)
class SchemaChange:
    """A change of one column; `old_type` is empty for a new one.

    `changed_at` is None for a change of this commit, a time for a decision taken before it.
    """

    table: str
    column: str
    change: str
    old_type: str
    new_type: str
    curated_key: str
    provisional: bool = False
    changed_at: datetime | None = None

    def __str__(self) -> str:
        was = f" (was {self.old_type})" if self.old_type else ""
        return f"{self.table}.{self.column}: {self.change} {self.new_type}{was}"


@dataclass(frozen=True)
class Change:
    """A merge that changed `rows` records; `is_whole` where it did not log which."""

    sequence: int
    source: TableName
    is_whole: bool
    rows: int


@dataclass(frozen=True)
class BuiltVersion:
    """A built table's version. `version` changes with its rows; `sequence` is the last change that
    it includes.

    `checked` holds each test that passed, with the version of the other table that the test reads;
    "" where it reads no other.
    """

    table: str
    fingerprint: str
    sequence: int
    version: str
    checked: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class KeyedChange:
    """The rows in which a table's version differs from its previous one, both by key."""

    table: TableName
    key: Sequence[str]
    version: str
    previous: str
    rows: RowChange


@dataclass(frozen=True)
class ChangedKeys:
    """`keys` has the key columns, as text; `rows` is a SELECT of the table's rows with one of them,
    for `Warehouse.stream`.
    """

    keys: pa.Table
    rows: str


@dataclass(frozen=True)
class BuildRow:
    """The outcome of one build for one table."""

    build_id: str
    table: str
    state: str
    rows: int
    message: str
    loads: LoadTotals
    started_at: datetime
    finished_at: datetime
    run_id: str = field(default_factory=current_run)


@dataclass(frozen=True)
class Position:
    """Where the next listing of an object's files begins; when all of them were last listed."""

    begins: datetime
    all_at: datetime


class Bookkeeping(Protocol):
    """The reads. They give nothing for a warehouse without loads."""

    def ledger(
        self, *, objects: Collection[str] = (), flow_runs: Collection[str] = ()
    ) -> list[LedgerRow]:
        """Of these objects and flow runs, an empty collection meaning all; oldest run first."""
        ...

    def unbalanced_runs(self) -> frozenset[str]: ...

    def last_runs(self) -> frozenset[str]:
        """Per object, the flow run that finished last and the one that was loaded last."""
        ...

    def flow_runs(self, run_id: str) -> frozenset[str]:
        """Flow runs that this command run recorded or loaded; none in a warehouse of an earlier
        version, which does not store it.
        """
        ...

    def load_totals(self) -> LoadTotals: ...

    def files_by_object(self) -> Mapping[str, frozenset[str]]:
        """The keys of loaded curated files."""
        ...

    def loaded_tables(self) -> frozenset[TableName]: ...

    def loaded_files(
        self, keys: Collection[str], *, objects: Collection[str]
    ) -> Mapping[str, datetime]:
        """When each of these files was written to curated, by key; files that are not loaded are
        missing. The result may include other files of `objects`, to which all keys belong.
        """
        ...

    def recorded_runs(
        self, flow_runs: Collection[str], *, objects: Collection[str]
    ) -> frozenset[str]:
        """Those whose manifest is recorded; may include other flow runs of `objects`."""
        ...

    def positions(self) -> Mapping[str, Position]: ...

    def waiting(self) -> Mapping[str, frozenset[tuple[NoticePlace, str]]]:
        """(place, key) of files that were listed but not merged, by object."""
        ...

    def schema_changes(self, table: TableName) -> list[SchemaChange]: ...

    def provisional_columns(self) -> Mapping[str, frozenset[str]]:
        """By table, columns stored as text because nothing described them when they arrived."""
        ...

    def last_change(self) -> int:
        """The sequence of the last change; 0 before the first."""
        ...

    def changes(self) -> list[Change]:
        """Changes that some built table does not include yet, by sequence."""
        ...

    def built_versions(self) -> Mapping[str, BuiltVersion]:
        """By table."""
        ...

    def changed_keys(
        self, table: TableName, key: Sequence[str], *, since: str, until: str
    ) -> ChangedKeys | None:
        """The rows in which a built table's version `until` differs from `since`. None unless all
        builds between them recorded theirs.
        """
        ...

    def built_tables(self) -> frozenset[str]:
        """Tables of the default schema that a build created, also those without a model now."""
        ...

    def pending_events(self) -> list[Event]:
        """Committed events without a confirmed publish, in the order of recording."""
        ...

    def last_outcome(self) -> datetime | None:
        """When the newest recorded outcome changed; None without any."""
        ...


class Recorder(Protocol):
    """Part of a commit: rows become visible together with the data they describe. Recording the
    same row again replaces it.
    """

    def record_loads(self, loads: Sequence[FileLoad]) -> None: ...

    def record_runs(self, runs: Sequence[FlowRunRow]) -> None: ...

    def record_schema_changes(self, changes: Iterable[SchemaChange]) -> None:
        """Call it before changing the tables: where a commit is not atomic across tables, a retry
        finds them changed and cannot derive these rows any more.
        """
        ...

    def record_positions(self, positions: Mapping[str, Position]) -> None:
        """By object; positions of other objects stay."""
        ...

    def record_waiting(self, waiting: Mapping[str, Collection[tuple[NoticePlace, str]]]) -> None:
        """(place, key) by object; replaces the waiting files of these objects."""
        ...

    def record_builds(self, builds: Sequence[BuildRow]) -> None: ...

    def record_built(
        self,
        built: Iterable[BuiltVersion],
        watched: Mapping[str, Mapping[TableName, Collection[str]]],
        *,
        models: Collection[str],
    ) -> None:
        """`watched` are the columns that these tables read, by table and source. Removes entries of
        tables that are not in `models`, and changes that every table includes.
        """
        ...

    def record_changed_keys(self, change: KeyedChange) -> None:
        """Call it before the change is published."""
        ...

    def replace_events(self, events: Sequence[Event]) -> None:
        """Replaces events with the same id."""
        ...

    def remove_events(self, ids: Collection[str]) -> None: ...

    def record_outcomes(
        self, outcomes: pa.RecordBatchReader, *, before: datetime | None = None
    ) -> None:
        """Outcomes of writes, in the columns of OUTCOMES; in any order, and possibly repeated.

        (flow, object, key, run_id, operation) identifies one; the version that changed last is
        stored. An open outcome goes once the same row has a later one of another run; with
        `before`, a settled one that changed earlier, unless a push wrote it.
        """
        ...
