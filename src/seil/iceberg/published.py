"""What a published table says of itself: the commit and the version that its rows are of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pyiceberg.table.snapshots import Operation, ancestors_of

from seil.iceberg.snapshot import COMMIT, VERSION

if TYPE_CHECKING:
    from pyiceberg.table import Table


@dataclass(frozen=True)
class PublishedState:
    """`version` is empty where the rows are not what was published: nothing was yet, or another
    writer changed them since. `rows` counts live rows.
    """

    version: str = ""
    commit: str = ""
    snapshot_id: int | None = None
    committed_at: datetime | None = None
    is_foreign: bool = False


def published_state(table: Table) -> PublishedState:
    """Compactions by other engines keep the rows, and the version."""
    current = table.metadata.current_snapshot()
    if current is None:
        return PublishedState()
    at = datetime.fromtimestamp(current.timestamp_ms / 1000, UTC)
    is_foreign = False
    for snapshot in ancestors_of(current, table.metadata):
        summary = snapshot.summary
        if summary is not None and (commit := summary.get(COMMIT)):
            version = "" if is_foreign else str(summary.get(VERSION) or "")
            return PublishedState(version, commit, current.snapshot_id, at, is_foreign)
        is_foreign = is_foreign or summary is None or summary.operation != Operation.REPLACE
    return PublishedState("", "", current.snapshot_id, at, is_foreign)


def has_commit(table: Table, commit: str) -> bool:
    """Whether the commit is part of the table's current content."""
    current = table.metadata.current_snapshot()
    return current is not None and any(
        snapshot.summary is not None and snapshot.summary.get(COMMIT) == commit
        for snapshot in ancestors_of(current, table.metadata)
    )
