"""The log of the records that a merge changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seil.warehouse.tables import TableName


@dataclass(frozen=True)
class ChangeLog:
    """Where a merge logs `columns` of the records it changes, before and after.

    `table` has these columns, `_sequence` and `_is_old`. An intermediate version is logged twice,
    as old and as new; a new record has no row with `_is_old`.
    """

    table: TableName
    columns: tuple[str, ...]
    sequence: int
