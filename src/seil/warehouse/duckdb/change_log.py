"""Where a merge into current records keeps what it changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seil.warehouse.tables import TableName


@dataclass(frozen=True)
class ChangeLog:
    """Where a merge writes the records it changes, before and after, as far as `columns` go.

    `table` has these columns and `_sequence`, `_is_old`. What a record was in between is in there
    twice, as old and as new; one that was not there before has no row with `_is_old`.
    """

    table: TableName
    columns: tuple[str, ...]
    sequence: int
