"""What a table's rows say about a batch whose answer was lost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from seil.sf_to_t1.rows import TableCount
from seil.state.billing import BillingBatch

EvidenceKind = Literal["committed", "missing", "partial", "unclear"]


@dataclass(frozen=True)
class Evidence:
    """`missing` counts the rows that TechOne does not have; `before` and `total_before` are what to
    compare with after they were sent. `reason` is why it is unclear.
    """

    verdict: EvidenceKind
    missing: Counter[str] = field(default_factory=Counter)
    before: Mapping[str, int] = field(default_factory=dict)
    total_before: int = 0
    reason: str = ""

    @classmethod
    def unclear(cls, batch: BillingBatch, reason: str) -> Evidence:
        return cls("unclear", batch.hashes, batch.before, batch.total_before, reason)


def judge(batch: BillingBatch, now: TableCount, *, exact: bool = False) -> Evidence:
    """Compares the table with what it held before the batch, equal rows by their number.

    `exact`: only the batch's own rows were read, by a column that names it. Otherwise other rows
    may have come meanwhile. Nothing is called missing that may be there in another form: then the
    table has grown, and the evidence is unclear.
    """
    growth = now.total - batch.total_before
    arrived = {row: now.rows[row] - batch.before.get(row, 0) for row in batch.hashes}
    recognised = sum(arrived.values())
    if exact and growth == batch.unsent:
        return Evidence("committed")
    if reason := _contradiction(batch, arrived, growth):
        return Evidence.unclear(batch, reason)
    if recognised == batch.unsent:
        return Evidence("committed")
    if recognised != growth:
        reason = (
            f"the table has {growth:,} rows more than before, {recognised:,} of them equal to the "
            "batch's: TechOne may store values in another form, or others write into the table"
        )
        return Evidence.unclear(batch, reason)
    missing = Counter({row: sent - arrived[row] for row, sent in batch.hashes.items()})
    before = {row: now.rows[row] for row in +missing if now.rows[row]}
    return Evidence("partial" if recognised else "missing", +missing, before, now.total)


def _contradiction(batch: BillingBatch, arrived: Mapping[str, int], growth: int) -> str:
    if growth < 0 or any(count < 0 for count in arrived.values()):
        return "rows that were in the table before the batch are gone"
    if any(count > batch.hashes[row] for row, count in arrived.items()):
        return "the table has more of its rows than were sent: others imported the same"
    if sum(arrived.values()) > growth:
        return "other rows of the table are gone since"
    return ""
