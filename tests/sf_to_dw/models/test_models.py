"""What holds for every model: its SQL, its description and its legacy feed agree."""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import pytest
import sqlglot
import yaml
from sqlglot import exp

import seil.sf_to_dw
from seil.catalog import load_catalog

SelectOf = Callable[..., str]

MODELS = Path(seil.sf_to_dw.__file__).parent / "models"
NAMES = sorted(path.stem for path in MODELS.glob("*.sql"))
SIXTEEN = {
    "ad_slots": ["id"],
    "production_line_item_placements": ["key"],
    "production_line_items": ["production_line_item_key"],
    "products": ["product_key"],
    "publisher_system_ads": ["id"],
    "sales_line_items_booked_delivered": ["placement_id", "delivery_date"],
    "sales_order_accounts": ["order_id", "account_id"],
    "sales_order_approvals": ["order_id", "quote_id"],
    "sales_order_contacts": ["order_id", "contact_id"],
    "sales_order_line_item_reservations": ["reservation_key"],
    "sales_order_line_items": ["line_item_key"],
    "sales_order_programmatic_guaranteed": ["id"],
    "sales_order_types": ["order_id"],
    "sales_order_users": ["order_id", "user_id"],
    "sales_orders": ["id"],
    "sales_stages": ["opportunity_id"],
}
WITHOUT_FEED = {"sales_orders", "publisher_system_ads"}
TYPES = {
    "VARCHAR": "text",
    "BOOLEAN": "boolean",
    "BIGINT": "bigint",
    "DATE": "date",
    "TIMESTAMP WITH TIME ZONE": "timestamp with time zone",
}
# Names of records whose id is called otherwise, and names of what is no record.
ID_OF = {
    "approver": "quote_owner_id",
    "base_product_name": "product_id",
    "catalog_product_name": "product_id",
    "created_by_username": "created_by_id",
    "media_plan_placement_name": "media_plan_id",
    "user_full_name": "user_id",
}
NO_RECORDS = {
    "media_property_name",
    "push_cost_method_name",
    "quote_to_name",
    "tag_name",
    "targeting_template_name",
}
PEOPLE = {"approver", "created_by", "created_by_username", "last_modified_by", "product_owner"}
MODEL_KEYS = {"name", "description", "grain", "key", "driving", "columns", "tests"}
COLUMN_KEYS = {"name", "type", "description", "tests"}
PAGE = Path(__file__).parents[3] / "docs" / "warehouse.md"
CONTRACT = Path(__file__).with_name("legacy_feed.csv")


def sql(name: str) -> str:
    return (MODELS / f"{name}.sql").read_text("utf-8")


