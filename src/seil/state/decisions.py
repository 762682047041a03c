"""What was decided on changes of the org's fields (`seil schema accept`)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from seil.state.database import Database, Row, Transaction, write

Policy = Literal["text", "column", "drop", "read"]

_OF_OBJECT = """
SELECT column_name, policy, decided_by, decided_at, old_type, new_type, target, fingerprint
FROM decisions WHERE object = :object ORDER BY number"""
_ADD = """
INSERT INTO decisions (object, number, column_name, policy, decided_by, decided_at, old_type,
    new_type, target, fingerprint)
SELECT :object, coalesce(max(number), 0) + 1, :column, :policy, :by, :at, :old,
    :new, :target, :fingerprint
FROM decisions WHERE object = :object"""


@dataclass(frozen=True)
class Decision:
    """On a column, in lower case; an empty one means all changes up to `fingerprint`.

    text: the table's column becomes text. column: values of the new type go into `target`, old ones
    stay. drop: the column is no longer read; read: it is read again.
    """

    column: str
    policy: Policy | Literal["accept"]
    by: str
    at: str
    old: str = ""
    new: str = ""
    target: str = ""
    fingerprint: str = ""

    def __str__(self) -> str:
        into = f" {self.target}" if self.target else ""
        return f"accepted by {self.by}: {self.column or 'all changes'} {self.policy}{into}"


class DecisionStore(Protocol):
    """Decisions by an object's API name."""

    def get(self, name: str) -> list[Decision]:
        """Oldest first; the last one on a column counts."""
        ...

    def add(self, name: str, decisions: Iterable[Decision]) -> None:
        """Appends; concurrent decisions are kept."""
        ...


@dataclass(frozen=True)
class Decisions:
    database: Database

    def get(self, name: str) -> list[Decision]:
        return [_decision(row) for row in self.database.rows(_OF_OBJECT, object=name)]

    def add(self, name: str, decisions: Iterable[Decision]) -> None:
        entries = list(decisions)
        write(self.database, lambda transaction: insert(transaction, name, entries))


class NoDecisions:
    """Empty and read-only."""

    def get(self, name: str) -> list[Decision]:
        return []

    def add(self, name: str, decisions: Iterable[Decision]) -> None:
        raise NotImplementedError(f"a decision on {name} without a state to keep it in")


NO_DECISIONS = NoDecisions()


def insert(transaction: Transaction, name: str, decisions: Sequence[Decision]) -> None:
    transaction.execute_many(_ADD, [{"object": name, **vars(entry)} for entry in decisions])


def in_force(decisions: Iterable[Decision]) -> dict[str, Decision]:
    """By column."""
    last = {entry.column: entry for entry in decisions if entry.column}
    return {column: entry for column, entry in last.items() if entry.policy != "read"}


def _decision(row: Row) -> Decision:
    return Decision(*row)
