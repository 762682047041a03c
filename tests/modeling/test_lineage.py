from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from seil.catalog import Catalog, load_catalog
from seil.errors import ConfigurationError
from seil.modeling.lineage import downstream, lineage
from seil.modeling.model import Models
from seil.sf_to_dw.site_models import site_models
from seil.warehouse import TableName


@pytest.fixture(scope="session")
def models(catalog: Catalog) -> Models:
    return site_models(catalog)


def fields(models: Models, table: str, column: str) -> list[str]:
    return [leaf.field for leaf in lineage(models, table, column).leaves()]


@pytest.mark.parametrize(
    ("table", "column", "expected"),
    [
        ("sales_orders", "id", ["Order.Id"]),
        ("sales_orders", "order_name", ["Order.Name", "Order.vlocity_cmt__MasterOrderName__c"]),
        ("sales_orders", "account_name", ["Account.Name"]),
        ("sales_orders", "created_by", ["User.Name"]),
        (
            "sales_order_line_items",
            "sales_order_line_item_start_date",
            ["vlocity_cmt__OrderItemAdPlacement__c.vlocity_cmt__AdRequestedStartDate__c"],
        ),
        ("SALES_ORDERS", "Sales_Stage", ["Opportunity.StageName"]),
        (
            "sales_line_items_booked_delivered",
            "delivered_clicks",
            ["Usage__c.Ad_Clicks__c"],
        ),
    ],
)
def test_a_column_is_traced_to_salesforce_fields(
    models: Models, table: str, column: str, expected: list[str]
) -> None:
    assert sorted(fields(models, table, column)) == expected


def test_a_tree_shows_every_step_that_changes_a_value(models: Models) -> None:
    lines = list(lineage(models, "sales_line_items_booked_delivered", "delivered_clicks").lines())
    assert lines == [
        "sales_line_items_booked_delivered.delivered_clicks = daily_delivery.delivered_clicks",
        "└─ daily_delivery.delivered_clicks = CAST(SUM(usage_records.ad_clicks__c) AS BIGINT)",
        "   └─ salesforce.usage.ad_clicks__c  <- Usage__c.Ad_Clicks__c, landing Salesforce-Usage",
    ]


def test_a_tree_branches(models: Models) -> None:
    lines = list(lineage(models, "sales_orders", "order_name").lines())
    assert [line[:3] for line in lines] == ["sal", "├─ ", "└─ "]


def test_every_column_of_every_table_ends_at_a_described_field(models: Models) -> None:
    for table, model in models.items():
        origin = lineage(models, table)
        names = [source.name.partition(".")[2] for source in origin.sources]
        assert names == [column.name for column in model.described.columns]
        for leaf in origin.leaves():
            schema, source, column = leaf.name.split(".")
            assert column in models.sources[TableName(schema, source)].columns, leaf


def test_a_tree_can_be_written_as_json(models: Models) -> None:
    body = json.loads(json.dumps(lineage(models, "ad_slots", "id").to_dict()))
    assert body["name"] == "ad_slots.id"
    assert body["sources"] == [
        {
            "name": "salesforce.account_ad_server.id",
            "expression": "",
            "field": "vlocity_cmt__AccountAdServer__c.Id",
            "landing": "Salesforce-Account-Ad-Server",
            "sources": [],
        }
    ]


@pytest.mark.parametrize("name", ["Order", "order", "salesforce.order"])
def test_downstream_finds_what_a_field_feeds(models: Models, name: str) -> None:
    uses = downstream(models, name, "TotalAmount")
    assert ("Order.TotalAmount", "sales_orders.total_amount") in [
        (use.field, use.column) for use in uses
    ]
    assert {use.field for use in uses} == {"Order.TotalAmount"}


def test_downstream_of_an_object_covers_all_its_fields(models: Models) -> None:
    uses = downstream(models, "Order-Ad-Placement")
    assert len({use.field for use in uses}) > 5
    assert all(use.field.startswith("vlocity_cmt__OrderItemAdPlacement__c.") for use in uses)


@pytest.mark.parametrize(
    ("table", "column", "message"),
    [
        ("sales_ordrs", None, "did you mean sales_orders"),
        ("sales_orders", "ordr_id", r"is not a column of sales_orders \(did you mean order_id"),
    ],
)
def test_unknown_names_get_near_matches(
    models: Models, table: str, column: str | None, message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        lineage(models, table, column)


@pytest.mark.parametrize(
    ("table", "column", "message"),
    [
        ("Ordr", None, r"is not a source of the models \(did you mean order"),
        ("Order", "TotalAmout", r"is not a field of Order \(did you mean totalamount"),
    ],
)
def test_unknown_fields_get_near_matches(
    models: Models, table: str, column: str | None, message: str
) -> None:
    with pytest.raises(ConfigurationError, match=message):
        downstream(models, table, column)


@pytest.fixture
def own(tmp_path: Path) -> Models:
    (tmp_path / "objects.toml").write_text('[objects.Thing__c]\ntable = "thing"\n', "utf-8")
    folder = tmp_path / "models"
    folder.mkdir()
    (folder / "names.sql").write_text("SELECT order_name AS n FROM sales_orders", "utf-8")
    (folder / "all_things.sql").write_text(
        "SELECT t.*, n.n, 1 AS one FROM salesforce.thing AS t, names AS n", "utf-8"
    )
    return site_models(load_catalog(tmp_path / "objects.toml"), folder)


def test_a_model_that_reads_models_is_traced_through_them(own: Models) -> None:
    schema = {"thing": pa.schema([("Id", pa.string()), ("Colour__c", pa.string())])}
    origin = lineage(own, "all_things", schema=schema)
    names = [source.name for source in origin.sources]
    assert names == ["all_things.id", "all_things.colour__c", "all_things.n", "all_things.one"]
    assert fields(own, "all_things", "n") == ["Order.Name", "Order.vlocity_cmt__MasterOrderName__c"]
    assert fields(own, "names", "n") == fields(own, "all_things", "n")
    assert next(s for s in origin.sources if s.name == "all_things.one").sources == ()
    uses = downstream(own, "Thing__c", "COLOUR__C", schema=schema)
    assert [(use.field, use.column) for use in uses] == [
        ("Thing__c.colour__c", "all_things.colour__c")
    ]


def test_a_model_that_cannot_be_traced_is_named(catalog: Catalog, tmp_path: Path) -> None:
    sql = 'SELECT id FROM salesforce."order" AS o, salesforce.account AS o'
    (tmp_path / "twins.sql").write_text(sql, "utf-8")
    with pytest.raises(ConfigurationError, match=r"/twins\.sql"):
        lineage(site_models(catalog, tmp_path), "twins")
