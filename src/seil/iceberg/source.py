"""What is published: a table of the warehouse, as the publisher reads it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import pyarrow as pa


class ChangedRows(Protocol):
    """The difference to an earlier version."""

    def keys(self) -> pa.Table:
        """The key columns of all rows that were inserted, changed or deleted."""
        ...

    def rows(self) -> AbstractContextManager[pa.RecordBatchReader]:
        """The present rows with one of the keys."""
        ...


class TableSource(Protocol):
    """`name` is for messages; `version` changes with the rows, and is empty if unknown."""

    @property
    def name(self) -> str: ...

    @property
    def identifier(self) -> tuple[str, str]:
        """Namespace and name of the published table."""
        ...

    @property
    def version(self) -> str: ...

    @property
    def description(self) -> str: ...

    @property
    def columns(self) -> pa.Schema: ...

    def rows(self) -> AbstractContextManager[pa.RecordBatchReader]:
        """All rows; the same ones whenever they are read."""
        ...

    def changed_since(self, version: str) -> ChangedRows | None:
        """None if the changes since then are not known."""
        ...
