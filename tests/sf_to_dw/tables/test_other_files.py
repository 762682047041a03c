"""Files of other tools, from the landing zone to the tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.duckdb_file import relational_database as database
from tests.engines import select
from tests.examples import examples

from seil.catalog import Catalog
from seil.catalog.fields import packaged_fields
from seil.lake import Lake
from seil.modeling.build import build
from seil.salesforce.ids import id18
from seil.settings import IngestSettings
from seil.sf_to_dw.ingest.ingestor import Ingestor, IngestReport
from seil.sf_to_dw.load.loader import load
from seil.sf_to_dw.schema.registry import SchemaRegistry
from seil.sf_to_dw.site_models import site_models
from seil.warehouse import Warehouse

Land = Callable[..., IngestReport]
SHORT = "0015g00000AbCdE"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


@pytest.fixture
def land_and_load(lake: Lake, catalog: Catalog, warehouse: Warehouse, bus: Any) -> Land:
    return make_land_and_load(lake, catalog, warehouse, bus)


def make_land_and_load(lake: Lake, catalog: Catalog, warehouse: Warehouse, bus: Any) -> Land:
    """Lands tables, one a run, and loads them."""
    ingestor = Ingestor(
        lake, catalog, settings=IngestSettings(), bus=bus, registry=SchemaRegistry(lake)
    )

    def ingest_and_load(*tables: tuple[str, pa.Table | Mapping[str, Any]]) -> IngestReport:
        for number, (name, data) in enumerate(tables):
            key = f"in/{lake.env}-Salesforce-{name}/run-{number}/page.parquet"
            with lake.landing.writer(key) as file:
                pq.write_table(data if isinstance(data, pa.Table) else pa.table(dict(data)), file)
        report = ingestor.sweep()
        assert load(warehouse, lake, catalog).ok
        return report

    return ingest_and_load


def rows(warehouse: Warehouse, sql: str) -> list[dict[str, Any]]:
    return list(select(warehouse, sql).to_pylist())


def test_empty_text_is_null_in_every_column(land_and_load: Land, warehouse: Warehouse) -> None:
    """Also in a file whose columns are all text, which nothing describes."""
    land_and_load(("Account", {"Id": ["001"], "Name": [""], "Odd__c": [""], "AnnualRevenue": [""]}))
    (row,) = rows(warehouse, "SELECT name, odd__c, annualrevenue FROM salesforce.account")
    assert row == {"name": None, "odd__c": None, "annualrevenue": None}


def test_empty_text_of_a_file_that_was_curated_before_is_null(
    curator: Any, lake: Lake, catalog: Catalog, warehouse: Warehouse
) -> None:
    curator.file([{"Id": "a", "Name": ""}])
    assert load(warehouse, lake, catalog).ok
    assert rows(warehouse, 'SELECT name FROM salesforce."order"') == [{"name": None}]


def test_an_empty_name_does_not_stand_before_the_one_behind_it(
    land_and_load: Land, warehouse: Warehouse, catalog: Catalog
) -> None:
    columns = {field["name"]: [""] for field in packaged_fields("Order")}
    land_and_load(("Order", {**columns, "Id": ["801"], "Name": ["Spring"]}))
    assert build(warehouse, site_models(catalog)).ok
    select = "SELECT order_name, sales_order_name FROM sales_order_accounts"
    assert rows(warehouse, select) == [{"order_name": "Spring", "sales_order_name": None}]


@pytest.mark.parametrize(
    "names",
    [
        ("id", "name"),
        pytest.param(("Id", "Name"), marks=pytest.mark.matrix),
        pytest.param(("id",), marks=pytest.mark.matrix),
    ],
    ids=str,
)
def test_files_of_some_columns_are_taken_in_and_every_table_builds(
    land_and_load: Land, warehouse: Warehouse, catalog: Catalog, names: Sequence[str]
) -> None:
    files = [
        (obj.landing_name, {name: [f"{number:03d}"] for name in names})
        for number, obj in enumerate(catalog.values())
    ]
    report = land_and_load(*files)
    assert [str(file) for file in report.failed] == []
    built = build(warehouse, site_models(catalog))
    assert [table.message for table in built.tables if not table.is_built] == []
    (row,) = rows(warehouse, "SELECT id, name, stagename FROM salesforce.opportunity")
    assert (row["id"] != "", row["stagename"]) == (True, None)


def test_a_file_without_its_key_is_refused(land_and_load: Land) -> None:
    (file,) = land_and_load(("Account", {"Name": ["Acme"]})).files
    assert (file.state, file.check) == ("error", "columns")


@given(st.text(LETTERS, min_size=15, max_size=15))
def test_the_checksum_distinguishes_ids_where_case_is_lost(short: str) -> None:
    other = short.swapcase()
    full = id18(short)
    assert full[:15] == short
    assert id18(full) == full
    assert (full.upper() == id18(other).upper()) == (short == other)
    upper = [char in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" for char in short]
    bits = [sum(2**n for n in range(5) if upper[start + n]) for start in (0, 5, 10)]
    assert full[15:] == "".join("ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"[bit] for bit in bits)


@settings(
    max_examples=examples(4, many=30),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(short=st.text(LETTERS, min_size=15, max_size=15), run=st.integers(0, 10**9))
def test_ids_of_files_that_were_curated_before_are_completed(
    curator: Any, lake: Lake, catalog: Catalog, warehouse: Warehouse, short: str, run: int
) -> None:
    """As ingest would, so that a rebuild makes one record of them."""
    record = {"Id": short, "AccountId": short, "External_Id__c": short}
    curator.file([record], run=f"run-{run}")
    assert load(warehouse, lake, catalog).ok
    full = id18(short) if any(char.isdigit() for char in short) else short
    row = {"id": full, "accountid": full, "external_id__c": short}
    columns = "id, accountid, external_id__c"
    assert row in rows(warehouse, f'SELECT {columns} FROM salesforce."order"')


def test_lookups_of_15_and_of_18_characters_meet(land_and_load: Land, warehouse: Warehouse) -> None:
    land_and_load(
        ("Account", {"Id": [id18(SHORT)], "Name": ["Acme"]}),
        ("Contact", {"Id": ["0035g00000AbCdE"], "AccountId": [SHORT]}),
    )
    joined = "SELECT a.name FROM salesforce.contact AS c JOIN salesforce.account AS a"
    assert rows(warehouse, f"{joined} ON a.id = c.accountid") == [{"name": "Acme"}]


@pytest.mark.parametrize(
    ("column", "value", "stored"),
    [
        ("OwnerId", SHORT, id18(SHORT)),
        ("ThirdPartyId", SHORT, id18(SHORT)),
        ("Id", "InternationalSt", "InternationalSt"),
        ("External_Id__c", SHORT, SHORT),
        *(
            pytest.param(*values, marks=pytest.mark.matrix)
            for values in (
                ("third_party_id", SHORT, id18(SHORT)),
                ("Name", SHORT, SHORT),
                ("OwnerId", "0015g-0000AbCdE", "0015g-0000AbCdE"),
                ("OwnerId", "0015g00000AbCdEXXX", "0015g00000AbCdEXXX"),
            )
        ),
    ],
    ids=["reference", "unknown", "word", "custom text", "unknown_id", "text", "no id", "18"],
)
def test_only_ids_are_kept_with_18_characters(
    land_and_load: Land, warehouse: Warehouse, column: str, value: str, stored: str
) -> None:
    land_and_load(("Account", {"Id": ["001"], "Name": ["x"], column: [value]}))
    assert rows(warehouse, f"SELECT {column} AS v FROM salesforce.account") == [{"v": stored}]


@given(order=st.permutations([0, 1, 2]), again=st.integers(0, 2))
@settings(
    max_examples=examples(2, many=18),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_no_order_and_no_repeat_makes_two_records_of_one(
    tmp_path_factory: pytest.TempPathFactory,
    catalog: Catalog,
    bus: Any,
    warehouse: Warehouse,
    order: list[int],
    again: int,
) -> None:
    """Of files with Ids of both lengths and odd columns."""
    database(warehouse).execute(
        "DROP SCHEMA IF EXISTS salesforce CASCADE; DROP SCHEMA IF EXISTS seil CASCADE"
    )
    folder: Path = tmp_path_factory.mktemp("lake")
    take = make_land_and_load(
        Lake.at(folder.as_uri(), env="dev", project="seil"), catalog, warehouse, bus
    )
    stamps = [f"2026-01-0{day}T00:00:00Z" for day in (1, 2, 3)]
    ids = [SHORT, id18(SHORT), SHORT]
    for n in (*order, again):
        data = {"Id": [ids[n]], "SystemModstamp": [stamps[n]], "Name": [str(n)], "_FILE": [f"f{n}"]}
        take(("Account", data))
    records = rows(warehouse, "SELECT id, name, field__file FROM salesforce.account")
    assert records == [{"id": id18(SHORT), "name": "2", "field__file": "f2"}]
