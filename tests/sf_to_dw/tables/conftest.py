"""A lake with curated files as ingestion leaves them, and a warehouse to load them into."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.engines import servers, spare_spark, whole_engine

from seil.catalog import Catalog, load_catalog
from seil.events.envelope import Event
from seil.lake import Lake
from seil.lake.notices import announce
from seil.settings import WarehouseSettings
from seil.sf_to_dw.extract.flows import manifest_key
from seil.warehouse import Warehouse, open_warehouse

__all__ = ["servers", "whole_engine"]

# Each takes ten seconds on Spark: one of each promise.
ON_SPARK = (
    "test_a_clean_copy_made_again_is_found_below_its_old_hour",
    "test_a_deleted_record_stays_deleted_when_an_older_version_comes_late",
    "test_a_run_balances_when_every_row_is_accounted_for[spark-page lost]",
    "test_an_incompatible_file_is_left_out_with_its_cure[spark-too wide]",
    "test_every_line_of_every_feed_is_what_the_contract_says[spark-1]",
    "test_history_follows_new_and_wider_columns",
    "test_types_are_widened_whichever_comes_first[spark-int-decimal]",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    spare_spark(items, Path(__file__).parent, ON_SPARK)


UTC_MICROS = pa.timestamp("us", tz="UTC")
_TYPES: Mapping[str, pa.DataType] = {
    "Id": pa.string(),
    "IsDeleted": pa.bool_(),
    "SystemModstamp": UTC_MICROS,
    "LastModifiedDate": UTC_MICROS,
    "Name": pa.string(),
}
HOUR = datetime(2024, 1, 2, 3, tzinfo=UTC)
_LINEAGE = ("filename", "function_name", "function_version", "aws_request_id", "appflow_id")


@dataclass
class Curator:
    """Writes curated files and manifests of `Order` unless told otherwise."""

    lake: Lake
    landing_name: str = "Order"
    object: str = "Order"

    def table(self, records: Sequence[Mapping[str, Any]]) -> pa.Table:
        """Columns of the first record; those with a known name get its type."""
        names = list(records[0])
        columns = {
            name: pa.array([record[name] for record in records], _TYPES.get(name)) for name in names
        }
        return pa.table(columns)

    def file(
        self,
        records: Sequence[Mapping[str, Any]] | pa.Table,
        *,
        run: str = "run-1",
        page: int = 0,
        end: str = "2024-01-02T00:00:00+00:00",
        **metadata: str,
    ) -> str:
        """Returns the key; `metadata` overrides seil.* entries, an empty one leaves it out."""
        rows = records if isinstance(records, pa.Table) else self.table(records)
        lineage = pa.array(["file:///in/x.parquet"] * rows.num_rows, pa.string())
        whole = rows
        for name in _LINEAGE:
            whole = whole.append_column(name, lineage)
        key = f"Salesforce-{self.landing_name}/2024/01/02/03/curated_{run}-{page:05d}.parquet"
        entries = {
            "object": self.object,
            "flow_run_id": run,
            "mode": "full",
            "window_end": end,
            "schema_fingerprint": "f",
            "landed_key": f"in/dev-Salesforce-{self.landing_name}/{run}/{run}-{page:05d}.parquet",
            "landed_rows": str(rows.num_rows),
            "curated_rows": str(rows.num_rows),
            "rejected_rows": "0",
        } | metadata
        file_metadata = {f"seil.{name}": value for name, value in entries.items() if value}
        # As ingest does: the hour is one long past.
        announce(self.lake, self.landing_name, "curated", key, of=HOUR)
        with self.lake.curated.writer(key) as file:
            pq.write_table(whole.replace_schema_metadata(file_metadata), file)
        return key

    def manifest(self, run: str = "run-1", *, reported: int, landed: int) -> None:
        body: dict[str, Any] = {
            "object": self.object,
            "flow_run_id": run,
            "mode": "full",
            "window_start": None,
            "window_end": "2024-01-02T00:00:00+00:00",
            "job_id": "750",
            "reported": reported,
            "landed": landed,
            "pages": [{"key": "in/x", "rows": landed}],
            "left_out": {},
            "started_at": "2024-01-02T00:00:01+00:00",
            "finished_at": "2024-01-02T00:00:02+00:00",
        }
        key = manifest_key(self.landing_name, run)
        self.lake.staging.put(key, json.dumps(body).encode())


@dataclass
class ListBus:
    """A bus that keeps what it is given."""

    events: list[Event] = field(default_factory=list)

    def publish(self, events: Sequence[Event]) -> None:
        self.events += events


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake.at((tmp_path / "lake").as_uri(), env="dev", project="seil")


@pytest.fixture
def curator(lake: Lake) -> Curator:
    return Curator(lake)


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    return load_catalog()


@pytest.fixture
def bus() -> ListBus:
    return ListBus()


@pytest.fixture
def settings(whole_engine: WarehouseSettings) -> WarehouseSettings:
    return whole_engine


@pytest.fixture
def warehouse(settings: WarehouseSettings) -> Iterator[Warehouse]:
    with open_warehouse(settings) as opened:
        yield opened


@pytest.fixture
def at() -> datetime:
    return datetime(2024, 1, 1, 12, tzinfo=UTC)
