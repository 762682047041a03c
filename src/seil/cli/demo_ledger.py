"""The demo's ledger: what every object's rows add up to, within 80 characters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from seil.cli.ledger import difference
from seil.cli.output import Bad, line, shortened, table

if TYPE_CHECKING:
    from seil.warehouse.bookkeeping import LedgerRow

_FLOWS = ("full", "delta")
NAME_WIDTH = 31
_EXPLAINED = """\
full + delta + other = reported = merged + aside.
other: read besides the two runs' windows, from the org's lists of deletions.
aside: records that a rule set aside, with their reasons."""


def show_ledger(
    names: Sequence[str], full: Sequence[LedgerRow], delta: Sequence[LedgerRow]
) -> bool:
    """A line per object, in the order of `names`, and the total.

    `full` and `delta` are the ledgers of the two runs. False where a row of them does not balance.
    """
    entries = [*full, *delta]
    line("\nThe ledger: every row that Salesforce reported, on its way", style="bold")
    table(
        ("object", "full", "delta", "other", "reported", "aside", "merged"),
        [_row(name, [e for e in entries if e.object == name]) for name in names],
    )
    off = [entry for entry in entries if not entry.balanced]
    for entry in off:
        line(f"  {difference(entry)}", style="red")
    total = sum(entry.reported or 0 for entry in entries)
    verdict = "NOT all of them accounted for" if off else "all of them accounted for"
    line(f"{total:,} rows reported, {verdict}:", style="red" if off else "")
    line(_EXPLAINED, style="dim")
    return not off


def _row(name: str, rows: Sequence[LedgerRow]) -> list[Any]:
    read = [_total([row for row in rows if row.mode == mode], "reported") for mode in _FLOWS]
    other = _total([row for row in rows if row.mode not in _FLOWS], "reported")
    ends = [_total(rows, column) for column in ("reported", "set_aside", "merged")]
    is_right = all(row.balanced for row in rows)
    return [shortened(name, NAME_WIDTH), *read, other, *(ends if is_right else map(Bad, ends))]


def _total(rows: Sequence[LedgerRow], column: str) -> int:
    return sum(getattr(row, column) or 0 for row in rows)
