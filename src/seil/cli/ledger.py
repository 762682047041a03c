"""How ledger rows are printed: within 80 characters, long names of objects shortened."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from seil.cli import output

if TYPE_CHECKING:
    from seil.warehouse.bookkeeping import LedgerRow

_COLUMNS = ("object", "mode", "reported", "landed", "aside", "merged")
_WIDTH = 80
_GAP = 2
_SHORTEST_NAME = 16


def show_ledger(rows: Sequence[LedgerRow]) -> None:
    """A line per row, all numbers of those that do not balance, and the sentence they stand for."""
    cells = [_cells(row) for row in rows]
    width = max(_WIDTH - _width_besides(cells), _SHORTEST_NAME)
    names = [output.shortened(row.object, width) for row in rows]
    output.table(_COLUMNS, [(name, *rest) for name, rest in zip(names, cells, strict=True)])
    off = [row for row in rows if not row.balanced]
    for row in off:
        output.line(f"  {difference(row)}", style="red")
    if off:
        output.line(f"{len(off):,} of {len(rows):,} do not balance.", style="red")
    elif rows:
        output.line(f"All {len(rows):,} balance: reported = landed = merged + aside.")


def difference(row: LedgerRow) -> str:
    reported = "nothing said how many" if row.reported is None else f"{row.reported:,} reported"
    lost = f"; column(s) lost on the way: {row.columns_lost}" if row.columns_lost else ""
    return (
        f"{row.object}, {row.mode}, run {row.flow_run_id}: {reported}, {row.landed:,} landed, "
        f"{row.curated:,} curated, {row.set_aside:,} set aside, {row.merged:,} merged{lost}"
    )


def _cells(row: LedgerRow) -> tuple[Any, ...]:
    """What stands beside the object's name."""
    counts = (row.reported, row.landed, row.set_aside, row.merged)
    return (row.mode, *(counts if row.balanced else map(output.Bad, counts)))


def _width_besides(cells: Sequence[Sequence[Any]]) -> int:
    columns = zip(
        _COLUMNS[1:], *([output.text(cell) for cell in row] for row in cells), strict=True
    )
    return sum(_GAP + max(map(len, column)) for column in columns)
