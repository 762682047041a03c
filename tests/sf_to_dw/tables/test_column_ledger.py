"""No field that a run read is lost on its way without the ledger naming it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from seil.catalog import Catalog, SyncedObject
from seil.lake import Lake
from seil.modeling.build import BuildReport
from seil.salesforce.schema import ObjectSchema, parse_describe
from seil.settings import IngestSettings
from seil.sf_to_dw.extract.extractor import ExtractReport
from seil.sf_to_dw.ingest.ingestor import Ingestor, IngestReport
from seil.sf_to_dw.load.loader import LoadReport, load
from seil.sf_to_dw.pipeline import RunReport
from seil.sf_to_dw.schema.registry import SchemaRegistry
from seil.state import state_in_memory
from seil.state.decisions import Decision
from seil.warehouse import Warehouse
from seil.warehouse.bookkeeping import LedgerRow

REAL = Path(__file__).parents[4] / "shared/real/describe"
DESCRIBES = sorted(path for path in REAL.glob("*.json") if path.stem != "Global")
FIELDS = ("Id", "IsDeleted", "SystemModstamp", "FileName", "Processed_Ts", "_file", "Messages")


def described(name: str, *fields: str) -> ObjectSchema:
    return parse_describe(
        {"name": name, "fields": [{"name": field, "type": "string"} for field in fields]}
    )


def arrived(
    lake: Lake, warehouse: Warehouse, obj: SyncedObject, schema: ObjectSchema, bus: Any
) -> LedgerRow:
    """A run of one record, from its landed page to the ledger."""
    registry = SchemaRegistry(lake)
    registry.store(obj, schema)
    key = f"in/{lake.env}-Salesforce-{obj.landing_name}/run-1/run-1-00000.parquet"
    record = {f.name: ["a" if pa.types.is_string(f.arrow) else None] for f in schema.fields}
    page = pa.table(record, schema=schema.arrow)
    metadata = {"seil.object": obj.api_name, "seil.mode": "full", "seil.flow_run_id": "run-1"}
    with lake.landing.writer(key) as file:
        pq.write_table(page.replace_schema_metadata(metadata), file)
    catalog = Catalog([obj])
    settings = IngestSettings()
    report = Ingestor(lake, catalog, settings=settings, bus=bus, registry=registry).sweep()
    assert report.ok
    return counted(lake, warehouse, obj, [f.name for f in schema.fields])


def counted(
    lake: Lake, warehouse: Warehouse, obj: SyncedObject, columns: list[str], **options: Any
) -> LedgerRow:
    """Once its manifest says that it read these columns."""
    body = {
        **dict.fromkeys(("object", "flow_run_id", "mode", "job_id"), "full"),
        **dict.fromkeys(("window_start", "window_end", "started_at", "finished_at")),
        "object": obj.api_name,
        "flow_run_id": "run-1",
        "reported": 1,
        "landed": 1,
        "columns": columns,
    }
    manifest = f"runs/Salesforce-{obj.landing_name}/run-1.json"
    lake.staging.put(manifest, json.dumps(body).encode())
    assert load(warehouse, lake, Catalog([obj]), **options).ok
    (row,) = warehouse.bookkeeping.ledger()
    return row


def columns(row: LedgerRow) -> tuple[int | None, ...]:
    return row.columns_read, row.columns_curated, row.columns_merged


def test_every_field_is_counted_on_its_way(lake: Lake, warehouse: Warehouse, bus: Any) -> None:
    obj = SyncedObject(api_name="FileEventStore")
    row = arrived(lake, warehouse, obj, described(obj.api_name, *FIELDS), bus)
    assert columns(row) == (len(FIELDS), len(FIELDS), len(FIELDS))
    assert (row.balanced, row.columns_lost, row.columns_left_out) == (True, "", "")


@pytest.mark.parametrize("path", DESCRIBES, ids=lambda path: path.stem)
def test_every_field_of_a_real_describe_arrives_or_is_named(
    lake: Lake, warehouse: Warehouse, bus: Any, path: Path
) -> None:
    body = json.loads(path.read_text("utf-8"))
    schema = parse_describe(body)
    obj = SyncedObject(api_name=body["name"])
    row = arrived(lake, warehouse, obj, schema, bus)
    assert len(body["fields"]) == len(schema.fields) + len(schema.left_out)
    assert columns(row) == (len(schema.fields),) * 3
    assert row.balanced


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, ""),
        ({"exclude": ("color__C",)}, "Color__c: excluded in the catalog"),
    ],
    ids=["lost", "excluded"],
)
def test_a_field_that_does_not_arrive_is_lost_unless_somebody_left_it_out(
    lake: Lake, warehouse: Warehouse, curator: Any, options: Any, reason: str
) -> None:
    obj = SyncedObject(api_name="Order", **options)
    curator.file([{"Id": "a", "Size__c": "1"}])
    row = counted(lake, warehouse, obj, ["Id", "Size__c", "Color__c"])
    assert columns(row) == (3, 2, 2)
    assert row.columns_left_out == reason
    assert row.columns_lost == ("" if reason else "Color__c")
    assert row.balanced == bool(reason)
    report = RunReport(
        ExtractReport([]), IngestReport([]), LoadReport(), BuildReport("", ()), [row]
    )
    lost = ["ledger: Order lost its column(s) Color__c in run run-1"]
    assert report.problems == ([] if reason else lost)


@pytest.mark.parametrize("policy", ["drop", "column"])
def test_a_decided_field_is_where_it_was_decided(
    lake: Lake, warehouse: Warehouse, curator: Any, policy: Any
) -> None:
    obj = SyncedObject(api_name="Order")
    decision = Decision("size", policy, "me", "2026-01-01T00:00:00+00:00")
    decision = Decision(**{**vars(decision), "old": "int64", "new": "string", "target": "size_2"})
    curator.file([{"Id": "a", "Size": "x"}])
    with state_in_memory() as state:
        state.decisions.add("Order", [decision])
        row = counted(lake, warehouse, obj, ["Id", "Size"], decisions=state.decisions)
    assert row.balanced
    assert row.columns_left_out == (
        "Size: dropped by `seil schema accept`" if policy == "drop" else ""
    )
    assert row.columns_merged == (1 if policy == "drop" else 2)


def test_a_page_that_lacks_a_field_does_not_hide_behind_its_nulls(
    lake: Lake, warehouse: Warehouse, bus: Any
) -> None:
    """The clean copy has a column for every field that is known."""
    obj = SyncedObject(api_name="Thing__c")
    registry = SchemaRegistry(lake)
    registry.store(obj, described(obj.api_name, "Id", "Size__c", "Color__c"))
    key = f"in/{lake.env}-Salesforce-Thing/run-1/run-1-00000.parquet"
    with lake.landing.writer(key) as file:
        pq.write_table(pa.table({"Id": ["a"], "Size__c": ["1"]}), file)
    settings = IngestSettings()
    Ingestor(lake, Catalog([obj]), settings=settings, bus=bus, registry=registry).sweep()
    row = counted(lake, warehouse, obj, ["Id", "Size__c", "Color__c"])
    assert (row.columns_lost, row.balanced) == ("Color__c", False)


def test_files_of_other_tools_need_no_columns(
    lake: Lake, warehouse: Warehouse, curator: Any
) -> None:
    curator.file([{"Id": "a"}])
    assert load(warehouse, lake, Catalog([SyncedObject(api_name="Order")])).ok
    (row,) = warehouse.bookkeeping.ledger()
    assert columns(row) == (None, None, None)
    assert row.balanced
