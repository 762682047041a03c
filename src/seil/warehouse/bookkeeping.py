"""What a warehouse keeps about its data, beside the data: loads, flow runs, changes, builds."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from seil.observe.run_context import current_run
from seil.warehouse.tables import TableName

if TYPE_CHECKING:
    from seil.events.envelope import Event
    from seil.lake.notices import NoticePlace
    from seil.warehouse.merges import MergeOutcome

SEQUENCE, IS_OLD = "_sequence", "_is_old"


def images(source: TableName) -> TableName:
    """Where the changed records of a source are kept, with the columns SEQUENCE and IS_OLD."""
    return TableName("seil_changes", source.name)


@dataclass(frozen=True)
class ColumnCounts:
    """Of the fields that a file's run read: how many are in curated, and in the table; which were
    left out (`name: reason; ...`), and which were lost.
    """

    curated: int
    merged: int
    left_out: str
    lost: str


@dataclass(frozen=True)
class FileLoad:
    """A curated file whose rows are in a table.

    `columns` is None where the file's run did not say which fields it read. `run_id` is the command
    run that merged it, empty where nobody said.
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
    """What a flow run said of itself in its manifest."""

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
    """`reported` is None where nobody said how many there should be.

    Of columns: `columns_read` are the fields that the run read, None where nobody said; all of them
    are in curated and in the table, but for those left out (`name: reason; ...`). Those lost are
    named, and the row does not balance. Without a file there is nothing to count.
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
    """One column of a table that changes; `old_type` is empty for a new one.

    `changed_at` is None for what the commit changes itself, a time for a decision taken before.
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
    """A merge that changed `rows` records; `is_whole` where it did not write down which."""

    sequence: int
    source: TableName
    is_whole: bool
    rows: int


@dataclass(frozen=True)
class BuiltVersion:
    """What a table holds. `version` changes with its rows, `sequence` is the last change seen.

    `checked` says, for each test of the table that concerns another one, which version of that it
    was passed with, and of those that were not passed, "".
    """

    table: str
    fingerprint: str
    sequence: int
    version: str
    checked: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class BuildRow:
    """What one build did to one table."""

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
    """Where the next listing of an object's files begins, and when all were listed last."""

    begins: datetime
    all_at: datetime


class Bookkeeping(Protocol):
    """Reads. A warehouse that nothing was loaded into gives nothing."""

    def ledger(
        self, *, objects: Collection[str] = (), flow_runs: Collection[str] = ()
    ) -> list[LedgerRow]:
        """Of the named objects and flow runs, all where none is named; oldest run first."""
        ...

    def unbalanced_runs(self) -> frozenset[str]: ...

    def last_runs(self) -> frozenset[str]:
        """Per object, the flow run that finished last, and the one that was loaded last."""
        ...

    def flow_runs(self, run_id: str) -> frozenset[str]:
        """Those that this run of a command recorded or loaded. A warehouse of an earlier version
        does not say.
        """
        ...

    def load_totals(self) -> LoadTotals: ...

    def files_by_object(self) -> Mapping[str, frozenset[str]]:
        """The keys of the curated files that are loaded."""
        ...

    def loaded_tables(self) -> frozenset[TableName]: ...

    def loaded_files(
        self, keys: Collection[str], *, objects: Collection[str]
    ) -> Mapping[str, datetime]:
        """When those of these files that are loaded had been written to curated, by key. They are
        files of `objects`; others of these may be among the result.
        """
        ...

    def recorded_runs(
        self, flow_runs: Collection[str], *, objects: Collection[str]
    ) -> frozenset[str]:
        """Those of these flow runs, of `objects`, whose manifest is recorded; maybe others, too."""
        ...

    def positions(self) -> Mapping[str, Position]: ...

    def waiting(self) -> Mapping[str, frozenset[tuple[NoticePlace, str]]]:
        """(place, key) of files that were listed and not merged, by object."""
        ...

    def schema_changes(self, table: TableName) -> list[SchemaChange]: ...

    def provisional_columns(self) -> Mapping[str, frozenset[str]]:
        """By table: columns that are text only because nothing described them when they came."""
        ...

    def last_change(self) -> int:
        """Its sequence; 0 before the first one."""
        ...

    def changes(self) -> list[Change]:
        """Those that not every built table has seen, in order."""
        ...

    def built_versions(self) -> Mapping[str, BuiltVersion]:
        """By table."""
        ...

    def built_tables(self) -> frozenset[str]:
        """Tables of the default schema that a build made and that are there, whatever the models
        are now.
        """
        ...

    def pending_events(self) -> list[Event]:
        """Committed and not known to be published, in the order they were recorded."""
        ...


class Recorder(Protocol):
    """Part of a commit: what is written becomes visible with the data that it is about. A row that
    is recorded again takes the place of the earlier one.
    """

    def record_loads(self, loads: Sequence[FileLoad]) -> None: ...

    def record_runs(self, runs: Sequence[FlowRunRow]) -> None: ...

    def record_schema_changes(self, changes: Iterable[SchemaChange]) -> None:
        """Before the tables change: where a commit is not atomic across tables, what is redone
        could not tell any more why they did.
        """
        ...

    def record_positions(self, positions: Mapping[str, Position]) -> None:
        """Others keep theirs."""
        ...

    def record_waiting(self, waiting: Mapping[str, Collection[tuple[NoticePlace, str]]]) -> None:
        """(place, key) by object, in place of those of the same objects."""
        ...

    def record_builds(self, builds: Sequence[BuildRow]) -> None: ...

    def record_built(
        self,
        built: Iterable[BuiltVersion],
        watched: Mapping[str, Mapping[TableName, Collection[str]]],
        *,
        among: Collection[str],
    ) -> None:
        """`watched` are the columns that these tables read, by table and source; of tables that are
        not `among` the models any more, everything is forgotten, and so are changes all have seen.
        """
        ...

    def replace_events(self, events: Sequence[Event]) -> None:
        """Takes the place of events with the same id."""
        ...

    def remove_events(self, ids: Collection[str]) -> None: ...
