"""What one step of delivery reporting read, wrote, and left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from seil.errors import SeilError
from seil.salesforce.writes.batch import RowOutcome

StepName: TypeAlias = Literal["proposals", "orders", "line items", "delivery", "inventory"]
Gap: TypeAlias = Literal[
    "without_id", "refused_id", "not_in_ad_manager", "not_in_salesforce", "shared_line"
]
"""Why something was left out: a record without an Ad Manager id, with one that is not digits, or
with one that the network does not have; delivery of a line item that no record has. `shared_line`:
several records have the same line item and day.
"""

WRITTEN = ("written", "unchanged")
_SHOWN = 20


@dataclass
class Sample:
    """How many, and the first of them."""

    count: int = 0
    first: list[str] = field(default_factory=list)

    def add(self, text: str) -> None:
        self.count += 1
        if len(self.first) < _SHOWN:
            self.first.append(text)


@dataclass(frozen=True)
class FieldChange:
    """One value that differs from Ad Manager's."""

    record_id: str
    field: str
    old: str | None
    new: str


@dataclass(frozen=True)
class RecordChange:
    """The differing fields of one record: their values now, and Ad Manager's."""

    record_id: str
    before: Mapping[str, str | None]
    after: Mapping[str, str]


@dataclass
class StepResult:
    """`read` counts Salesforce's records, or the network's for the inventory; `differing` those to
    be written. `states` counts the written ones by outcome. `changes` and `refused` are the first.
    `new_gaps` are those that the last run had not, or with other records.
    """

    name: StepName
    object: str = ""
    read: int = 0
    differing: int = 0
    states: Counter[str] = field(default_factory=Counter)
    gaps: dict[Gap, Sample] = field(default_factory=dict)
    changes: list[FieldChange] = field(default_factory=list)
    refused: list[RowOutcome] = field(default_factory=list)
    new_gaps: set[Gap] = field(default_factory=set)
    note: str = ""
    error: Exception | None = None
    on_read: Callable[[int], None] = lambda _: None

    @property
    def not_written(self) -> int:
        return sum(count for state, count in self.states.items() if state not in WRITTEN)

    @property
    def ok(self) -> bool:
        return self.error is None and not self.not_written

    @property
    def problem(self) -> str:
        """Empty if all went well."""
        if self.error is not None:
            text = f"{type(self.error).__name__}: {self.error}"
            return self.error.message if isinstance(self.error, SeilError) else text
        return f"{self.not_written:,} record(s) not written" if self.not_written else ""

    def add_read(self, count: int) -> None:
        self.read += count
        self.on_read(count)

    def add_gap(self, gap: Gap, text: str) -> None:
        self.gaps.setdefault(gap, Sample()).add(text)

    def add_change(self, change: RecordChange) -> None:
        self.differing += 1
        for name, new in change.after.items():
            if len(self.changes) < _SHOWN:
                old = change.before.get(name)
                self.changes.append(FieldChange(change.record_id, name, old, new))

    def settle(self, outcomes: Sequence[RowOutcome]) -> None:
        self.states.update(outcome.state for outcome in outcomes)
        bad = [outcome for outcome in outcomes if outcome.state not in WRITTEN]
        self.refused += bad[: _SHOWN - len(self.refused)]
