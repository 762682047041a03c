"""What the engines of this package write differently in their SQL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import pyarrow as pa

    from seil.warehouse.sql import Sql


class SqlForms(Protocol):
    def type_name(self, kind: pa.DataType) -> Sql:
        """Of one of the types of `seil.warehouse.types`."""
        ...

    def try_cast(self, value: Sql, kind: pa.DataType) -> Sql:
        """The value, null where it cannot be cast to a boolean or a timestamp."""
        ...

    def by_bytes(self, text: Sql) -> Sql:
        """A text, for an ORDER BY that follows its UTF-8 bytes."""
        ...

    def temporary(self, name: str) -> Sql:
        """The qualified name of a temporary table."""
        ...

    def matches(self, value: Sql, pattern: str) -> Sql:
        """Whether a text holds a match of the regular expression."""
        ...

    def microseconds(self, moment: Sql) -> Sql:
        """A timestamp as microseconds since 1970."""
        ...

    @property
    def merges_rows(self) -> bool:
        """Whether MERGE INTO replaces rows in less than DELETE and INSERT."""
        ...

    @property
    def recursive(self) -> Sql:
        """The word after WITH where `last_winners` refers to itself."""
        ...

    def last_winners(self) -> Sql:
        """See `seil.warehouse.relational.chains`."""
        ...
