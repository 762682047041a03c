"""Tables of what was planned: production line items and the ad slots they can run in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

Given = Mapping[str, Sequence[Mapping[str, Any]]]
Build = Callable[[str, Given], list[dict[str, Any]]]

PLANNED: Given = {
    "quote_line_item": [
        {
            "id": "0QLA",
            "quoteid": "0Q0A",
            "product2id": "01tA",
            "production_system__c": "GAM",
            "vlocity_cmt__itemname__c": "Banner",
            "vlocity_cmt__onetimetotal__c": "1000.00",
            "quantity": 10,
        },
        {"id": "0QLB"},
    ],
    "media_plan_placement": [
        {
            "id": "a2A",
            "name": "Home",
            "vlocity_cmt__quotelineitemid__c": "0QLA",
            "vlocity_cmt__adrequestedstartdate__c": "2026-03-01T13:00:00Z",
        },
        {"id": "a2B", "name": "Sport", "vlocity_cmt__quotelineitemid__c": "0QLA"},
    ],
    "order_ad_placement": [
        {
            "id": "a1A",
            "vlocity_cmt__quotelineitemid__c": "0QLA",
            "vlocity_cmt__orderitemid__c": "802A",
            "swm_parent_media_placement__c": "a2A",
            "swm_sub_status__c": "Booked",
            "createddate": "2026-02-01T00:00:00Z",
        },
        {
            "id": "a1B",
            "vlocity_cmt__quotelineitemid__c": "0QLA",
            "vlocity_cmt__orderitemid__c": "802B",
            "swm_parent_media_placement__c": "a2B",
            "swm_sub_status__c": "Draft",
            "createddate": "2026-02-02T00:00:00Z",
        },
    ],
    "order_product": [
        {
            "id": "802A",
            "quotelineitemid": "0QLA",
            "vlocity_cmt__itemname__c": "Ordered",
            "vlocity_cmt__firstversionorderitemid__c": "802Y",
            "createddate": "2026-02-01T00:00:00Z",
        },
        {"id": "802B", "quotelineitemid": "0QLA", "createddate": "2026-02-02T00:00:00Z"},
    ],
    "product": [{"id": "01tA", "name": "Display", "pricing_method__c": "CPM"}],
}
SLOTS: Given = {
    **PLANNED,
    "quote": [{"id": "0Q0A", "accountid": "001A"}],
    "account": [{"id": "001A"}, {"id": "001B"}],
    "account_ad_server": [
        {
            "id": "a3A",
            "name": "Acme on GAM",
            "vlocity_cmt__advertiserid__c": "001A",
            "vlocity_cmt__adserverid__c": "a4A",
        },
        {"id": "a3B", "name": "Acme on TV", "vlocity_cmt__advertiserid__c": "001A"},
        {"id": "a3C", "name": "Another's", "vlocity_cmt__advertiserid__c": "001B"},
    ],
}


def changed(records: Given, table: str, **values: Any) -> Given:
    return {**records, table: [{**record, **values} for record in records[table]]}


def table_of(rows: Sequence[Mapping[str, Any]], *columns: str) -> list[tuple[Any, ...]]:
    return sorted((tuple(row[column] for column in columns) for row in rows), key=repr)


class TestLineItems:
    COLUMNS = ("production_line_item_key", "placement_id", "sales_order_line_item_id")

    def test_quote_line_has_a_row_a_plan_placement_with_its_own_order(self, build: Build) -> None:
        rows = build("production_line_items", PLANNED)
        assert table_of(rows, *self.COLUMNS) == [
            ("0QLA-a2A", "a1A", "802A"),
            ("0QLA-a2B", "a1B", "802B"),
            ("0QLB", None, None),
        ]

    def test_row_holds_what_its_names_say(self, build: Build) -> None:
        rows = build("production_line_items", PLANNED)
        [row] = [row for row in rows if row["media_plan_placement_id"] == "a2A"]
        expected = {
            "production_line_item_id": "0QLA",
            "production_line_item_name": "Banner",
            "quote_id": "0Q0A",
            "media_plan_placement_name": "Home",
            "sales_order_line_item_name": "Ordered",
            "sales_order_line_item_version": "802Y",
            "production_line_item_source": "GAM",
            "product_id": "01tA",
            "push_cost_method_name": "CPM",
            "production_line_item_start_date": date(2026, 3, 1),
            "production_line_item_start_at": datetime(2026, 3, 1, 13, tzinfo=UTC),
            "production_line_item_value": Decimal("1000.00"),
            "production_quantity": Decimal(10),
            "line_item_status": "Booked",
        }
        assert {column: row[column] for column in expected} == expected

    def test_of_two_orders_the_newest_placement_is_used(self, build: Build) -> None:
        records = changed(PLANNED, "order_ad_placement", swm_parent_media_placement__c=None)
        rows = build("production_line_items", records)
        assert table_of(rows, *self.COLUMNS)[:2] == [
            ("0QLA-a2A", "a1B", "802B"),
            ("0QLA-a2B", "a1B", "802B"),
        ]

    def test_placement_without_parent_comes_before_one_of_another_plan(self, build: Build) -> None:
        older, newer = PLANNED["order_ad_placement"]
        placements = [{**older, "swm_parent_media_placement__c": None}, newer]
        rows = build("production_line_items", {**PLANNED, "order_ad_placement": placements})
        assert ("0QLA-a2A", "a1A", "802A") in table_of(rows, *self.COLUMNS)

    def test_order_product_without_placement_is_found(self, build: Build) -> None:
        rows = build("production_line_items", {**PLANNED, "order_ad_placement": []})
        assert table_of(rows, *self.COLUMNS)[:2] == [
            ("0QLA-a2A", None, "802B"),
            ("0QLA-a2B", None, "802B"),
        ]

    def test_placement_of_a_lost_order_product_takes_the_quote_lines_newest(
        self, build: Build
    ) -> None:
        records = changed(PLANNED, "order_ad_placement", vlocity_cmt__orderitemid__c="802Z")
        rows = build("production_line_items", records)
        columns = (*self.COLUMNS, "sales_order_line_item_reference")
        assert ("0QLA-a2A", "a1A", "802B", "802Z") in table_of(rows, *columns)

    @pytest.mark.parametrize(
        ("table", "column"),
        [
            ("media_plan_placement", "media_plan_placement_id"),
            ("order_ad_placement", "placement_id"),
            ("order_product", "sales_order_line_item_id"),
            ("product", "product_id"),
        ],
    )
    def test_deleted_lookup_leaves_nulls(self, build: Build, table: str, column: str) -> None:
        rows = build("production_line_items", changed(PLANNED, table, isdeleted=True))
        assert {row[column] for row in rows} == {None}
        assert {row["production_line_item_id"] for row in rows} == {"0QLA", "0QLB"}

    def test_deleted_quote_line_leaves(self, build: Build) -> None:
        records = changed(PLANNED, "quote_line_item", isdeleted=True)
        assert build("production_line_items", records) == []


class TestPlacements:
    COLUMNS = ("key", "production_line_item_id", "account_id", "ad_slot_name")

    def test_placement_has_a_row_an_ad_server_of_its_account(self, build: Build) -> None:
        rows = build("production_line_item_placements", SLOTS)
        assert table_of(rows, *self.COLUMNS) == [
            ("a2A-a3A", "0QLA", "001A", "Acme on GAM"),
            ("a2A-a3B", "0QLA", "001A", "Acme on TV"),
            ("a2B-a3A", "0QLA", "001A", "Acme on GAM"),
            ("a2B-a3B", "0QLA", "001A", "Acme on TV"),
        ]
        assert {row["ad_slot_id"] for row in rows} == {"a4A", None}

    @pytest.mark.parametrize(
        ("table", "quote_line", "account"),
        [
            ("quote_line_item", None, None),
            ("quote", "0QLA", None),
            ("account", "0QLA", None),
            ("account_ad_server", "0QLA", "001A"),
        ],
    )
    def test_placement_that_leads_nowhere_keeps_one_row(
        self, build: Build, table: str, quote_line: str | None, account: str | None
    ) -> None:
        rows = build("production_line_item_placements", changed(SLOTS, table, isdeleted=True))
        assert table_of(rows, *self.COLUMNS) == [
            ("a2A", quote_line, account, None),
            ("a2B", quote_line, account, None),
        ]
        assert {row["production_line_item_reference"] for row in rows} == {"0QLA"}

    def test_deleted_placement_leaves(self, build: Build) -> None:
        records = changed(SLOTS, "media_plan_placement", isdeleted=True)
        assert build("production_line_item_placements", records) == []
