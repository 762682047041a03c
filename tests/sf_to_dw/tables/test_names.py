"""Objects and columns called like something of ours, of DuckDB's or of Python's."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.duckdb_file import relational_database as database
from tests.engines import DUCKDB_ONLY, select
from tests.sf_to_dw.tables.conftest import Curator

from seil.catalog import Catalog, SyncedObject
from seil.errors import ConfigurationError
from seil.lake import Lake
from seil.settings import WarehouseSettings
from seil.sf_to_dw.load.batches import BatchLimits
from seil.sf_to_dw.load.loader import LoadReport, load
from seil.sf_to_dw.schema.column_names import free_names, table_column
from seil.warehouse import Warehouse, open_warehouse

OURS = ["_file", "_extracted_at", "_seil_row", "_seil_file", "_SEIL_anything", "field__file"]
KEPT = ["file_row_number", "File_Row_Number", "valid_from", "Is_Current", "messages"]
KEPT += ["key", "stamp", "t", "_moment", "a.b", 'say "so"', "select", "é"]


def loaded(warehouse: Warehouse, lake: Lake, obj: SyncedObject, **options: Any) -> LoadReport:
    return load(warehouse, lake, Catalog([obj]), **options)


MORE_OBJECTS = [
    "Table__c",
    "Rows__c",
    "Warehouse__c",
    "Csv__c",
    "Parquet__c",
    "Self__c",
    "Record__c",
]


@pytest.mark.parametrize(
    "name",
    [
        *("Log__c", "Time__c", "Select__c", "Order", "Json__c", "Files__c", "Staged__c"),
        *(pytest.param(name, marks=pytest.mark.matrix) for name in MORE_OBJECTS),
    ],
)
def test_every_object_loads_whatever_its_table_is_called(
    warehouse: Warehouse, lake: Lake, curator: Any, name: str
) -> None:
    obj = SyncedObject(api_name=name, history=True)
    curator.landing_name, curator.object = obj.landing_name, name
    curator.file([{"Id": "a", "Name": "one"}], run="run-1")
    curator.file([{"Id": "a", "Name": "two"}], run="run-2", end="2024-01-03T00:00:00+00:00")
    for _ in range(2):
        assert loaded(warehouse, lake, obj).ok
    rows = select(warehouse, f'SELECT id, name FROM salesforce."{obj.table}"').to_pylist()
    assert rows == [{"id": "a", "name": "two"}]


# With a history, current records are merged in the same way as without.
@pytest.mark.parametrize("name", ["", *OURS, *KEPT])
@pytest.mark.parametrize(
    "history",
    [pytest.param(False, marks=pytest.mark.matrix), True],
    ids=["current", "history"],
)
def test_a_column_arrives_whatever_it_is_called(
    warehouse: Warehouse, lake: Lake, curator: Any, name: str, history: bool
) -> None:
    obj = SyncedObject(api_name="Order", history=history)
    for run, value in enumerate(("old", "new"), 1):
        rows = pa.table([pa.array(["a"]), pa.array([value])], names=["Id", name])
        curator.file(rows, run=f"run-{run}", end=f"2024-01-0{run}T00:00:00+00:00")
        report = loaded(warehouse, lake, obj)
        assert not report.objects[0].errors
    column = select(warehouse, 'SELECT * FROM salesforce."order"')[table_column(name)]
    assert column.to_pylist() == ["new"]
    if history:
        versions = select(warehouse, 'SELECT * FROM salesforce_history."order"')
        assert table_column(name) in versions.column_names
        assert {"valid_from", "seil_valid_from"} & set(versions.column_names)


names = st.builds(
    lambda prefix, name: prefix * 2 + name,
    st.sampled_from(["", "field_"]),
    st.sampled_from(["", "unnamed", "_file", "_seil_row", "Name", "field__file", "x"]),
)


@given(st.lists(names, unique_by=str.lower))
def test_columns_of_different_names_never_become_one(given_names: list[str]) -> None:
    columns = [table_column(name) for name in given_names]
    assert len(set(columns)) == len(columns)
    assert not {"_file", "_extracted_at", "_seil_row", ""} & set(columns)


def test_names_of_ours_give_way_one_by_one() -> None:
    assert free_names(["filename", "messages"], ["FileName", "seil_filename"]) == (
        "seil_seil_filename",
        "messages",
    )


@pytest.mark.parametrize("position", [0, 1, 2], ids=["before", "between", "behind"])
@pytest.mark.parametrize("history", [False, True], ids=["current", "history"])
def test_a_file_that_cannot_be_merged_holds_back_no_other(
    warehouse: Warehouse, lake: Lake, curator: Any, position: int, history: bool
) -> None:
    database(warehouse).execute("CREATE SCHEMA salesforce")
    database(warehouse).execute(
        'CREATE TABLE salesforce."order" (id VARCHAR, size BIGINT CHECK (size > 0), '
        "_extracted_at TIMESTAMPTZ, _file VARCHAR)"
    )
    files = [
        curator.file([{"Id": f"r{run}", "Size": 0 if run == position else 1}], run=f"run-{run}")
        for run in range(3)
    ]
    obj = SyncedObject(api_name="Order", history=history)
    (entry,) = loaded(warehouse, lake, obj, limits=BatchLimits(files=2)).objects
    (error,) = entry.errors
    assert files[position] in error
    assert "cannot be merged into salesforce.order (2 columns): " in error
    assert ids(warehouse) == [f"r{run}" for run in range(3) if run != position]


@DUCKDB_ONLY  # An index holds up no other engine's change of columns.
def test_a_file_the_table_cannot_be_changed_for_holds_back_no_other(
    warehouse: Warehouse, lake: Lake, curator: Any
) -> None:
    obj = SyncedObject(api_name="Order")
    curator.file([{"Id": "r0", "Size": 1}], run="run-0")
    assert loaded(warehouse, lake, obj).ok
    database(warehouse).execute('CREATE INDEX "mine" ON salesforce."order" (size)')
    curator.file([{"Id": "r1", "Size": 1}], run="run-1")
    wider = curator.file([{"Id": "r2", "Size": Decimal("1.5")}], run="run-2")
    curator.file([{"Id": "r3", "Size": 1}], run="run-3")
    (entry,) = loaded(warehouse, lake, obj).objects
    assert [wider in error for error in entry.errors] == [True]
    assert ids(warehouse) == ["r0", "r1", "r3"]


def ids(warehouse: Warehouse) -> list[str]:
    rows = select(warehouse, 'SELECT id FROM salesforce."order" ORDER BY 1')
    return [str(value) for value in rows["id"].to_pylist()]


@pytest.mark.parametrize("name", ["seil", "Salesforce", "salesforce_history"])
def test_a_warehouse_file_is_not_named_like_a_schema_in_it(tmp_path: Path, name: str) -> None:
    settings = WarehouseSettings(url=f"duckdb:{tmp_path / name}.duckdb")
    with pytest.raises(ConfigurationError, match=r"duckdb:.*warehouse\.duckdb"):
        open_warehouse(settings)


def test_the_view_of_merges_gives_way_to_an_object_of_its_name(
    lake: Lake, warehouse: Warehouse
) -> None:
    accounts = SyncedObject(api_name="Account")
    own = SyncedObject(api_name="Merged_Records__c")
    loser = {"Id": "a", "IsDeleted": True, "MasterRecordId": "b", "Name": "x"}
    Curator(lake, "Account", "Account").file([loser])
    assert load(warehouse, lake, Catalog([accounts])).ok
    assert select(warehouse, "SELECT loser_id FROM salesforce.merged_records").num_rows == 1
    Curator(lake, "Merged-Records", own.api_name).file([{"Id": "m", "Name": "mine"}], run="r2")
    assert load(warehouse, lake, Catalog([accounts, own])).ok
    Curator(lake, "Account", "Account").file([loser], run="r3")
    assert load(warehouse, lake, Catalog([accounts, own])).ok
    rows = select(warehouse, "SELECT name FROM salesforce.merged_records").to_pylist()
    assert rows == [{"name": "mine"}]
