"""Builds: tables created from SELECTs, staged first and published together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from seil.warehouse.tables import TableName


@dataclass(frozen=True)
class RowChange:
    """The relations with a table's new and removed rows; an updated row is in both."""

    added: str
    removed: str


@dataclass(frozen=True)
class StagedBuild:
    """A table's next content, readable as `relation` until it is published or discarded.

    `change` is its difference from the current content; None where it replaces all rows.
    """

    table: TableName
    relation: str
    rows: int
    deleted: int = 0
    inserted: int = 0
    change: RowChange | None = None


@dataclass(frozen=True)
class TableAccess:
    """How builds find a table's rows: `key` are columns that identify one and are never null;
    `lookups` are columns by which some are found.
    """

    key: tuple[str, ...] = ()
    lookups: frozenset[str] = frozenset()


def keys_relation(table: TableName) -> str:
    """The relation that `hold_keys` fills; its one column is `scope`."""
    return f"{table.name}__keys"


class Builder(Protocol):
    """Part of a commit. SELECTs are in the warehouse's dialect; relations live until it ends."""

    def hold_keys(self, table: TableName, select: str) -> int:
        """Stores a SELECT of one column, `scope`, for `stage_change`; returns its row count."""
        ...

    def stage_table(self, table: TableName, select: str) -> StagedBuild:
        """Stages the rows of a SELECT as the whole table."""
        ...

    def stage_change(self, table: TableName, select: str, *, scope: str) -> StagedBuild:
        """Stages the rows of a SELECT in place of the table's rows whose `scope` is one of the
        stored keys. Rows that do not differ are in neither part of the change.
        """
        ...

    def publish(self, staged: Sequence[StagedBuild]) -> None:
        """Replaces the tables' contents, atomically where the engine can."""
        ...

    def discard(self, staged: Sequence[StagedBuild]) -> None:
        """Leaves the tables as they are."""
        ...

    def arrange(self, tables: Mapping[TableName, TableAccess]) -> None:
        """Makes rows quick to find as given. Of these tables, what an earlier call arranged beyond
        that goes. Does nothing in engines that need no indexes.
        """
        ...
