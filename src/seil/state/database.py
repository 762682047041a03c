"""What the stores need of the database below them: SQLite on one machine, PostgreSQL on a server.

Both speak the SQL of the stores, with parameters as `:name`: SELECT, INSERT ... ON CONFLICT, UPDATE
and DELETE on columns of TEXT and BIGINT. A moment is text in UTC of fixed width, so that it sorts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any, Protocol, TypeVar

from seil.errors import StateLostError

Row = tuple[Any, ...]
T = TypeVar("T")

_TRIES = 3
# PostgreSQL has no NUL in texts (https://www.postgresql.org/docs/current/datatype-character.html).
_NUL, _REPLACEMENT = "\0", "\N{REPLACEMENT CHARACTER}"


class Transaction(Protocol):
    def rows(self, sql: str, **parameters: Any) -> list[Row]: ...

    def stream(self, sql: str) -> Iterator[Row]:
        """Rows in batches: memory does not grow with the table."""
        ...

    def execute(self, sql: str, **parameters: Any) -> int:
        """Returns the number of rows it changed."""
        ...

    def execute_many(self, sql: str, many: Iterable[Mapping[str, Any]]) -> None: ...


class Database(Protocol):
    """Thread-safe. Raises StateError, and NewerSiteError where a later version wrote it."""

    @property
    def place(self) -> str:
        """For messages: never with a password."""
        ...

    @property
    def is_stored(self) -> bool:
        """Whether its tables exist. Creates nothing."""
        ...

    def rows(self, sql: str, **parameters: Any) -> list[Row]: ...

    def transaction(self, *, durable: bool = True) -> AbstractContextManager[Transaction]:
        """Writers take turns; the whole block is stored, or none of it.

        One that is not `durable` survives the process, but perhaps not a power cut. Raises
        StateLostError where the connection broke and nothing was stored.
        """
        ...

    def snapshot(self) -> AbstractContextManager[Transaction]:
        """Reads one moment's rows while others write."""
        ...

    def close(self) -> None: ...


def write(database: Database, work: Callable[[Transaction], T], *, durable: bool = True) -> T:
    """`work` in a transaction of its own, again where a lost connection took it back."""
    for _ in range(_TRIES - 1):
        try:
            with database.transaction(durable=durable) as transaction:
                return work(transaction)
        except StateLostError:
            continue
    with database.transaction(durable=durable) as transaction:
        return work(transaction)


def storable(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Texts as both databases keep them: without NUL and lone surrogates."""
    return {name: _storable(value) for name, value in parameters.items()}


def _storable(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = value.replace(_NUL, _REPLACEMENT) if _NUL in value else value
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def moment_or_none(text: str) -> datetime | None:
    return moment(text) if text else None
