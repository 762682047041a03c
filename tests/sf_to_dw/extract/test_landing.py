from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from seil.catalog import SyncedObject
from seil.lake import Bucket
from seil.sf_to_dw.extract import landing
from seil.sf_to_dw.extract.flows import FlowRun, Window
from seil.sf_to_dw.extract.landing import landed_event, page_file, page_metadata, write_page

NOW = datetime(2026, 3, 9, 12, tzinfo=UTC)
ORDER_PRODUCT = SyncedObject(api_name="OrderItem", landing_name="Order-Product")
RUN = FlowRun("run-1", Window(None, NOW), "750", "f00d", 1000, NOW)
MONEY = pa.decimal128(18, 2)
FIELDS: list[pa.Field[Any]] = [pa.field("Id", pa.string()), pa.field("Amount", MONEY)]
SCHEMA = pa.schema(FIELDS)


def batch(rows: int) -> pa.RecordBatch:
    return pa.record_batch([pa.array(["x" * 18] * rows), pa.nulls(rows, MONEY)], schema=SCHEMA)


@pytest.fixture
def bucket(tmp_path: Path) -> Bucket:
    return Bucket((tmp_path / "seil-dev-sf-to-dw-landing").as_uri())


def test_page_key_is_the_landing_key_of_its_run() -> None:
    key = page_file("dev", ORDER_PRODUCT, RUN, 7).key
    assert key == "in/dev-Salesforce-Order-Product/run-1/run-1-00007.parquet"


def test_page_carries_its_metadata_and_types(bucket: Bucket) -> None:
    metadata = page_metadata(ORDER_PRODUCT, RUN, number=7, rows=3)
    assert write_page(bucket, "in/k", [batch(1), batch(2)], schema=SCHEMA, metadata=metadata) == 3
    with bucket.reader("in/k") as file:
        read = pq.read_schema(file)
    assert read.remove_metadata().equals(SCHEMA)
    assert read.metadata[b"seil.object"] == b"OrderItem"
    assert read.metadata[b"seil.mode"] == b"full"
    assert read.metadata[b"seil.window_start"] == b""
    assert read.metadata[b"seil.window_end"] == b"2026-03-09T12:00:00+00:00"
    assert read.metadata[b"seil.expected_rows"] == b"3"
    assert read.metadata[b"seil.page"] == b"7"


def test_page_row_groups_are_bounded(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(landing, "ROW_GROUP_BYTES", batch(100).nbytes)
    write_page(bucket, "k", (batch(60) for _ in range(5)), schema=SCHEMA, metadata={})
    with bucket.reader("k") as file:
        parquet = pq.ParquetFile(file)
        sizes = [parquet.metadata.row_group(n).num_rows for n in range(3)]
    assert sizes == [120, 120, 60]


def test_empty_page_keeps_its_schema(bucket: Bucket) -> None:
    assert write_page(bucket, "k", [], schema=SCHEMA, metadata={}) == 0
    with bucket.reader("k") as file:
        assert pq.read_table(file).schema.equals(SCHEMA)


def test_flipped_bit_in_a_landed_page_is_rejected(intake: Any) -> None:
    page = pa.record_batch([pa.array(["001Dn00000AbCdEfGh"]), pa.nulls(1, MONEY)], schema=SCHEMA)
    key = "in/dev-Salesforce-Thing/run-1/run-1-00000.parquet"
    metadata = {"seil.object": "Thing__c"}
    write_page(intake.lake.landing, key, [page], schema=SCHEMA, metadata=metadata)
    data = bytearray(intake.lake.landing.get(key))
    # A value too short to be compressed: another letter there makes no other check fail.
    data[data.index(b"AbCd")] ^= 1
    intake.lake.landing.put(key, bytes(data))
    result = intake.ingestor.ingest(key)
    assert (result.state, result.check) == ("error", "whole")
    assert intake.curated_keys() == []


def test_landed_event_has_the_shape_of_s3s(bucket: Bucket) -> None:
    bucket.put("in/k", b"123")
    entry = bucket.head("in/k")
    assert entry is not None
    event = landed_event(bucket, entry).to_dict()
    assert (event["source"], event["detail-type"]) == ("aws.s3", "Object Created")
    assert event["detail"]["bucket"] == {"name": "seil-dev-sf-to-dw-landing"}
    assert event["detail"]["object"] == {"key": "in/k", "size": 3}


def test_landed_event_of_one_delivery_has_one_id(bucket: Bucket) -> None:
    def event_id() -> str:
        entry = bucket.head("in/k")
        assert entry is not None
        return landed_event(bucket, entry).id

    bucket.put("in/k", b"123")
    first = event_id()
    assert event_id() == first
    bucket.touch("in/k")
    assert event_id() != first
