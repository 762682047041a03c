"""Whatever an org holds, every table has its grain: one row each, none lost, none doubled."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.examples import examples

import seil.sf_to_dw

Record = dict[str, Any]
Org = dict[str, list[Record]]

MODELS = Path(seil.sf_to_dw.__file__).parent / "models"
NAMES = sorted(path.stem for path in MODELS.glob("*.sql"))
IDS = "ABCD"
REFERENCES = {
    "account": {},
    "user": {},
    "ad_server": {},
    "product": {"createdbyid": "user"},
    "opportunity": {"createdbyid": "user"},
    "quote": {"accountid": "account", "ownerid": "user"},
    "order": {
        "accountid": "account",
        "contractid": "contract",
        "opportunityid": "opportunity",
        "quoteid": "quote",
        "vlocity_cmt__quoteid__c": "quote",
        "createdbyid": "user",
        "ownerid": "user",
    },
    "contract": {"vlocity_cmt__orderid__c": "order"},
    "contact": {"accountid": "account"},
    "order_product": {
        "orderid": "order",
        "product2id": "product",
        "quotelineitemid": "quote_line_item",
        "vlocity_cmt__parentitemid__c": "order_product",
    },
    "order_ad_placement": {
        "vlocity_cmt__orderitemid__c": "order_product",
        "vlocity_cmt__orderid__c": "order",
        "vlocity_cmt__quotelineitemid__c": "quote_line_item",
        "swm_parent_media_placement__c": "media_plan_placement",
        "vlocity_cmt__adserverorderlineidentiifier__c": "line",
    },
    "quote_line_item": {"quoteid": "quote", "product2id": "product"},
    "media_plan_placement": {"vlocity_cmt__quotelineitemid__c": "quote_line_item"},
    "account_ad_server": {
        "vlocity_cmt__advertiserid__c": "account",
        "vlocity_cmt__adserverid__c": "ad_server",
    },
    "ad_order_item": {
        "orderitemid": "order_product",
        "quotelineitemid": "quote_line_item",
        "adserverorderlineidentifier": "line",
    },
    "usage": {"gam_lineitemid__c": "line", "usage_date__c": "day"},
    "ad_space_specification": {"vlocity_cmt__product2id__c": "product"},
    "ad_space_creative_size_type": {
        "vlocity_cmt__adspacespecificationid__c": "ad_space_specification",
        "vlocity_cmt__adcreativesizetypeid__c": "ad_creative_size_type",
    },
    "ad_creative_size_type": {},
}
DAYS = ("2026-03-01", "2026-03-02")


def reference(target: str) -> st.SearchStrategy[str | None]:
    if target == "day":
        return st.sampled_from([None, *DAYS])
    return st.sampled_from([None, *(f"{target}-{letter}" for letter in f"{IDS}Z")])


def records(table: str) -> st.SearchStrategy[list[Record]]:
    fields = {column: reference(target) for column, target in REFERENCES[table].items()}
    if table != "user":
        fields["isdeleted"] = st.sampled_from([None, False, False, True])
    row = st.fixed_dictionaries({"id": st.sampled_from([f"{table}-{i}" for i in IDS]), **fields})
    return st.lists(row, max_size=4, unique_by=lambda record: str(record["id"]))


orgs = st.fixed_dictionaries({table: records(table) for table in REFERENCES})


@contextmanager
def filled(
    source: duckdb.DuckDBPyConnection, select_of: Callable[[str], str], org: Org
) -> Iterator[None]:
    """The sixteen tables, built from `org`, until the block ends."""
    source.begin()
    try:
        for table, rows in org.items():
            for row in rows:
                marks = ", ".join("?" for _ in row)
                source.execute(
                    f'INSERT INTO salesforce."{table}" ({", ".join(row)}) VALUES ({marks})',
                    list(row.values()),
                )
        for name in NAMES:
            source.execute(f"CREATE TABLE {name} AS {select_of(name)}")
        yield
    finally:
        source.rollback()


def live(org: Org, table: str) -> dict[str, Record]:
    return {row["id"]: row for row in org[table] if not row.get("isdeleted")}


def pointing(org: Org, table: str, column: str, at: str | None) -> list[Record]:
    return [row for row in live(org, table).values() if at is not None and row[column] == at]


def at_least_one(counts: Iterable[int]) -> int:
    return sum(max(1, count) for count in counts)


def one_a(table: str) -> Callable[[Org], int]:
    return lambda org: len(live(org, table))


def contact_rows(org: Org) -> int:
    accounts = live(org, "account")
    return at_least_one(
        len(pointing(org, "contact", "accountid", account)) if account in accounts else 0
        for account in (order["accountid"] for order in live(org, "order").values())
    )


def line_rows(org: Org) -> int:
    return at_least_one(
        len(pointing(org, "order_ad_placement", "vlocity_cmt__orderitemid__c", product))
        for product in live(org, "order_product")
    )


def reservation_rows(org: Org) -> int:
    orders = live(org, "order")
    return at_least_one(
        len(pointing(org, "order_product", "orderid", order)) if order in orders else 0
        for order in (row["vlocity_cmt__orderid__c"] for row in live(org, "contract").values())
    )


def delivery_rows(org: Org) -> int:
    def days(line: str | None) -> set[str]:
        usages = pointing(org, "usage", "gam_lineitemid__c", line)
        return {row["usage_date__c"] for row in usages} - {None}

    return at_least_one(
        len(days(row["vlocity_cmt__adserverorderlineidentiifier__c"]))
        for row in live(org, "order_ad_placement").values()
    )


def production_rows(org: Org) -> int:
    return at_least_one(
        len(pointing(org, "media_plan_placement", "vlocity_cmt__quotelineitemid__c", line))
        for line in live(org, "quote_line_item")
    )


def slot_rows(org: Org) -> int:
    def slots(placement: Record) -> int:
        nothing: Record = {}
        line = live(org, "quote_line_item").get(
            placement["vlocity_cmt__quotelineitemid__c"], nothing
        )
        quote = live(org, "quote").get(line.get("quoteid", ""), nothing)
        account = quote.get("accountid")
        if account not in live(org, "account"):
            return 0
        return len(pointing(org, "account_ad_server", "vlocity_cmt__advertiserid__c", account))

    return at_least_one(slots(row) for row in live(org, "media_plan_placement").values())


def format_rows(org: Org) -> int:
    column = "vlocity_cmt__adspacespecificationid__c"

    def formats(product: str) -> int:
        spaces = pointing(org, "ad_space_specification", "vlocity_cmt__product2id__c", product)
        return at_least_one(
            len(pointing(org, "ad_space_creative_size_type", column, space["id"]))
            for space in spaces
        )

    return at_least_one(formats(product) for product in live(org, "product"))


GRAINS: Mapping[str, Callable[[Org], int]] = {
    "ad_slots": one_a("account_ad_server"),
    "production_line_item_placements": slot_rows,
    "production_line_items": production_rows,
    "products": format_rows,
    "publisher_system_ads": one_a("ad_order_item"),
    "sales_line_items_booked_delivered": delivery_rows,
    "sales_order_accounts": one_a("order"),
    "sales_order_approvals": one_a("order"),
    "sales_order_contacts": contact_rows,
    "sales_order_line_item_reservations": reservation_rows,
    "sales_order_line_items": line_rows,
    "sales_order_programmatic_guaranteed": one_a("account_ad_server"),
    "sales_order_types": one_a("order"),
    "sales_order_users": one_a("order"),
    "sales_orders": one_a("order"),
    "sales_stages": one_a("opportunity"),
}


def first(source: duckdb.DuckDBPyConnection, sql: str) -> int:
    row = source.execute(sql).fetchone()
    assert row is not None
    return int(row[0])


@cache
def described(name: str) -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((MODELS / f"{name}.yml").read_text("utf-8"))
    return document


def broken_relationships(source: duckdb.DuckDBPyConnection, name: str) -> Iterator[str]:
    for column in described(name)["columns"]:
        for test in column.get("tests", []):
            if isinstance(test, dict) and (target := test.get("relationships")):
                sql = (
                    f"SELECT COUNT(*) FROM {name} WHERE {column['name']} IS NOT NULL"
                    f" AND {column['name']} NOT IN (SELECT {target['field']}"
                    f" FROM {target['to']} WHERE {target['field']} IS NOT NULL)"
                )
                if first(source, sql):
                    yield f"{name}.{column['name']}"


@settings(max_examples=examples(12, many=120), deadline=None)
@given(org=orgs)
def test_every_table_has_its_grain(
    source: duckdb.DuckDBPyConnection, select_of: Callable[[str], str], org: Org
) -> None:
    with filled(source, select_of, org):
        counts = {name: first(source, f"SELECT COUNT(*) FROM {name}") for name in NAMES}
        assert counts == {name: count(org) for name, count in GRAINS.items()}
        for name in NAMES:
            key = ", ".join(described(name)["key"])
            keys = f"SELECT COUNT(*) FROM (SELECT DISTINCT {key} FROM {name})"
            assert first(source, keys) == counts[name]
            assert list(broken_relationships(source, name)) == []
