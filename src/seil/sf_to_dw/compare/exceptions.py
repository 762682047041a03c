"""Record versions that the record rules have set aside."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from seil.catalog import SyncedObject
from seil.salesforce.schema import UTC_MICROS

if TYPE_CHECKING:
    from seil.lake import Lake

RecordVersion = tuple[str, datetime | None]
"""An Id and the cursor's value, None where the object has no cursor."""


def rules_digest(obj: SyncedObject) -> str:
    rules = [column.model_dump(mode="json") for column in obj.columns]
    return hashlib.sha256(json.dumps(rules).encode()).hexdigest()[:16]


def versions_set_aside(lake: Lake, obj: SyncedObject, cursor: str) -> set[RecordVersion]:
    """From all exceptions files of the object, but for those without readable key and cursor."""
    prefix = f"exceptions/Salesforce-{obj.landing_name}/"
    versions: set[RecordVersion] = set()
    for entry in lake.curated.list(prefix):
        with lake.curated.reader(entry.key) as file:
            parquet = pq.ParquetFile(file)
            names = {name.lower(): name for name in parquet.schema_arrow.names}
            key, stamp = names.get(obj.key.lower()), names.get(cursor.lower())
            if key is None or (cursor and stamp is None):
                continue
            rows = parquet.read([name for name in (key, stamp) if name])
        versions |= _versions(rows, key, stamp)
    return versions


def _versions(rows: pa.Table, key: str, stamp: str | None) -> set[RecordVersion]:
    ids: list[Any] = rows[key].to_pylist()
    if stamp is None:
        return {(record_id, None) for record_id in ids}
    try:
        stamps: list[Any] = pc.cast(rows[stamp], UTC_MICROS).to_pylist()
    except pa.ArrowInvalid:
        return set()
    return set(zip(ids, stamps, strict=True))
