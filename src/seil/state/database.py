"""What the stores ask of the database below them: SQLite on one machine, PostgreSQL on a server.

Both speak the SQL that the stores use, parameters as `:name`: plain SELECT, INSERT ... ON CONFLICT,
UPDATE, DELETE, on columns of TEXT and BIGINT. A moment is text in UTC, of one width, so that it
sorts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any, Protocol

Row = tuple[Any, ...]


class Transaction(Protocol):
    def rows(self, sql: str, **parameters: Any) -> list[Row]: ...

    def execute(self, sql: str, **parameters: Any) -> int:
        """Returns how many rows it changed."""
        ...

    def execute_many(self, sql: str, many: Iterable[Mapping[str, Any]]) -> None: ...


class Database(Protocol):
    """Threads may share it. Raises StateError, NewerSiteError where a later version wrote it."""

    @property
    def place(self) -> str:
        """For messages: never with a password."""
        ...

    def rows(self, sql: str, **parameters: Any) -> list[Row]: ...

    def transaction(self, *, durable: bool = True) -> AbstractContextManager[Transaction]:
        """All of the block is stored, or none of it.

        One that is not `durable` outlives the process, but perhaps not a power cut.
        """
        ...

    def snapshot(self) -> AbstractContextManager[Transaction]:
        """Reads of one moment, while others write."""
        ...

    def close(self) -> None: ...


def stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def moment_or_none(text: str) -> datetime | None:
    return moment(text) if text else None
