"""What SEIL asks of a warehouse, whichever engine it is.

SQL text passed in is in the warehouse's own `dialect`; `seil.warehouse.sql` translates. Types are
Arrow's, in the reduced form of `seil.warehouse.types`. One warehouse serves one thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import IO, TYPE_CHECKING, NamedTuple, Protocol, Self

if TYPE_CHECKING:
    import pyarrow as pa

    from seil.warehouse.types import Column

EXTRACTED_AT = "_extracted_at"
FILE = "_file"

OpenUrl = Callable[[str], AbstractContextManager["IO[bytes]"]]
"""A seekable binary file of a URL: how an engine reads what it cannot reach by itself."""


class TableName(NamedTuple):
    """`schema` is empty for the warehouse's default one."""

    schema: str
    name: str

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}" if self.schema else self.name


@dataclass(frozen=True)
class StagedFile:
    """One Parquet file to be merged.

    `key` names it in outcomes; `file` and `extracted_at` become the columns `_file` and
    `_extracted_at` of its rows; `columns` gives the columns to merge, as they stand in the file, by
    their name in the table.
    `url` is `file:///...`, percent-encoded, or `s3://<bucket>/<key>`. Ids of 15 characters in the
    columns `ids` get the checksum of those of 18.
    """

    key: str
    file: str
    extracted_at: datetime
    columns: Mapping[str, Column]
    url: str
    ids: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Outcome:
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
    def merged(self) -> int:
        return self.inserted + self.updated + self.deleted + self.unchanged + self.superseded

    @property
    def rows(self) -> int:
        return self.merged + self.without_key

    def __add__(self, other: Outcome) -> Outcome:
        return Outcome(
            self.inserted + other.inserted,
            self.updated + other.updated,
            self.deleted + other.deleted,
            self.unchanged + other.unchanged,
            self.superseded + other.superseded,
            self.without_key + other.without_key,
        )


@dataclass(frozen=True)
class ChangeLog:
    """Where a merge writes the records it changes, before and after, as far as `columns` go.

    `table` has these columns and `_sequence`, `_is_old`. A record that is the same before and after
    is left out; one that was not there has no row with `_is_old`.
    """

    table: TableName
    columns: tuple[str, ...]
    sequence: int


class Fence(Protocol):
    """Which run may commit: `seil.lake.Fence` is one."""

    @property
    def token(self) -> int | None:
        """None while no run holds the lock."""
        ...

    def check(self) -> None:
        """Raises LeaseLostError once the run does not hold the lock any more."""
        ...

    def admit(self, place: str, stored: int) -> int:
        """The token to store. Raises LeaseLostError when `stored` is a later run's."""
        ...


class Warehouse(Protocol):
    """Errors leave as `WarehouseError`; a statement refused for what it says, as `StatementError`.

    One that failed without a reason is `LostReasonError`: in a transaction only, as elsewhere it is
    tried again. After an error inside `transaction()` nothing of that transaction remains.
    """

    @property
    def url(self) -> str: ...

    @property
    def dialect(self) -> str:
        """The SQL spoken here, by sqlglot's name for it."""
        ...

    @property
    def read_only(self) -> bool: ...

    def transaction(self) -> AbstractContextManager[None]:
        """Commits when the block ends, rolls back when it raises. Does not nest.

        With a fence given at opening, it begins by `seil.warehouse.fencing.admit`.
        """
        ...

    def execute(self, sql: str) -> None: ...

    def query(self, sql: str) -> pa.Table: ...

    def stream(self, sql: str) -> AbstractContextManager[pa.RecordBatchReader]:
        """The same without holding the whole result; no other statement while it is open."""
        ...

    def tables(self, schema: str = "") -> list[str]: ...

    def columns(self, table: TableName) -> pa.Schema | None:
        """None when there is no such table."""
        ...

    def create_table(self, table: TableName, columns: pa.Schema) -> None:
        """Does nothing when the table is there. Creates the schema as well."""
        ...

    def add_column(self, table: TableName, column: Column) -> None: ...

    def change_type(self, table: TableName, column: Column) -> None:
        """Casts what is there; raises when a value does not fit."""
        ...

    def append(self, table: TableName, rows: pa.Table) -> None:
        """Columns are matched by name; those not given are null."""
        ...

    def replace(self, table: TableName, select: str) -> int:
        """Puts the rows of a SELECT in place of the table, or makes it. Returns how many."""
        ...

    def rename(self, table: TableName, name: str) -> None:
        """A table that already has the name is dropped."""
        ...

    def drop(self, table: TableName) -> None:
        """No error when it is not there."""
        ...

    def comment(self, table: TableName, text: str, columns: Mapping[str, str]) -> None:
        """Keeps descriptions beside the table, where the engine can."""
        ...

    def misfits(
        self, source: TableName | StagedFile, column: str, wanted: pa.DataType
    ) -> tuple[int, str]:
        """How many values of a text column do not read as `wanted`, and the least of them."""
        ...

    def merge(
        self,
        table: TableName,
        files: Sequence[StagedFile],
        *,
        key: str,
        log: ChangeLog | None = None,
        every_version: bool = False,
    ) -> Mapping[str, Outcome]:
        """Makes the table hold, per key, the newest version among its own row and the files'.

        Newer is by (systemmodstamp, lastmodifieddate, `_extracted_at`, `_file`, position in the
        file); nulls are oldest, and lastmodifieddate stands in for a missing systemmodstamp. Every
        column of the files must be in the table and castable to its type. A row marked isdeleted
        is kept, so that an older version arriving later does not bring the record back. What
        changes goes into `log`. With `every_version`, the key and systemmodstamp together tell rows
        apart. Returns the outcome per file key.
        """
        ...

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