@cache
def described(name: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((MODELS / f"{name}.yml").read_text("utf-8"))
    return document


@cache
def feeds() -> dict[str, dict[str, Any]]:
    document: dict[str, dict[str, Any]] = yaml.safe_load(
        (MODELS.parent / "feeds.yml").read_text("utf-8")
    )
    return document


def test_the_sixteen_tables_have_a_model_with_their_key() -> None:
    assert {name: described(name)["key"] for name in NAMES} == SIXTEEN


@pytest.mark.parametrize("name", NAMES)
def test_empty_sources_give_no_rows_of_the_described_types(
    name: str, source: duckdb.DuckDBPyConnection, select_of: SelectOf
) -> None:
    result = source.execute(f"DESCRIBE {select_of(name)}").fetchall()
    columns = [(row[0], "decimal" if "DECIMAL" in row[1] else TYPES[row[1]]) for row in result]
    assert [(c["name"], c["type"]) for c in described(name)["columns"]] == columns
    assert source.execute(select_of(name)).fetchall() == []


@pytest.mark.parametrize("name", NAMES)
def test_description_has_the_uniform_shape(name: str) -> None:
    document = described(name)
    columns = {column["name"] for column in document["columns"]}
    assert document["name"] == name
    assert set(document) <= MODEL_KEYS
    assert MODEL_KEYS - {"tests"} <= set(document)
    assert document["driving"] in {entry.table for entry in load_catalog().values()}
    assert set(document["key"]) <= columns
    for text in (document["description"], document["grain"]):
        assert text.endswith(".")
    for column in document["columns"]:
        assert set(column) <= COLUMN_KEYS, column
        assert column["description"].endswith("."), column
        assert len(column["description"].split()) > 2, column


@pytest.mark.parametrize("name", NAMES)
def test_key_is_tested(name: str) -> None:
    document = described(name)
    key = document["key"]
    columns = {column["name"]: column for column in document["columns"]}
    assert "not_null" in columns[key[0]]["tests"]
    if len(key) > 1:
        assert {"unique": key} in document["tests"]
    else:
        assert "unique" in columns[key[0]]["tests"]


def every_test(document: dict[str, Any]) -> list[Any]:
    tests = list(document.get("tests", []))
    for column in document["columns"]:
        tests += column.get("tests", [])
    return tests


@pytest.mark.parametrize("name", NAMES)
def test_tests_are_of_a_known_kind(name: str) -> None:
    for test in every_test(described(name)):
        if isinstance(test, str):
            assert test in {"not_null", "unique"}
            continue
        kind = set(test) - {"level"}
        assert len(kind) == 1
        assert kind <= {"relationships", "accepted_values", "expression", "unique"}
        assert test.get("level", "error") in {"error", "warning"}


@pytest.mark.parametrize("name", NAMES)
def test_relationships_lead_to_a_column_that_is_there(name: str) -> None:
    for test in every_test(described(name)):
        if isinstance(test, dict) and (target := test.get("relationships")):
            assert set(target) == {"to", "field"}
            assert target["field"] in [c["name"] for c in described(target["to"])["columns"]]


@pytest.mark.parametrize("name", NAMES)
def test_every_order_and_line_item_id_is_held_to_its_table(name: str) -> None:
    expected = {
        "sales_order_id": {"to": "sales_orders", "field": "id"},
        "sales_order_line_item_id": {
            "to": "sales_order_line_items",
            "field": "sales_order_line_item_id",
        },
    }
    if name != "sales_orders":
        expected["order_id"] = expected["sales_order_id"]
    if name == "sales_order_line_items":
        del expected["sales_order_line_item_id"]
    for column in described(name)["columns"]:
        if target := expected.get(column["name"]):
            assert {"relationships": target} in column["tests"]


@pytest.mark.parametrize("name", NAMES)
def test_an_id_stands_beside_every_name(name: str) -> None:
    columns = {column["name"] for column in described(name)["columns"]}
    names = {c for c in columns if c.endswith("_name") or c in PEOPLE | {"submitted_by"}}
    for column in names - NO_RECORDS:
        plain = f"{column.removesuffix('_name')}_id"
        assert {plain, ID_OF.get(column)} & columns, column


@pytest.mark.parametrize(
    ("dialect", "day"),
    [
        ("postgres", "CAST(products.lastmodifieddate AT TIME ZONE 'Australia/Sydney' AS DATE)"),
        (
            "spark",
            "CAST(FROM_UTC_TIMESTAMP(products.lastmodifieddate, 'Australia/Sydney') AS DATE)",
        ),
    ],
)
def test_business_dates_translate(dialect: str, day: str, select_of: SelectOf) -> None:
    translated = select_of("products", dialect=dialect, zone="Australia/Sydney")
    assert f"{day} AS last_modified_date" in translated


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dialect", ["postgres", "spark"])
def test_sql_translates(name: str, dialect: str, select_of: SelectOf) -> None:
    """As it runs, whole: what a dialect has nothing for would raise."""
    [translated] = sqlglot.transpile(
        select_of(name),
        read="duckdb",
        write=dialect,
        unsupported_level=sqlglot.ErrorLevel.RAISE,
    )
    parsed = sqlglot.parse_one(translated, read=dialect)
    assert isinstance(parsed, exp.Select)
    assert not list(parsed.find_all(exp.Anonymous))
    assert parsed.named_selects == [column["name"] for column in described(name)["columns"]]


@pytest.mark.parametrize("name", NAMES)
def test_sql_names_its_columns_and_drops_no_row(name: str) -> None:
    parsed = sqlglot.parse_one(sql(name), read="duckdb")
    assert not list(parsed.find_all(exp.Star))
    assert {join.side for join in parsed.find_all(exp.Join)} <= {"LEFT"}


@pytest.mark.parametrize("name", NAMES)
def test_sql_cuts_no_day_in_utc(name: str) -> None:
    parsed = sqlglot.parse_one(sql(name), read="duckdb")
    assert not [cast for cast in parsed.find_all(exp.Cast) if cast.is_type("date")]


@pytest.mark.parametrize("name", NAMES)
def test_sql_leaves_deleted_records_out_of_every_import(name: str) -> None:
    parsed = sqlglot.parse_one(sql(name), read="duckdb")
    for table in parsed.find_all(exp.Table):
        if table.db != "salesforce" or table.name == "user":
            continue
        importing = table.find_ancestor(exp.Select)
        assert importing is not None
        assert importing.args["where"].sql("duckdb") == "WHERE NOT isdeleted IS TRUE"


def test_feeds_name_only_columns_of_their_table() -> None:
    for feed, entry in feeds().items():
        columns = {column["name"] for column in described(entry["table"])["columns"]}
        assert {name for name in entry["columns"].values() if name} <= columns, feed


def test_every_table_but_two_has_one_feed() -> None:
    assert sorted(entry["table"] for entry in feeds().values()) == sorted(set(NAMES) - WITHOUT_FEED)


def test_feeds_have_the_headers_and_fill_the_sourced_ones() -> None:
    expected: dict[str, list[tuple[str, bool]]] = defaultdict(list)
    with CONTRACT.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            expected[row["feed"]].append((row["column"], bool(row["source_field"])))
    headers = {
        feed: [(header, bool(column)) for header, column in entry["columns"].items()]
        for feed, entry in feeds().items()
    }
    assert headers == expected


def test_every_sourced_header_is_a_column_in_snake_case() -> None:
    with CONTRACT.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["source_field"] and row["column"] != "Product_ID":
                table = feeds()[row["feed"]]["table"]
                column_name = re.sub(r"\W", "_", row["column"]).lower()
                assert column_name in {column["name"] for column in described(table)["columns"]}


@pytest.mark.parametrize("name", NAMES)
def test_page_describes_the_table(name: str) -> None:
    document = described(name)
    feed = next((feed for feed, entry in feeds().items() if entry["table"] == name), "none")
    key = ", ".join(f"`{column}`" for column in document["key"])
    cells = [f"`{name}`", document["description"], document["grain"], key, feed]
    assert f"| {' | '.join(cells)} |\n" in PAGE.read_text("utf-8")


LEGACY_QUERY = """
    SELECT o.order_id, o.account_name, o.order_date, COUNT(*) AS line_item_count
    FROM sales_orders o JOIN sales_order_line_items li ON o.id = li.order_id
    WHERE o.created_at >= CURRENT_DATE - INTERVAL '7 days'
    GROUP BY o.id, o.order_id, o.account_name, o.order_date
    ORDER BY o.order_date DESC
"""


def test_the_downstream_query_runs_as_it_stands(
    source: duckdb.DuckDBPyConnection, select_of: SelectOf
) -> None:
    source.begin()
    try:
        source.execute(
            'INSERT INTO salesforce."order" (id, ordernumber, effectivedate, createddate)'
            " VALUES ('801A', '00000101', '2026-01-31', now()),"
            " ('801B', '00000102', '2026-02-01', now() - INTERVAL '8 days')"
        )
        source.execute(
            "INSERT INTO salesforce.order_product (id, orderid)"
            " VALUES ('802A', '801A'), ('802B', '801A'), ('802C', '801B')"
        )
        for name in ("sales_orders", "sales_order_line_items"):
            source.execute(f"CREATE TABLE {name} AS {select_of(name)}")
        [row] = source.execute(LEGACY_QUERY).to_arrow_table().to_pylist()
    finally:
        source.rollback()
    assert (row["order_id"], row["account_name"], row["line_item_count"]) == ("00000101", None, 2)
