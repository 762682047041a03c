"""The interface of a warehouse, whichever engine serves it.

A warehouse reads; a commit writes. SQL arguments are SELECTs in the warehouse's own `dialect`, from
`seil.warehouse.dialect.render`. Types are those of `seil.warehouse.types`. Not thread-safe.
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
    """What an engine can do. Callers check these, never its name.

    atomic_across_tables: a commit is one transaction. Otherwise each table commits alone under the
    commit's id and the bookkeeping last: an interrupted commit may be partial, and is repeated.
    follows_changes: merges log which records they changed, for incremental builds.
    keeps_nul: texts hold the character NUL; otherwise U+FFFD is stored instead.
    """

    atomic_across_tables: bool
    follows_changes: bool
    keeps_nul: bool = True


class Warehouse(Tables, Merges, Protocol):
    """Errors are raised as `WarehouseError`; an invalid statement as `StatementError`. One that
    failed without a reason raises `LostReasonError` in a commit, and is retried elsewhere.
    """

    @property
    def url(self) -> str:
        """For messages, without credentials."""
        ...

    @property
    def dialect(self) -> str:
        """The SQL dialect, by sqlglot's name."""
        ...

    @property
    def traits(self) -> EngineTraits: ...

    @property
    def bookkeeping(self) -> Bookkeeping: ...

    def prepare(self) -> None:
        """Creates or completes the bookkeeping's tables, atomically; required before the first
        commit. Columns that an earlier version lacked are null in its rows.

        Raises WarehouseError where tables hold values in an earlier version's form.
        """
        ...

    def commit(self, commit_id: str) -> AbstractContextManager[Commit]:
        """Commits when the block ends, rolls back on an error. Does not nest. Reads within the
        block see its changes.

        `commit_id` is deterministic (see `seil.warehouse.commits.commit_id`), and a commit is
        idempotent: repeating it leaves the same tables and ledger. So nothing needed to repeat it
        may be computed only inside it. Raises LeaseLostError where the warehouse was opened with
        a fence and the run has lost its lock.
        """
        ...

    def query(self, sql: str) -> pa.Table: ...

    def stream(self, sql: str) -> AbstractContextManager[pa.RecordBatchReader]:
        """Like `query`, but streams; no other statement may run while it is open."""
        ...

    def one_moment(self) -> AbstractContextManager[None]:
        """Within the block, queries see the warehouse as it was at the first one, where it
        is atomic across tables. Not in a commit.
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
