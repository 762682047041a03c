"""Tables of order lines: line items, reservations, booked and delivered, publisher ads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

Given = Mapping[str, Sequence[Mapping[str, Any]]]
Build = Callable[[str, Given], list[dict[str, Any]]]

PLACED: Given = {
    "order": [
        {
            "id": "801A",
            "accountid": "001A",
            "vlocity_cmt__pricelistid__c": "a0PA",
            "vlocity_cmt__discount__c": "7.50",
        },
    ],
    "account": [{"id": "001A", "swm_agency_commission__c": "12.50"}],
    "order_product": [
        {
            "id": "802A",
            "orderid": "801A",
            "product2id": "01tA",
            "vlocity_cmt__itemname__c": "Banner",
            "vlocity_cmt__action__c": "Add",
            "unitprice": "12.34",
            "quantity": 1000,
            "totalprice": "12340.00",
            "availablequantity": 900,
        },
        {
            "id": "802B",
            "orderid": "801A",
            "vlocity_cmt__itemname__c": "Bare",
            "vlocity_cmt__parentitemid__c": "802A",
        },
    ],
    "order_ad_placement": [
        {
            "id": "a1A",
            "name": "Home",
            "vlocity_cmt__orderitemid__c": "802A",
            "vlocity_cmt__quotelineitemid__c": "0QLA",
            "swm_parent_media_placement__c": "a2A",
            "vlocity_cmt__adserverorderidentifier__c": "9001",
            "vlocity_cmt__adserverorderlineidentiifier__c": "7001",
            "vlocity_cmt__adrequestedstartdate__c": "2026-03-01T13:00:00Z",
            "vlocity_cmt__adrequestedenddate__c": "2026-03-31T12:59:59Z",
            "vlocity_cmt__userengagementgoalunittype__c": "IMPRESSIONS",
            "vlocity_cmt__userengagementgoalunit__c": 50000,
            "production_system__c": "GAM",
            "createdbyid": "005A",
            "createddate": "2026-02-01T00:00:00Z",
            "lastmodifiedbyid": "005A",
        },
        {
            "id": "a1B",
            "name": "Sport",
            "vlocity_cmt__orderitemid__c": "802A",
            "vlocity_cmt__adserverorderlineidentiifier__c": "7002",
            "vlocity_cmt__userengagementgoalunittype__c": "CLICKS",
            "vlocity_cmt__userengagementgoalunit__c": 20,
            "createddate": "2026-02-02T00:00:00Z",
        },
    ],
    "product": [{"id": "01tA", "name": "Display", "agency_commission_applicable__c": True}],
    "media_plan_placement": [{"id": "a2A", "name": "Plan", "swm_gross_unit_cost__c": "15.00"}],
    "quote_line_item": [{"id": "0QLA", "vlocity_cmt__itemname__c": "Quoted"}],
    "user": [{"id": "005A", "name": "Ann"}],
}

CONTRACT: Given = {
    "contract": [
        {
            "id": "800A",
            "vlocity_cmt__orderid__c": "801A",
            "status": "Activated",
            "startdate": "2026-03-01",
            "enddate": "2026-03-31",
            "vlocity_cmt__terminatedate__c": "2026-04-30",
        }
    ]
}


def changed(table: str, **values: Any) -> Given:
    return {**PLACED, table: [{**record, **values} for record in PLACED[table]]}


def table_of(rows: Sequence[Mapping[str, Any]], *columns: str) -> list[tuple[Any, ...]]:
    return sorted((tuple(row[column] for column in columns) for row in rows), key=repr)


class TestLineItems:
    def test_order_product_has_a_row_a_placement(self, build: Build) -> None:
        rows = build("sales_order_line_items", PLACED)
        columns = ("line_item_key", "sales_order_line_item_id", "placement_id", "order_id")
        assert table_of(rows, *columns) == [
            ("802B", "802B", None, "801A"),
            ("a1A", "802A", "a1A", "801A"),
            ("a1B", "802A", "a1B", "801A"),
        ]

    def test_row_holds_what_its_names_say(self, build: Build) -> None:
        rows = build("sales_order_line_items", PLACED)
        [row] = [row for row in rows if row["line_item_key"] == "a1A"]
        expected = {
            "sales_order_line_item_name": "Banner",
            "sales_order_id": "801A",
            "ad_server_order_identifier": "9001",
            "product_id": "01tA",
            "product_name": "Banner",
            "catalog_product_name": "Display",
            "media_plan_id": "a2A",
            "media_plan_name": "Home",
            "media_plan_placement_name": "Plan",
            "sales_order_line_item_start_date": date(2026, 3, 1),
            "sales_order_line_item_start_at": datetime(2026, 3, 1, 13, tzinfo=UTC),
            "net_unit_cost": Decimal("12.34"),
            "net_cost": Decimal("12340.00"),
            "can_commission": True,
            "account_id": "001A",
            "agency_commission_rate": Decimal("12.50"),
            "rate_card_id": "a0PA",
            "gross_unit_cost": Decimal("15.00"),
            "total_discounts": Decimal("7.50"),
            "created_by": "Ann",
            "last_modified_by": "Ann",
            "parent_line_item_id": None,
        }
        assert {column: row[column] for column in expected} == expected

    def test_part_of_another_line_leads_to_it(self, build: Build) -> None:
        rows = build("sales_order_line_items", PLACED)
        assert ("802B", "802A") in table_of(rows, "line_item_key", "parent_line_item_id")

    def test_part_of_a_line_that_is_not_there_leads_nowhere(self, build: Build) -> None:
        records = changed("order_product", vlocity_cmt__parentitemid__c="802Z")
        rows = build("sales_order_line_items", records)
        assert {row["parent_line_item_id"] for row in rows} == {None}
        assert {row["parent_line_item_reference"] for row in rows} == {"802Z"}

    def test_references_outlive_what_they_point_to(self, build: Build) -> None:
        records = changed("product", isdeleted=True)
        records = {
            **records,
            "media_plan_placement": [],
            "order_product": PLACED["order_product"][:1],
        }
        rows = build("sales_order_line_items", records)
        columns = ("product_id", "product_reference", "media_plan_id", "media_plan_reference")
        assert table_of(rows, *columns) == [
            (None, "01tA", None, "a2A"),
            (None, "01tA", None, None),
        ]

    def test_placements_of_other_products_of_the_order_stay_apart(self, build: Build) -> None:
        records: Given = {
            "order": [{"id": "801A"}],
            "order_product": [{"id": f"802{n}", "orderid": "801A"} for n in "ABC"],
            "order_ad_placement": [
                {
                    "id": f"a1{n}",
                    "vlocity_cmt__orderid__c": "801A",
                    "vlocity_cmt__orderitemid__c": f"802{n}",
                }
                for n in "ABC"
            ],
        }
        rows = build("sales_order_line_items", records)
        columns = ("sales_order_line_item_id", "placement_id")
        assert table_of(rows, *columns) == [("802A", "a1A"), ("802B", "a1B"), ("802C", "a1C")]

    def test_line_without_anything_else_keeps_its_row(self, build: Build) -> None:
        [row] = build("sales_order_line_items", {"order_product": [{"id": "802A", "orderid": "x"}]})
        filled = {column: value for column, value in row.items() if value is not None}
        assert filled == {"line_item_key": "802A", "sales_order_line_item_id": "802A"}

    def test_deleted_order_product_leaves_with_its_placements(self, build: Build) -> None:
        assert build("sales_order_line_items", changed("order_product", isdeleted=True)) == []

    def test_deleted_placements_leave_their_order_product(self, build: Build) -> None:
        rows = build("sales_order_line_items", changed("order_ad_placement", isdeleted=True))
        assert table_of(rows, "line_item_key", "placement_id") == [("802A", None), ("802B", None)]

    @pytest.mark.parametrize(
        ("looked_up", "columns"),
        [
            ("order", ("order_id", "sales_order_id", "rate_card_id", "total_discounts")),
            ("account", ("account_id", "agency_commission_rate")),
            ("product", ("product_id", "catalog_product_name", "can_commission")),
            ("media_plan_placement", ("media_plan_id", "gross_unit_cost")),
        ],
    )
    def test_deleted_lookup_leaves_nulls(
        self, build: Build, looked_up: str, columns: tuple[str, ...]
    ) -> None:
        rows = build("sales_order_line_items", changed(looked_up, isdeleted=True))
        assert table_of(rows, *columns) == [(None,) * len(columns)] * 3


class TestReservations:
    def test_contract_has_a_row_an_order_product(self, build: Build) -> None:
        rows = build("sales_order_line_item_reservations", {**PLACED, **CONTRACT})
        columns = ("reservation_key", "sales_order_line_item_id", "placement_id", "placement_count")
        assert table_of(rows, *columns) == [
            ("800A-802A", "802A", "a1A", 2),
            ("800A-802B", "802B", None, 0),
        ]

    def test_row_has_dates_and_quantity(self, build: Build) -> None:
        rows = build("sales_order_line_item_reservations", {**PLACED, **CONTRACT})
        columns = ("sales_order_id", "requested_time", "expiration_date", "reserved_quantity")
        assert table_of(rows, *columns)[0] == (
            "801A",
            date(2026, 3, 1),
            date(2026, 4, 30),
            Decimal(900),
        )

    @pytest.mark.parametrize("table", ["order", "order_product"])
    def test_contract_without_order_lines_keeps_one_row(self, build: Build, table: str) -> None:
        records = {**changed(table, isdeleted=True), **CONTRACT}
        [row] = build("sales_order_line_item_reservations", records)
        assert (row["reservation_key"], row["sales_order_line_item_id"]) == ("800A", None)

    def test_deleted_contract_leaves(self, build: Build) -> None:
        contract = [{**CONTRACT["contract"][0], "isdeleted": True}]
        assert build("sales_order_line_item_reservations", {**PLACED, "contract": contract}) == []

    def test_two_contracts_of_one_order_stay_apart(self, build: Build) -> None:
        contracts = [{"id": f"800{n}", "vlocity_cmt__orderid__c": "801A"} for n in "AB"]
        rows = build("sales_order_line_item_reservations", {**PLACED, "contract": contracts})
        assert table_of(rows, "reservation_key") == [
            ("800A-802A",),
            ("800A-802B",),
            ("800B-802A",),
            ("800B-802B",),
        ]


def usage(record_id: str, line: str | None, day: str | None, impressions: int | None) -> Any:
    return {
        "id": record_id,
        "gam_lineitemid__c": line,
        "usage_date__c": day,
        "ad_impression__c": impressions,
        "ad_clicks__c": 1,
    }


class TestBookedDelivered:
    def build_with(self, build: Build, *records: Any) -> list[tuple[Any, ...]]:
        rows = build("sales_line_items_booked_delivered", {**PLACED, "usage": records})
        columns = ("placement_id", "delivery_date", "delivered_impressions", "usage_count")
        return table_of(rows, *columns)

    def test_placement_has_a_row_a_day(self, build: Build) -> None:
        rows = self.build_with(
            build,
            usage("u1", "7001", "2026-03-01", 100),
            usage("u2", "7001", "2026-03-02", 50),
        )
        assert rows == [
            ("a1A", date(2026, 3, 1), 100, 1),
            ("a1A", date(2026, 3, 2), 50, 1),
            ("a1B", None, None, 0),
        ]

    def test_usage_records_of_one_line_and_day_add_up(self, build: Build) -> None:
        rows = self.build_with(
            build,
            usage("u1", "7001", "2026-03-01", 100),
            usage("u2", "7001", "2026-03-01", 50),
            usage("u3", "7001", "2026-03-01", None),
        )
        assert rows == [("a1A", date(2026, 3, 1), 150, 3), ("a1B", None, None, 0)]

    def test_deleted_usage_counts_for_nothing(self, build: Build) -> None:
        rows = self.build_with(build, {**usage("u1", "7001", "2026-03-01", 100), "isdeleted": True})
        assert rows == [("a1A", None, None, 0), ("a1B", None, None, 0)]

    @pytest.mark.parametrize(("line", "day"), [(None, "2026-03-01"), ("7001", None), ("9", None)])
    def test_usage_that_belongs_nowhere_is_left_out(
        self, build: Build, line: str | None, day: str | None
    ) -> None:
        rows = self.build_with(build, usage("u1", line, day, 100))
        assert rows == [("a1A", None, None, 0), ("a1B", None, None, 0)]

    def test_placements_without_ad_server_line_share_nothing(self, build: Build) -> None:
        placements = [{"id": "a1A"}, {"id": "a1B"}]
        records = {"order_ad_placement": placements, "usage": [usage("u1", None, "2026-03-01", 5)]}
        rows = build("sales_line_items_booked_delivered", records)
        assert table_of(rows, "placement_id", "delivery_date") == [("a1A", None), ("a1B", None)]

    def test_placements_on_one_line_each_have_its_days(self, build: Build) -> None:
        placements = [
            {"id": f"a1{n}", "vlocity_cmt__adserverorderlineidentiifier__c": "7001"} for n in "AB"
        ]
        records = {
            "order_ad_placement": placements,
            "usage": [usage("u1", "7001", "2026-03-01", 5)],
        }
        rows = build("sales_line_items_booked_delivered", records)
        assert table_of(rows, "placement_id", "delivered_impressions") == [("a1A", 5), ("a1B", 5)]

    def test_goal_is_booked_in_its_unit(self, build: Build) -> None:
        rows = build("sales_line_items_booked_delivered", PLACED)
        assert table_of(rows, "placement_id", "booked_impressions", "booked_clicks") == [
            ("a1A", 50000, None),
            ("a1B", None, 20),
        ]

    def test_row_leads_to_line_order_and_quote_line(self, build: Build) -> None:
        rows = build("sales_line_items_booked_delivered", PLACED)
        columns = ("sales_order_line_item_id", "sales_order_id", "production_line_item_id")
        assert table_of(rows, *columns) == [("802A", "801A", "0QLA"), ("802A", "801A", None)]

    @pytest.mark.parametrize("table", ["order_product", "order", "quote_line_item"])
    def test_deleted_lookup_keeps_the_rows(self, build: Build, table: str) -> None:
        rows = build("sales_line_items_booked_delivered", changed(table, isdeleted=True))
        assert table_of(rows, "placement_id") == [("a1A",), ("a1B",)]

    def test_deleted_placement_leaves(self, build: Build) -> None:
        records = changed("order_ad_placement", isdeleted=True)
        assert build("sales_line_items_booked_delivered", records) == []


class TestPublisherSystemAds:
    def build_one(self, build: Build, records: Given, **item: Any) -> dict[str, Any]:
        record = {"id": "0aA", "orderitemid": "802A", **item}
        [row] = build("publisher_system_ads", {**records, "ad_order_item": [record]})
        return row

    def test_item_leads_to_its_line_system_and_production_line(self, build: Build) -> None:
        row = self.build_one(
            build, PLACED, adserverorderlineidentifier="7001", production_system__c="Landmark"
        )
        expected = {
            "id": "0aA",
            "ad_server_order_line_identifier": "7001",
            "ad_server_order_identifier": "9001",
            "production_system": "Landmark",
            "sales_order_line_item_id": "802A",
            "sales_order_id": "801A",
            "placement_id": "a1A",
            "production_line_item_id": "0QLA",
            "production_line_item_name": "Quoted",
        }
        assert {column: row[column] for column in expected} == expected

    @pytest.mark.parametrize(
        ("line", "placement"),
        [("7001", "a1A"), ("7002", "a1B"), ("7003", None), (None, None)],
        ids=["older", "newer", "on neither's line", "without line"],
    )
    def test_of_two_placements_the_one_on_its_line_is_used(
        self, build: Build, line: str | None, placement: str | None
    ) -> None:
        row = self.build_one(build, PLACED, adserverorderlineidentifier=line)
        assert (row["placement_id"], row["ad_server_order_line_identifier"]) == (placement, line)

    @pytest.mark.parametrize("line", ["7001", "7003", None])
    def test_an_only_placement_is_taken_whatever_its_line(
        self, build: Build, line: str | None
    ) -> None:
        only = {**PLACED, "order_ad_placement": PLACED["order_ad_placement"][:1]}
        row = self.build_one(build, only, adserverorderlineidentifier=line)
        expected = ("a1A", line or "7001", "0QLA")
        columns = ("placement_id", "ad_server_order_line_identifier", "production_line_item_id")
        assert tuple(row[column] for column in columns) == expected

    def test_a_deleted_placement_leaves_the_other_the_only_one(self, build: Build) -> None:
        first, second = PLACED["order_ad_placement"]
        records = {**PLACED, "order_ad_placement": [{**first, "isdeleted": True}, second]}
        assert self.build_one(build, records)["placement_id"] == "a1B"

    def test_of_two_placements_on_its_line_the_newest_is_used(self, build: Build) -> None:
        records = changed("order_ad_placement", vlocity_cmt__adserverorderlineidentiifier__c="7001")
        row = self.build_one(build, records, adserverorderlineidentifier="7001")
        assert row["placement_id"] == "a1B"

    def test_system_is_taken_from_the_placement_where_the_item_has_none(self, build: Build) -> None:
        row = self.build_one(build, PLACED, adserverorderlineidentifier="7001")
        assert row["production_system"] == "GAM"

    def test_own_quote_line_comes_first(self, build: Build) -> None:
        records = {**PLACED, "quote_line_item": [{"id": "0QLA"}, {"id": "0QLB"}]}
        row = self.build_one(
            build, records, adserverorderlineidentifier="7001", quotelineitemid="0QLB"
        )
        assert row["production_line_item_id"] == "0QLB"

    def test_a_deleted_own_quote_line_gives_way_to_the_placements(self, build: Build) -> None:
        lines = [*PLACED["quote_line_item"], {"id": "0QLB", "isdeleted": True}]
        row = self.build_one(
            build,
            {**PLACED, "quote_line_item": lines},
            adserverorderlineidentifier="7001",
            quotelineitemid="0QLB",
        )
        assert (row["production_line_item_id"], row["production_line_item_name"]) == (
            "0QLA",
            "Quoted",
        )

    def test_item_without_anything_else_keeps_its_row(self, build: Build) -> None:
        row = self.build_one(build, {}, orderitemid="802Z")
        assert {column for column, value in row.items() if value is not None} == {"id"}

    def test_deleted_lookups_leave_nulls(self, build: Build) -> None:
        records = changed("order_product", isdeleted=True)
        row = self.build_one(build, records, adserverorderlineidentifier="7001")
        columns = ("sales_order_line_item_id", "sales_order_id", "placement_id")
        assert {row[column] for column in columns} == {None}

    def test_deleted_item_leaves(self, build: Build) -> None:
        item = [{"id": "0aA", "orderitemid": "802A", "isdeleted": True}]
        assert build("publisher_system_ads", {**PLACED, "ad_order_item": item}) == []
