"""The current records of a warehouse: how files are merged into them, and rows compared with them.

A current record is its newest version so far. Deletions from a list, and values of single columns,
overlay it where they were read later; a column that newer files lack keeps its last value. So
merging is independent of the order of files, and idempotent.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import IO, TYPE_CHECKING, Any, Literal, Protocol

from seil.warehouse.tables import TableName

if TYPE_CHECKING:
    import pyarrow as pa

    from seil.warehouse.types import Column

EXTRACTED_AT = "_extracted_at"
FILE = "_file"

OpenUrl = Callable[[str], AbstractContextManager["IO[bytes]"]]
"""Opens a URL that the engine cannot reach itself, as a seekable binary file."""

Holds = Literal["versions", "deletions", "values"]
"""What a file's rows are: whole versions of records; deletions, with their time; or values of some
columns, which leave the others alone.
"""


@dataclass(frozen=True)
class StagedFile:
    """One Parquet file to be merged.

    `key` names it in outcomes; `file` and `extracted_at` become the columns `_file` and
    `_extracted_at` of its rows; `columns` maps names in the table to the file's columns to merge;
    the file has no values for other columns.
    `url` is `file:///...`, percent-encoded, or `s3://<bucket>/<key>`. Ids of 15 characters in the
    columns `ids` are extended to 18 by their checksum.
    """

    key: str
    file: str
    extracted_at: datetime
    columns: Mapping[str, Column]
    url: str
    ids: frozenset[str] = frozenset()
    holds: Holds = "versions"


@dataclass(frozen=True)
class Records:
    """A table of current records, by `key`.

    history: every version is stored, and shown by the view `salesforce_history.<table>`.
    given_up: columns that become null where newer versions lack them.
    timed_files: a regular expression of the values of `_file` whose `_extracted_at` is when the
    source was read; for other files it is when they landed.
    """

    table: TableName
    key: str
    history: bool = False
    given_up: frozenset[str] = frozenset()
    timed_files: str = ""


@dataclass(frozen=True)
class MergeOutcome:
    """The merged rows of one file: every row is counted in exactly one field.

    unchanged: the same version as the table's, read later; `_extracted_at` is updated.
    superseded: not newer than what the table or another staged row holds.
    without_key: not merged, because the key is null or empty.
    """

    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    unchanged: int = 0
    superseded: int = 0
    without_key: int = 0

    @property
    def merged_rows(self) -> int:
        return self.inserted + self.updated + self.deleted + self.unchanged + self.superseded

    @property
    def rows(self) -> int:
        return self.merged_rows + self.without_key

    def __add__(self, other: MergeOutcome) -> MergeOutcome:
        return MergeOutcome(
            self.inserted + other.inserted,
            self.updated + other.updated,
            self.deleted + other.deleted,
            self.unchanged + other.unchanged,
            self.superseded + other.superseded,
            self.without_key + other.without_key,
        )


@dataclass(frozen=True)
class Misfits:
    """How many values of a text column cannot be cast to a type, and the smallest of them."""

    count: int
    example: str


@dataclass(frozen=True)
class SourceRows:
    """Rows of the source, to compare with a table. A batch may lack some of `columns`; batches are
    consumed once.
    """

    columns: pa.Schema
    batches: Iterable[pa.RecordBatch]


class SourceComparison(Protocol):
    """Compares rows of the source with a table, by Id.

    A record is live unless its `isdeleted` is true. Where there is a cursor, `before` excludes
    records whose cursor is not before that time; a null or invalid cursor counts as before.
    """

    def living(self) -> int:
        """The number of live records in the table."""
        ...

    def ids_not_in_source(self, before: datetime) -> list[str]:
        """Ids that are live in the table and absent from the source, sorted."""
        ...

    def missing(self, before: datetime) -> list[tuple[str, Any]]:
        """(Id, cursor's value) of records of the source that the table lacks."""
        ...

    def hidden(self, before: datetime) -> list[str]:
        """Ids that are live in the source and deleted in the table, sorted."""
        ...

    def deleted(self, before: datetime) -> list[str]:
        """Ids that are deleted in the source, and live in the table."""
        ...

    def differing(
        self, columns: Sequence[str]
    ) -> AbstractContextManager[tuple[int, pa.RecordBatchReader]]:
        """The number and rows of the source whose values differ in any of `columns`; the rows have
        the key and these columns. No other statement may run while it is open.
        """
        ...


@dataclass(frozen=True)
class MergeSource:
    """A table of current records of `object`, with the columns `masterrecordid` and `isdeleted`."""

    object: str
    table: TableName
    key: str


class Merges(Protocol):
    def files_without_versions(self, records: Records, object_name: str) -> frozenset[str]:
        """Keys of the object's merged files whose versions were not stored."""
        ...

    def misfits(
        self, source: TableName | StagedFile, column: str, target: pa.DataType
    ) -> Misfits: ...

    def compare(
        self, table: TableName, rows: SourceRows, *, key: str, cursor: str = ""
    ) -> AbstractContextManager[SourceComparison]:
        """`key` and `cursor` are columns of `rows`; in the table they are lower-case."""
        ...


class Merger(Protocol):
    """Part of a commit."""

    def merge(self, records: Records, files: Sequence[StagedFile]) -> Mapping[str, MergeOutcome]:
        """Merges the files into the table. Returns the outcome per file.

        A version is newer by (systemmodstamp, lastmodifieddate, `_extracted_at`, `_file`, position
        in the file); nulls are oldest, and lastmodifieddate stands in for a missing systemmodstamp.
        A row with isdeleted stays in the table, so that an older version that arrives late does
        not restore the record. A deletion holds unless the record was read live later. Every column
        of the files must be in the table and castable to its type.

        Where a built table reads these records, the change is logged for the next build: each
        record before and after in `images(table)`; or one change of the whole table, where that is
        cheaper or the engine does not follow changes.
        """
        ...

    def store_versions(self, records: Records, files: Sequence[StagedFile]) -> None:
        """Stores the versions in files that were merged before `records.history` was on."""
        ...

    def store_current_versions(self, records: Records, files: Collection[str]) -> None:
        """Stores the table's rows of merged files, by key, that cannot be read any more."""
        ...

    def show_merged_records(self, view: TableName, sources: Sequence[MergeSource]) -> None:
        """Creates the view (object, loser_id, winner_id, merged_at): which record was merged into
        which. Chains of merges lead to the last winner.
        """
        ...
