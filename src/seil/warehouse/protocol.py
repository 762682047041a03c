"""What SEIL asks of a warehouse, whichever engine it is.

A warehouse reads; a commit changes. SQL passed in is a SELECT in the warehouse's own `dialect`:
`seil.warehouse.dialect` renders it. Types are Arrow's, in the reduced form of
`seil.warehouse.types`. One warehouse serves one thread.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from seil.warehouse.merges import Merges
from seil.warehouse.tables import Tables

if TYPE_CHECKING:
    import pyarrow as pa

    from seil.warehouse.bookkeeping import Bookkeeping
    from seil.warehouse.commits import Commit


@dataclass(frozen=True)
class EngineTraits:
    """What an engine can do. Callers ask these, never for its name.

    atomic_across_tables: a commit is one transaction. Elsewhere each table commits alone under the
    commit's id and the bookkeeping follows last, so a commit may be half done and is then redone.
    follows_changes: merges keep which records they changed, so that a build can follow them.
    """

    atomic_across_tables: bool
    follows_changes: bool


class Warehouse(Tables, Merges, Protocol):
    """Errors leave as `WarehouseError`; a statement refused for what it says, as `StatementError`.

    One that failed without a reason is `LostReasonError`: in a commit only, as elsewhere it is
    tried again.
    """

    @property
    def url(self) -> str:
        """For messages: without credentials."""
        ...

    @property
    def dialect(self) -> str:
        """The SQL spoken here, by sqlglot's name for it."""
        ...

    @property
    def traits(self) -> EngineTraits: ...

    @property
    def bookkeeping(self) -> Bookkeeping: ...

    def prepare(self) -> None:
        """Before the first commit. Makes the bookkeeping's tables, or what they lack since an
        earlier version: all of it, or nothing after a kill. What was not kept then is null.

        Raises WarehouseError where tables hold values that an earlier version kept otherwise.
        """
        ...

    def commit(self, commit_id: str) -> AbstractContextManager[Commit]:
        """Commits when the block ends; after an error nothing of it remains. Does not nest. What
        is read within the block includes what the block has changed.

        `commit_id` follows from what is committed: the same work has the same id when it is redone,
        and nothing needed to redo it is known only inside the commit. Committing the same twice
        leaves the same tables and ledger as committing it once. Raises LeaseLostError where a fence
        was given at opening and the run has lost its lock.
        """
        ...

    def query(self, sql: str) -> pa.Table: ...

    def stream(self, sql: str) -> AbstractContextManager[pa.RecordBatchReader]:
        """Like `query`, but streams; no other statement while it is open."""
        ...

    def close(self) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...
