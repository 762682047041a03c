"""A staged file is named by its URL: on this machine whatever its name, and far away."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import cast

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.warehouse.records import select

from seil.errors import WarehouseError
from seil.settings import WarehouseSettings
from seil.warehouse import Records, StagedFile, TableName, Warehouse, open_warehouse
from seil.warehouse.types import TEXT, TIMESTAMP

TABLE = TableName("salesforce", "account")
ROWS = pa.table({"Id": ["a"]})
COLUMNS = pa.schema({"id": TEXT, "_extracted_at": cast("pa.DataType", TIMESTAMP), "_file": TEXT})


def staged(url: str) -> StagedFile:
    columns = {"id": ROWS.schema.field("Id")}
    return StagedFile("key", "a.parquet", datetime(2026, 1, 1, tzinfo=UTC), columns, url)


def merge_ids(warehouse: Warehouse, url: str) -> list[str]:
    with warehouse.commit("load") as commit:
        commit.tables.create_table(TABLE, COLUMNS, key="id")
        outcomes = commit.merger.merge(Records(TABLE, "id"), [staged(url)])
    assert outcomes["key"].inserted == 1
    return [str(id_) for (id_,) in select(warehouse, f"SELECT id FROM {TABLE}")]


@pytest.mark.parametrize("name", ["a.parquet", "a b%20[1]*.parquet", "ä#?.parquet"])
def test_a_file_of_any_name_on_this_machine_is_read(
    warehouse: Warehouse, tmp_path: Path, name: str
) -> None:
    pq.write_table(ROWS, tmp_path / name)
    assert merge_ids(warehouse, (tmp_path / name).as_uri()) == ["a"]


def test_a_remote_file_is_read_as_it_was_opened_for(engine: WarehouseSettings) -> None:
    content = BytesIO()
    pq.write_table(ROWS, content)
    remote = {"s3://bucket/a.parquet": content}
    with open_warehouse(engine, open_url=lambda url: nullcontext(remote[url])) as warehouse:
        warehouse.prepare()
        assert merge_ids(warehouse, "s3://bucket/a.parquet") == ["a"]


def test_a_remote_file_without_a_way_to_it_is_refused_by_name(warehouse: Warehouse) -> None:
    with pytest.raises(WarehouseError, match="cannot read s3://bucket/a"):
        merge_ids(warehouse, "s3://bucket/a.parquet")


@pytest.mark.parametrize("name", ["_file", "_FILE", "_extracted_at"])
def test_a_column_named_as_our_own_is_read_under_the_name_it_gets(
    warehouse: Warehouse, tmp_path: Path, name: str
) -> None:
    rows = ROWS.append_column(name, pa.array(["theirs"]))
    pq.write_table(rows, tmp_path / "a.parquet")
    columns = {"id": rows.schema.field("Id"), "field_name": rows.schema.field(name)}
    file = replace(staged((tmp_path / "a.parquet").as_uri()), columns=columns)
    with warehouse.commit("load") as commit:
        shape = COLUMNS.append(pa.field("field_name", TEXT))
        commit.tables.create_table(TABLE, shape, key="id")
        commit.merger.merge(Records(TABLE, "id"), [file])
    query = f"SELECT field_name, _file FROM {TABLE}"
    assert select(warehouse, query) == [("theirs", "a.parquet")]
