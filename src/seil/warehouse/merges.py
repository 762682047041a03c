"""The current records of a warehouse: how files are merged into them, and rows compared with them.

A current record is the newest version of it that came. Deletions that are read from a list, and
values of columns that are read by themselves, are laid over it where they were read later; a column
that newer files do not have keeps the value that was read last. So neither the order of files nor a
repeat makes a difference.
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
"""A seekable binary file of a URL: how an engine reads what it cannot reach by itself."""

Holds = Literal["versions", "deletions", "values"]
"""What a row of a file is: a whole version of a record; that the record was deleted, and when; or
the values of some columns, which is what the file says and no more.
"""


@dataclass(frozen=True)
class StagedFile:
    """One Parquet file to be merged.

    `key` names it in outcomes; `file` and `extracted_at` become the columns `_file` and
    `_extracted_at` of its rows; `columns` gives the columns to merge, as they stand in the file, by
    their name in the table: of others the file says nothing.
    `url` is `file:///...`, percent-encoded, or `s3://<bucket>/<key>`. Ids of 15 characters in the
    columns `ids` get the checksum of those of 18.
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

    history: every version is kept beside the current one, as `salesforce_history.<table>` shows.
    given_up: columns whose values are not kept where newer versions do not have them.
    timed_files: a regular expression of the values of `_file` whose `_extracted_at` is when the
    source was read; of other files it is when they landed, which says nothing of what they hold.
    """

    table: TableName
    key: str
    history: bool = False
    given_up: frozenset[str] = frozenset()
    timed_files: str = ""


@dataclass(frozen=True)
class MergeOutcome:
    """What became of the rows of one file: every row is counted in exactly one field.

    unchanged: the version the table had, read again later, so the later reading is kept.
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
    """How many values of a text column do not read as some type, and the least of them."""

    count: int
    example: str


@dataclass(frozen=True)
class SourceRows:
    """Rows of the source, to be compared with a table. The batches may be narrower than `columns`
    say; they are read once.
    """

    columns: pa.Schema
    batches: Iterable[pa.RecordBatch]


class SourceComparison(Protocol):
    """Of rows of the source with a table, by Id.

    A record lives unless its `isdeleted` is true. Where there is a cursor, `before` leaves out what
    the cursor says was changed since; a cursor that is null or no time counts as before.
    """

    def living(self) -> int:
        """How many records of the table live."""
        ...

    def ids_not_in_source(self, before: datetime) -> list[str]:
        """Ids that live in the table, and are not in the source."""
        ...

    def missing(self, before: datetime) -> list[tuple[str, Any]]:
        """Ids of the source that the table lacks, with the cursor's value."""
        ...

    def hidden(self, before: datetime) -> list[str]:
        """Ids that live in the source, and are deleted in the table."""
        ...

    def deleted(self, before: datetime) -> list[str]:
        """Ids that are deleted in the source, and live in the table."""
        ...

    def differing(
        self, columns: Sequence[str]
    ) -> AbstractContextManager[tuple[int, pa.RecordBatchReader]]:
        """The source's rows, with the key and these columns of the source, that say otherwise than
        the table in any of them; and how many. No other statement while it is open.
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
        """The object's merged files, by key, whose versions were not kept."""
        ...

    def misfits(
        self, source: TableName | StagedFile, column: str, wanted: pa.DataType
    ) -> Misfits: ...

    def compare(
        self, table: TableName, rows: SourceRows, *, key: str, cursor: str = ""
    ) -> AbstractContextManager[SourceComparison]:
        """`key` and `cursor` are columns of `rows`; the table has them in lower case."""
        ...


class Merger(Protocol):
    """Part of a commit."""

    def merge(self, records: Records, files: Sequence[StagedFile]) -> Mapping[str, MergeOutcome]:
        """Makes the table hold what all files say that came so far. Returns the outcome per file.

        A version is newer by (systemmodstamp, lastmodifieddate, `_extracted_at`, `_file`, position
        in the file); nulls are oldest, and lastmodifieddate stands in for a missing systemmodstamp.
        A row marked isdeleted is kept, so that an older version arriving later does not bring the
        record back. A deletion holds unless the record was seen alive later. Every column of the
        files must be in the table and castable to its type.

        Where a built table reads these records, the change is kept for the next build: each record
        in `images(table)` as it was and as it became, or, beyond what is worth following and in
        engines that do not follow changes, one change of the whole table.
        """
        ...

    def store_versions(self, records: Records, files: Sequence[StagedFile]) -> None:
        """Of files that were merged before `records.history`."""
        ...

    def store_current_versions(self, records: Records, files: Collection[str]) -> None:
        """What the table holds of files, by key, that were merged before and cannot be read."""
        ...

    def show_merged_records(self, view: TableName, sources: Sequence[MergeSource]) -> None:
        """Makes the view (object, loser_id, winner_id, merged_at): which record was merged into
        which. A winner that lost to another later leads to the last one.
        """
        ...
