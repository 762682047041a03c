"""What SEIL asks of a warehouse, whichever engine it is.

SQL text passed in is in the warehouse's own `dialect`; `seil.warehouse.sql` translates. Types are
Arrow's, in the reduced form of `seil.warehouse.types`. One warehouse serves one thread.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from seil.warehouse.merges import (
    EXTRACTED_AT,
    FILE,
    ChangeLog,
    Holds,
    MergeOutcome,
    Merger,
    Merges,
    MergeSource,
    Misfits,
    OpenUrl,
    Records,
    SourceComparison,
    SourceRows,
    StagedFile,
)
from seil.warehouse.tables import TableEditor, TableName, Tables

if TYPE_CHECKING:
    import pyarrow as pa

    from seil.warehouse.bookkeeping import Bookkeeping
    from seil.warehouse.commits import Commit

__all__ = [
    "EXTRACTED_AT",
    "FILE",
    "LOCK_WAIT",
    "ChangeLog",
    "Fence",
    "Holds",
    "MergeOutcome",
    "MergeSource",
    "Merges",
    "Misfits",
    "OpenUrl",
    "Records",
    "SourceComparison",
    "SourceRows",
    "StagedFile",
    "TableName",
    "Tables",
    "Warehouse",
]


# Long enough for another process's query, too short to look like a hang.
LOCK_WAIT = timedelta(seconds=5)


class Fence(Protocol):
    """Which run may commit: `seil.lake.RunFence` is one."""

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


@dataclass(frozen=True)
class EngineTraits:
    """What an engine can do. Callers ask these, never for its name.

    atomic_across_tables: a commit is one transaction. Elsewhere each table commits alone under the
    commit's id and the ledger follows last, so that a commit may be half done and is redone.
    follows_changes: merges keep which records they changed, so that a build can follow them.
    """

    atomic_across_tables: bool
    follows_changes: bool


class Warehouse(Tables, TableEditor, Merges, Merger, Protocol):
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
    def traits(self) -> EngineTraits: ...

    @property
    def bookkeeping(self) -> Bookkeeping: ...

    def commit(self, commit_id: str) -> AbstractContextManager[Commit]:
        """Commits when the block ends; after an error nothing of it remains. Does not nest.

        `commit_id` follows from what is committed, so that the same work has the same id when it is
        done again; nothing needed to redo a commit may be known only inside it. Raises
        LeaseLostError where a fence was given at opening and the run has lost its lock.
        """
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

    def append(self, table: TableName, rows: pa.Table) -> None:
        """Columns are matched by name; those not given are null."""
        ...

    def replace(self, table: TableName, select: str) -> int:
        """Puts the rows of a SELECT in place of the table, or makes it. Returns how many."""
        ...

    def rename(self, table: TableName, name: str) -> None:
        """A table that already has the name is dropped."""
        ...

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
