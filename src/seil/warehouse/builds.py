"""Builds: tables made of what SELECTs give, staged first and published together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from seil.warehouse.tables import TableName


@dataclass(frozen=True)
class RowChange:
    """The relations that hold the rows a table gains and loses; a changed row is in both."""

    added: str
    removed: str


@dataclass(frozen=True)
class StagedBuild:
    """A table's next content, to be read as `relation` until it is published or discarded.

    `change` says how it differs from the content before; None where it replaces all of it.
    """

    table: TableName
    relation: str
    rows: int
    deleted: int = 0
    inserted: int = 0
    change: RowChange | None = None


def keys_relation(table: TableName) -> str:
    """The relation that `hold_keys` fills, with the one column `scope`."""
    return f"{table.name}__keys"


class Builder(Protocol):
    """Part of a commit. SELECTs are in the warehouse's dialect; relations live until it ends."""

    def hold_keys(self, table: TableName, select: str) -> int:
        """Keeps a SELECT's one column, `scope`, for the table's next change; returns its rows."""
        ...

    def stage_table(self, table: TableName, select: str) -> StagedBuild:
        """Stages the rows of a SELECT in place of all of the table's."""
        ...

    def stage_change(self, table: TableName, select: str, *, scope: str) -> StagedBuild:
        """Stages the rows of a SELECT in place of the table's rows whose `scope` is among the held
        keys. Rows that are the same before and after are in neither part of the change.
        """
        ...

    def publish(self, staged: Sequence[StagedBuild]) -> None:
        """Puts staged contents in place of the tables', all together where the engine can."""
        ...

    def discard(self, staged: Sequence[StagedBuild]) -> None:
        """Leaves the tables as they are."""
        ...
