"""The fencing token of the last commit, stored in the warehouse itself.

The transaction of a run that was paused past its lease fails: by then, `seil.fence` holds the token
of its successor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from seil.warehouse.sql import Sql, compose
from seil.warehouse.tables import TableName

if TYPE_CHECKING:
    from seil.warehouse.fencing import Fence
    from seil.warehouse.relational.database import RelationalDatabase

_FENCE = TableName("seil", "fence")
_COLUMNS = pa.schema([pa.field("token", pa.int64())])


def admit(database: RelationalDatabase, fence: Fence) -> None:
    """Call it at the start of a transaction. Raises LeaseLostError if a later run has committed."""
    if fence.token is None:
        return
    if database.columns(_FENCE) is None:
        database.create_table(_FENCE, _COLUMNS)
    stored = stored_token(database)
    token = fence.admit(database.url, stored or 0)
    if stored is None:
        database.append(_FENCE, pa.table({"token": [token]}, schema=_COLUMNS))
    elif token != stored:
        database.execute(compose("UPDATE seil.fence SET token = {token}", token=token))


def stored_token(database: RelationalDatabase) -> int | None:
    """Of the last commit; None where none is stored."""
    rows = database.query(Sql("SELECT max(token) AS token FROM seil.fence")).to_pylist()
    token = rows[0]["token"]
    return None if token is None else int(token)
