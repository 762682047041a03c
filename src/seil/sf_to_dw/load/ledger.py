"""The ledger: rows reported, landed, curated, set aside and merged, per object and flow run."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seil.warehouse.bookkeeping import LedgerRow
    from seil.warehouse.protocol import Warehouse


def current_rows(warehouse: Warehouse, objects: Collection[str] = ()) -> list[LedgerRow]:
    """The last run of each object, and every run that does not balance; oldest first."""
    bookkeeping = warehouse.bookkeeping
    runs = bookkeeping.unbalanced_runs() | bookkeeping.last_runs()
    rows = bookkeeping.ledger(objects=objects, flow_runs=runs) if runs else []
    last = {row.object: row for row in rows}
    return [row for row in rows if not row.balanced or last[row.object] is row]
