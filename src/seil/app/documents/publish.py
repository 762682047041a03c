"""Tables that others read: `seil publish`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from seil.app.documents.base import JsonDocument
from seil.app.publishing import PublishedTable, PublishReport
from seil.iceberg.publisher import TableOutcome
from seil.iceberg.upkeep import UpkeepOutcome


@dataclass(frozen=True)
class PublishDocument(JsonDocument, schema="seil.publish/1", command="seil publish iceberg"):
    """`version` and `commit` are in each table's last snapshot, as seil.version and seil.commit;
    `is_one_moment`: readers see all tables change at once.
    """

    catalog: str
    as_of: datetime | None
    is_one_moment: bool
    tables: Sequence[TableOutcome]
    missing: Sequence[str]
    upkeep: Sequence[UpkeepOutcome]

    @classmethod
    def of(cls, report: PublishReport) -> Self:
        return cls(
            report.catalog,
            report.as_of,
            report.is_one_moment,
            report.tables,
            report.missing,
            report.upkeep,
        )


@dataclass(frozen=True)
class PublishStatusDocument(
    JsonDocument, schema="seil.publish-status/1", command="seil publish status"
):
    """`standing` is current, behind, changed by another writer, or not published."""

    tables: Sequence[PublishedTable]


@dataclass(frozen=True)
class UpkeepDocument(JsonDocument, schema="seil.publish-upkeep/1", command="seil publish upkeep"):
    tables: Sequence[UpkeepOutcome]
