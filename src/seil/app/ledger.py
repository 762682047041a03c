"""The ledger's rows, read from the copy for readers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from seil.errors import StatementError, WarehouseError

if TYPE_CHECKING:
    from seil.app.site import Site
    from seil.warehouse.bookkeeping import LedgerRow
    from seil.warehouse.protocol import Warehouse


@dataclass(frozen=True)
class Ledger:
    """`problem` says why it cannot be read. `as_of` is when the copy that it was read from was
    published, None of the warehouse itself.
    """

    rows: list[LedgerRow] = field(default_factory=list)
    problem: str = ""
    as_of: datetime | None = None

    @property
    def balanced(self) -> bool:
        return all(row.balanced for row in self.rows)


def read_ledger(site: Site, objects: Sequence[str]) -> Ledger:
    """The last run of each object, and every run that does not balance."""
    from seil.sf_to_dw.load.ledger import current_rows

    return _read(site, lambda warehouse: current_rows(warehouse, objects))


def read_ledger_of(site: Site, run_id: str) -> Ledger:
    """What this run of a command read or loaded."""

    def rows(warehouse: Warehouse) -> list[LedgerRow]:
        bookkeeping = warehouse.bookkeeping
        flow_runs = bookkeeping.flow_runs(run_id)
        return bookkeeping.ledger(flow_runs=flow_runs) if flow_runs else []

    return _read(site, rows)


def _read(site: Site, rows: Callable[[Warehouse], list[LedgerRow]]) -> Ledger:
    """Where there is no copy for readers, a run that writes is not waited for."""
    if not site.has_warehouse:
        return Ledger(problem="there is no warehouse yet; `seil run` makes it")
    try:
        with site.reading(wait=timedelta(0)) as reading:
            return Ledger(rows(reading.warehouse), as_of=reading.as_of)
    except StatementError:
        raise
    except WarehouseError as error:
        return Ledger(problem=f"cannot be read now: {error}")
