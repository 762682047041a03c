"""The legacy feed against its contract, restated: each value is a field of one record of its line.

Lines are put together here in plain Python from raw records, some deleted, some pointing nowhere,
and then read field by field as legacy_feed.csv says. Rules for which of several is taken have tests
of their own: here a quote line item is ordered once.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from io import StringIO
from pathlib import Path
from random import Random
from typing import Any

import pyarrow as pa
import pytest
from tests.duckdb_file import relational_database as database
from tests.engines import FACTS_QUERY, duckdb_file, select

from seil.catalog import Catalog
from seil.catalog.fields import packaged_fields
from seil.modeling.build import build
from seil.modeling.model import Models
from seil.modeling.select import referenced_columns
from seil.salesforce.schema import parse_describe
from seil.sf_to_dw.feed import export_feed
from seil.sf_to_dw.site_models import site_models
from seil.warehouse import TableName, Warehouse, open_warehouse
from seil.warehouse.types import TEXT, stored_type

Record = dict[str, Any]
Line = Mapping[str, Mapping[str, Any]]
Table = dict[str, Record]

AT = datetime(2026, 6, 1, tzinfo=UTC)
CONTRACT = Path(__file__).parents[1] / "models" / "legacy_feed.csv"
LETTERS = "ABCDEFGH"
ONCE = {"order_ad_placement": "vlocity_cmt__quotelineitemid__c", "order_product": "quotelineitemid"}
WITHOUT_FORMATS = ("ad_space_specification", "ad_order_item")


def columns(models: Models) -> dict[str, dict[str, pa.DataType]]:
    """By source table: what the models read, and its type."""
    tables: dict[str, dict[str, pa.DataType]] = {}
    for model in models.values():
        for source, names in referenced_columns(model.sql).items():
            fields = models.sources[source].columns
            types = {n: stored_type(fields[n].type) or TEXT for n in sorted(names) if n in fields}
            tables.setdefault(source.name, {"id": TEXT, "isdeleted": pa.bool_()}).update(types)
    return {name: types for name, types in tables.items() if name not in WITHOUT_FORMATS}


def value(kind: pa.DataType, text: str, number: int) -> Any:
    if isinstance(kind, pa.Decimal128Type):
        return Decimal(number).quantize(Decimal(1).scaleb(-kind.scale))
    kinds: tuple[tuple[Callable[[pa.DataType], bool], Any], ...] = (
        (pa.types.is_boolean, number % 2 == 0),
        (pa.types.is_integer, number),
        (pa.types.is_floating, float(number)),
        (pa.types.is_date, date(2026, 3, number + 1)),
        (pa.types.is_timestamp, datetime(2026, 3, 1, 13, tzinfo=UTC) + timedelta(days=number)),
    )
    return next((example for is_kind, example in kinds if is_kind(kind)), text)


class Org:
    """Raw records by table and id; one in six references leads nowhere, one record in five is
    deleted.
    """

    def __init__(self, models: Models, seed: int) -> None:
        random = Random(seed)
        self.models = models
        self.columns = columns(models)
        self.tables: dict[str, Table] = {}
        tables = {source.label: table.name for table, source in models.sources.items()}
        for table, types in self.columns.items():
            api_name = models.sources[TableName("salesforce", table)].label
            described = parse_describe({"name": api_name, "fields": packaged_fields(api_name)})
            fields = {field.name.lower(): field for field in described.fields}
            once = random.sample(LETTERS, len(LETTERS))
            self.tables[table] = {}
            for number, letter in enumerate(LETTERS):
                record = {n: value(t, f"{table}.{n}.{letter}", number) for n, t in types.items()}
                for name in (name for name in types if name in fields):
                    targets = [tables[t] for t in fields[name].reference_to if t in tables]
                    if targets:
                        to = once[number] if ONCE.get(table) == name else random.choice(LETTERS)
                        record[name] = random.choice([f"{targets[0]}-{to}"] * 4 + ["gone", None])
                is_gone = table != "user" and random.random() < 0.2
                record |= {"id": f"{table}-{letter}", "isdeleted": is_gone}
                self.tables[table][record["id"]] = record

    def order_on(self, moment: datetime) -> None:
        """Gives all orders this time of creation, to the second."""
        for order in self.tables["order"].values():
            order["createddate"] = moment.replace(microsecond=0)

    def store(self, warehouse: Warehouse) -> None:
        for table, types in self.columns.items():
            name, schema = TableName("salesforce", table), pa.schema(list(types.items()))
            database(warehouse).create_table(name, schema)
            rows = list(self.tables[table].values())
            database(warehouse).append(name, pa.Table.from_pylist(rows, schema=schema))

    def all(self, table: str) -> Iterator[Record]:
        yield from (record for record in self.tables[table].values() if not record["isdeleted"])

    def one(self, table: str, id_: str | None) -> Record:
        """The record of that id, empty when it is not there."""
        return next((record for record in self.all(table) if record["id"] == id_), {})

    def pointing(self, table: str, field: str, at: Mapping[str, Any]) -> list[Record]:
        """Those that point at a record that is there; an empty one where none does."""
        referrers = [r for r in self.all(table) if at and r[field] == at["id"]]
        return referrers or [{}]


def ad_slots(org: Org) -> Iterator[Line]:
    for slot in org.all("account_ad_server"):
        server = org.one("ad_server", slot["vlocity_cmt__adserverid__c"])
        yield {"account_ad_server": slot, "ad_server": server}


def products(org: Org) -> Iterator[Line]:
    for product in org.all("product"):
        composed = {"Product_ID": product["id"], "Product_Name": product["name"]}
        yield {"product": product, "": composed}


def production_line_items(org: Org) -> Iterator[Line]:
    for quoted in org.all("quote_line_item"):
        placement = org.pointing("order_ad_placement", ONCE["order_ad_placement"], quoted)[0]
        ordered = org.one("order_product", placement.get("vlocity_cmt__orderitemid__c"))
        ordered = ordered or org.pointing("order_product", ONCE["order_product"], quoted)[0]
        field = "vlocity_cmt__quotelineitemid__c"
        own = placement.get("vlocity_cmt__orderitemid__c") or ordered.get("id")
        for plan in org.pointing("media_plan_placement", field, quoted):
            yield {
                "quote_line_item": quoted,
                "media_plan_placement": {**plan, field: quoted["id"]},
                "order_ad_placement": {**placement, "vlocity_cmt__orderitemid__c": own},
                "order_product": ordered,
                "product": org.one("product", quoted["product2id"]),
            }


def production_slots(org: Org) -> Iterator[Line]:
    for plan in org.all("media_plan_placement"):
        quoted = org.one("quote_line_item", plan["vlocity_cmt__quotelineitemid__c"])
        account = org.one("account", org.one("quote", quoted.get("quoteid")).get("accountid"))
        for slot in org.pointing("account_ad_server", "vlocity_cmt__advertiserid__c", account):
            yield {
                "media_plan_placement": plan,
                "quote_line_item": quoted,
                "account_ad_server": slot,
            }


def booked(org: Org) -> Iterator[Line]:
    for placement in org.all("order_ad_placement"):
        ordered = org.one("order_product", placement["vlocity_cmt__orderitemid__c"])
        yield {"order_ad_placement": placement, "order_product": ordered}


def accounts(org: Org) -> Iterator[Line]:
    for order in org.all("order"):
        yield {"order": order, "account": org.one("account", order["accountid"])}


def approvals(org: Org) -> Iterator[Line]:
    for order in org.all("order"):
        package = org.one("quote", order["vlocity_cmt__quoteid__c"])
        yield {"order": order, "quote": package or org.one("quote", order["quoteid"])}


def contacts(org: Org) -> Iterator[Line]:
    master = "vlocity_cmt__masterordername__c"  # accounts have no such field
    for order in org.all("order"):
        account = org.one("account", order["accountid"])
        for contact in org.pointing("contact", "accountid", account):
            yield {"account": {**account, master: order[master]}, "contact": contact}


def placed(org: Org, ordered: Record) -> Iterator[Record]:
    """Placements of an order product; without any, one that knows no more than that."""
    field = "vlocity_cmt__orderitemid__c"
    for placement in org.pointing("order_ad_placement", field, ordered):
        yield {**placement, field: ordered.get("id")}


def line_items(org: Org) -> Iterator[Line]:
    for ordered in org.all("order_product"):
        for placement in placed(org, ordered):
            plan = placement.get("swm_parent_media_placement__c")
            yield {
                "order_product": ordered,
                "order_ad_placement": placement,
                "order": org.one("order", ordered["orderid"]),
                "product": org.one("product", ordered["product2id"]),
                "media_plan_placement": org.one("media_plan_placement", plan),
            }


def reservations(org: Org) -> Iterator[Line]:
    for contract in org.all("contract"):
        order = org.one("order", contract["vlocity_cmt__orderid__c"])
        for ordered in org.pointing("order_product", "orderid", order):
            yield {
                "contract": contract,
                "order": order,
                "order_product": ordered,
                "order_ad_placement": next(placed(org, ordered)),
            }


def orders(org: Org) -> Iterator[Line]:
    for order in org.all("order"):
        yield {"order": order, "user": org.one("user", order["createdbyid"])}


def stages(org: Org) -> Iterator[Line]:
    yield from ({"opportunity": record} for record in org.all("opportunity"))


LINES: Mapping[str, Callable[[Org], Iterator[Line]]] = {
    "Ad_Slot": ad_slots,
    "Product": products,
    "Production_Line_Item": production_line_items,
    "Production_Line_Item_PO": production_slots,
    "Sales_Line_Item_Booked_Delivered": booked,
    "Sales_Order_Accounts_Map": accounts,
    "Sales_Order_Approvals": approvals,
    "Sales_Order_Contacts_Map": contacts,
    "Sales_Order_Line_Items": line_items,
    "Sales_Order_Line_Items_Reservation": reservations,
    "Sales_Order_Programmatic_Guaranteed": ad_slots,
    "Sales_Order_Type": orders,
    "Sales_Order_Users_Map": orders,
    "Sales_Stages": stages,
}


def written(field: Any) -> str:
    if isinstance(field, bool):
        return str(field).lower()
    if isinstance(field, datetime):
        return f"{field:%Y-%m-%dT%H:%M:%S}.000Z"
    return "" if field is None else str(field)


def contract() -> dict[str, list[dict[str, str]]]:
    with CONTRACT.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {feed: [row for row in rows if row["feed"] == feed] for feed in LINES}


def expected(org: Org, feed: str) -> list[list[str]]:
    def field(line: Line, row: dict[str, str]) -> str:
        record = line.get(row["source_table"].removeprefix("salesforce_"), {})
        name = row["source_field"].lower() if row["source_table"] else row["column"]
        return written(record.get(name))

    return sorted([field(line, row) for row in contract()[feed]] for line in LINES[feed](org))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_every_line_of_every_feed_is_what_the_contract_says(
    warehouse: Warehouse, catalog: Catalog, tmp_path: Path, seed: int
) -> None:
    org = Org(site_models(catalog), seed)
    org.order_on(datetime.now(UTC) - timedelta(days=3))
    feeds = exported(org, warehouse, tmp_path / "feeds")
    for feed in LINES:
        lines = csv.reader(StringIO(feeds[feed].decode("utf-8"), newline=""))
        assert sorted(list(lines)[1:]) == expected(org, feed), feed
    assert_as_in_duckdb(org, warehouse, feeds, tmp_path)


def exported(org: Org, warehouse: Warehouse, folder: Path) -> dict[str, bytes]:
    """The feeds of an org that is stored in the warehouse and built there."""
    org.store(warehouse)
    assert build(warehouse, org.models).ok
    assert {file.feed for file in export_feed(warehouse, folder.as_uri(), at=AT)} == set(LINES)
    return {feed: next(folder.glob(f"Synth-{feed}_2026*.csv")).read_bytes() for feed in LINES}


def assert_as_in_duckdb(
    org: Org, warehouse: Warehouse, feeds: dict[str, bytes], folder: Path
) -> None:
    """The feeds are the same byte for byte, and one query, as it stands, has the same rows."""
    rows = sorted(map(repr, warehouse.query(FACTS_QUERY).to_pylist()))
    assert len(rows) > 1
    if warehouse.dialect != "duckdb":
        with open_warehouse(duckdb_file(folder)) as reference:
            assert exported(org, reference, folder / "reference") == feeds
            assert sorted(map(repr, reference.query(FACTS_QUERY).to_pylist())) == rows


def test_delivery_of_many_days_is_one_line_a_placement(
    warehouse: Warehouse, catalog: Catalog, tmp_path: Path
) -> None:
    line = "vlocity_cmt__adserverorderlineidentiifier__c"
    placements = [{"id": f"a1{n}", line: "7", "vlocity_cmt__orderitemid__c": "802"} for n in "AB"]
    days = [{"id": f"u{n}", "gam_lineitemid__c": "7"} for n in (1, 2, 3)]
    dated = [{**day, "usage_date__c": date(2026, 3, n)} for n, day in enumerate(days, 1)]
    for table, rows in (("order_ad_placement", placements), ("usage", dated)):
        data = pa.Table.from_pylist(rows)
        database(warehouse).create_table(TableName("salesforce", table), data.schema)
        database(warehouse).append(TableName("salesforce", table), data)
    build(warehouse, site_models(catalog))
    feed = "Sales_Line_Item_Booked_Delivered"
    (written,) = export_feed(warehouse, tmp_path.as_uri(), at=AT, feeds=[feed])
    delivered = select(warehouse, "SELECT count(*) AS n FROM sales_line_items_booked_delivered")
    assert (delivered["n"][0].as_py(), written.rows) == (6, 2)
    (file,) = tmp_path.glob("*.csv")
    assert [row.split(",")[0] for row in file.read_text("utf-8").split()[1:]] == ["802", "802"]
