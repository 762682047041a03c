"""Result pages as Parquet files in the landing zone."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq

from seil.events.envelope import Event
from seil.events.file_events import event_id
from seil.lake import Bucket, Entry, LandedFile

if TYPE_CHECKING:
    from seil.catalog import SyncedObject
    from seil.sf_to_dw.extract.flows import FlowRun

# A page buffers this much before it writes a row group: with 4 flows of 4 pages, 128 MB.
ROW_GROUP_BYTES = 8 << 20
LANDED = "Object Created"
COMPRESSION: Literal["zstd"] = "zstd"
_COMPRESSION_LEVEL = 1


def page_file(env: str, obj: SyncedObject, run: FlowRun, number: int) -> LandedFile:
    name = f"{run.flow_run_id}-{number:05d}.parquet"
    return LandedFile(env, obj.landing_name, run.flow_run_id, name)


def page_metadata(obj: SyncedObject, run: FlowRun, *, number: int, rows: int) -> dict[str, str]:
    """The Parquet key-value metadata of a landed page; ingest checks the file against it."""
    window = run.window
    return {
        "seil.object": obj.api_name,
        "seil.flow_run_id": run.flow_run_id,
        "seil.mode": window.mode,
        "seil.job_id": run.job_id,
        "seil.page": str(number),
        "seil.window_start": _iso(window.start),
        "seil.window_end": _iso(window.end),
        "seil.schema_fingerprint": run.fingerprint,
        "seil.expected_rows": str(rows),
    }


def write_page(
    bucket: Bucket,
    key: str,
    batches: Iterable[pa.RecordBatch],
    *,
    schema: pa.Schema,
    metadata: dict[str, str],
) -> int:
    """Writes the page atomically, in row groups of about ROW_GROUP_BYTES; returns its rows."""
    rows = 0
    with (
        bucket.writer(key) as file,
        pq.ParquetWriter(
            file,
            schema.with_metadata(metadata),
            compression=COMPRESSION,
            compression_level=_COMPRESSION_LEVEL,
            # Ingest verifies them: without checksums a flipped bit can pass for another value.
            write_page_checksum=True,
            # Ingest reads the whole file once: dictionaries and statistics would take longer to
            # make than the rest of the file.
            use_dictionary=False,
            write_statistics=False,
        ) as writer,
    ):
        for table in _row_groups(batches, schema):
            writer.write_table(table, row_group_size=max(table.num_rows, 1))
            rows += table.num_rows
    return rows


def landed_event(bucket: Bucket, entry: Entry) -> Event:
    """S3's notification for a new object, which is what starts ingestion.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/ev-events.html
    Re-publishing the same delivery of a file yields the same event id.
    """
    name = urlsplit(bucket.url).path.rpartition("/")[2] or urlsplit(bucket.url).netloc
    detail: dict[str, Any] = {
        "version": "0",
        "bucket": {"name": name},
        "object": {"key": entry.key, "size": entry.size},
        "reason": "PutObject",
    }
    return Event(
        "aws.s3",
        LANDED,
        detail,
        resources=(bucket.url,),
        id=event_id(LANDED, entry.key, entry.modified.isoformat(), entry.size),
    )


def _row_groups(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterable[pa.Table]:
    buffer: list[pa.RecordBatch] = []
    size = 0
    for batch in batches:
        buffer.append(batch)
        size += batch.nbytes
        if size >= ROW_GROUP_BYTES:
            yield pa.Table.from_batches(buffer, schema)
            buffer, size = [], 0
    if buffer:
        yield pa.Table.from_batches(buffer, schema)


def _iso(value: datetime | None) -> str:
    return value.isoformat() if value else ""
