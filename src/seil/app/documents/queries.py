"""Questions to the warehouse: `seil query`, `lineage`, `export`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from seil.app.documents.base import JsonDocument
from seil.app.table_export import TableFile
from seil.modeling.lineage import Origin, Use
from seil.sf_to_dw.feed import FeedFile


@dataclass(frozen=True)
class QueryDocument(JsonDocument, schema="seil.query/1", command="seil query"):
    as_of: datetime | None
    columns: Sequence[str]
    rows: Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class LineageDocument(JsonDocument, schema="seil.lineage/1", command="seil lineage"):
    lineage: Origin


@dataclass(frozen=True)
class UsesDocument(JsonDocument, schema="seil.uses/1", command="seil lineage --down"):
    uses: Sequence[Use]


@dataclass(frozen=True)
class FeedDocument(JsonDocument, schema="seil.feed/1", command="seil export feed"):
    as_of: datetime | None
    files: Sequence[FeedFile]


@dataclass(frozen=True)
class ExportDocument(
    JsonDocument, schema="seil.export/1", command="seil export parquet, seil export csv"
):
    as_of: datetime | None
    files: Sequence[TableFile]
