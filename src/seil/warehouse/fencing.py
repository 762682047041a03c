"""The fencing token of the run that committed last, kept in the warehouse itself.

A run that was paused past its lease is refused in the transaction it would commit: `seil.fence` has
the token of its successor by then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from seil.warehouse.protocol import TableName
from seil.warehouse.sql import compose

if TYPE_CHECKING:
    from seil.warehouse.protocol import Fence, Warehouse

FENCE = TableName("seil", "fence")
_STORED = "SELECT token FROM seil.fence"
_COLUMNS = pa.schema([pa.field("token", pa.int64())])


def admit(warehouse: Warehouse, fence: Fence) -> None:
    """At the start of a transaction: raises LeaseLostError when a later run has committed here.

    Elsewhere than in a file that one process locks, the row has to be read FOR UPDATE.
    """
    if fence.token is None:
        return
    if warehouse.columns(FENCE) is None:
        warehouse.create_table(FENCE, _COLUMNS)
    rows = [int(row["token"]) for row in warehouse.query(_STORED).to_pylist()]
    stored = max(rows, default=0)
    token = fence.admit(warehouse.url, stored)
    if not rows:
        warehouse.append(FENCE, pa.table({"token": [token]}, schema=_COLUMNS))
    elif token != stored:
        warehouse.execute(compose("UPDATE seil.fence SET token = {token}", token=token))
