"""Tables of one order each: sales_orders, accounts, contacts, users, approvals, types."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

Given = Mapping[str, Sequence[Mapping[str, Any]]]
Build = Callable[[str, Given], list[dict[str, Any]]]

ORDER_TABLES = [
    "sales_orders",
    "sales_order_accounts",
    "sales_order_contacts",
    "sales_order_users",
    "sales_order_approvals",
    "sales_order_types",
]
LISTED = """
    id order_id order_name order_type order_date end_date status order_status
    fulfilment_status total_amount one_time_total market_rate_total floor_rate_total
    contains_gam_lines contains_non_gam_lines gam_lines non_gam_lines account_id account_name
    legacy_account_id agency_commission account_manager sales_coordinator
    convergent_sales_group customer_value contract_id contract_number contract_name
    contract_end_date contract_special_terms opportunity_id sales_stage probability next_step
    currency ecpm campaign_objective campaign_type price_list_id price_list_name quote_id
    quote_name quote_number quote_to_name quote_line_item_count po_number owner_id owner_name
    created_by_id created_by created_by_username created_by_time_zone created_at
    last_modified_at last_modified_by_id
"""
WHOLE: Given = {
    "order": [
        {
            "id": "801A",
            "ordernumber": "00000101",
            "name": "Own name",
            "vlocity_cmt__masterordername__c": "Spring campaign",
            "type": "New",
            "effectivedate": "2026-03-01",
            "enddate": "2026-03-31",
            "status": "Activated",
            "vlocity_cmt__orderstatus__c": "In Progress",
            "vlocity_cmt__fulfilmentstatus__c": "DELIVERING",
            "totalamount": "1234567890123456.78",
            "swm_contains_gam_lines__c": True,
            "swm_gam_lines__c": 3,
            "accountid": "001A",
            "contractid": "800A",
            "opportunityid": "006A",
            "vlocity_cmt__pricelistid__c": "a0PA",
            "quoteid": "0Q0A",
            "vlocity_cmt__quoteid__c": "0Q0B",
            "ownerid": "005B",
            "createdbyid": "005A",
            "createddate": "2026-02-28T23:30:00.000Z",
            "activateddate": "2026-03-01T00:00:00.000Z",
            "lastmodifieddate": "2026-03-02T01:02:03.456Z",
            "lastmodifiedbyid": "005B",
            "pricebook2id": "01sA",
            "vlocity_cmt__ordergroupid__c": "a0GA",
        }
    ],
    "account": [
        {
            "id": "001A",
            "name": "Acme 🎉, Pty",
            "op1_account_id__c": "0042",
            "swm_agency_commission__c": "12.50",
            "swm_planning_agency__c": "001P",
        }
    ],
    "contract": [{"id": "800A", "contractnumber": "00000100", "enddate": "2026-12-31"}],
    "opportunity": [{"id": "006A", "stagename": "Closed Won", "probability": 100}],
    "pricelist": [{"id": "a0PA", "name": "National"}],
    "quote": [
        {
            "id": "0Q0A",
            "name": "Own",
            "lineitemcount": 7,
            "vlocity_cmt__ponumber__c": "PO-1",
            "ownerid": "005A",
        },
        {
            "id": "0Q0B",
            "name": "Package",
            "approval_status__c": "Approved",
            "ownerid": "005A",
            "vlocity_cmt__lockedby__c": "005B",
        },
    ],
    "user": [
        {
            "id": "005A",
            "name": "Ann",
            "username": "ann@example.com",
            "timezonesidkey": "Australia/Sydney",
            "userroleid": "00EA",
        },
        {"id": "005B", "name": "Bob", "username": "bob@example.com"},
    ],
    "contact": [
        {"id": "003A", "accountid": "001A", "name": "Cy", "email": "cy@example.com"},
        {"id": "003B", "accountid": "001A", "name": "Di"},
        {"id": "003C", "accountid": "001Z", "name": "Of another account"},
    ],
}


def changed(table: str, **values: Any) -> Given:
    """The whole case, with `values` set in every record of `table`."""
    return {**WHOLE, table: [{**record, **values} for record in WHOLE[table]]}


def only(table: str) -> Given:
    return {table: WHOLE[table]}


def picked(row: Mapping[str, Any], *columns: str) -> tuple[Any, ...]:
    return tuple(row[column] for column in columns)


def test_order_has_values_of_everything_it_refers_to(build: Build) -> None:
    [row] = build("sales_orders", WHOLE)
    expected = {
        "id": "801A",
        "order_id": "00000101",
        "order_name": "Spring campaign",
        "order_type": "New",
        "order_date": date(2026, 3, 1),
        "end_date": date(2026, 3, 31),
        "status": "Activated",
        "order_status": "In Progress",
        "fulfilment_status": "DELIVERING",
        "total_amount": Decimal("1234567890123456.78"),
        "contains_gam_lines": True,
        "contains_non_gam_lines": None,
        "gam_lines": 3,
        "account_id": "001A",
        "account_name": "Acme 🎉, Pty",
        "legacy_account_id": "0042",
        "agency_commission": Decimal("12.50"),
        "contract_id": "800A",
        "contract_number": "00000100",
        "contract_end_date": date(2026, 12, 31),
        "opportunity_id": "006A",
        "sales_stage": "Closed Won",
        "price_list_id": "a0PA",
        "price_list_name": "National",
        "quote_id": "0Q0A",
        "quote_name": "Own",
        "quote_line_item_count": 7,
        "po_number": "PO-1",
        "owner_id": "005B",
        "owner_name": "Bob",
        "created_by_id": "005A",
        "created_by": "Ann",
        "created_by_username": "ann@example.com",
        "created_by_time_zone": "Australia/Sydney",
        "created_at": datetime(2026, 2, 28, 23, 30, tzinfo=UTC),
        "last_modified_at": datetime(2026, 3, 2, 1, 2, 3, 456000, tzinfo=UTC),
        "last_modified_by_id": "005B",
    }
    assert {column: row[column] for column in expected} == expected


def test_order_has_the_listed_columns_and_no_other(build: Build) -> None:
    [row] = build("sales_orders", WHOLE)
    assert list(row) == LISTED.split()


@pytest.mark.parametrize("table", ORDER_TABLES)
def test_order_without_lookups_keeps_its_row(build: Build, table: str) -> None:
    rows = build(table, only("order"))
    assert [row["id" if table == "sales_orders" else "order_id"] for row in rows] == ["801A"]


@pytest.mark.parametrize("table", ORDER_TABLES)
def test_deleted_order_leaves(build: Build, table: str) -> None:
    assert build(table, changed("order", isdeleted=True)) == []


@pytest.mark.parametrize("table", ORDER_TABLES)
def test_order_known_not_to_be_deleted_stays(build: Build, table: str) -> None:
    assert build(table, changed("order", isdeleted=False)) != []


@pytest.mark.parametrize(
    ("looked_up", "columns"),
    [
        ("account", ("account_id", "account_name", "legacy_account_id", "agency_commission")),
        ("contract", ("contract_id", "contract_number", "contract_end_date")),
        ("opportunity", ("opportunity_id", "sales_stage", "probability")),
        ("pricelist", ("price_list_id", "price_list_name")),
        ("quote", ("quote_id", "quote_name", "quote_line_item_count", "po_number")),
    ],
)
def test_deleted_lookup_leaves_nulls(
    build: Build, looked_up: str, columns: tuple[str, ...]
) -> None:
    [row] = build("sales_orders", changed(looked_up, isdeleted=True))
    assert set(picked(row, *columns)) == {None}
    assert row["order_id"] == "00000101"


@pytest.mark.parametrize(
    ("own", "package", "sales_orders", "approvals"),
    [
        ("0Q0A", "0Q0B", "0Q0A", "0Q0B"),
        ("0Q0A", None, "0Q0A", "0Q0A"),
        (None, "0Q0B", "0Q0B", "0Q0B"),
        ("gone", "0Q0B", "0Q0B", "0Q0B"),
        ("0Q0A", "gone", "0Q0A", "0Q0A"),
        ("gone", None, None, None),
        (None, None, None, None),
    ],
)
def test_quote_is_found_in_either_field(
    build: Build, own: str, package: str, sales_orders: str, approvals: str
) -> None:
    records = changed("order", quoteid=own, vlocity_cmt__quoteid__c=package)
    assert [row["quote_id"] for row in build("sales_orders", records)] == [sales_orders]
    assert [row["quote_id"] for row in build("sales_order_approvals", records)] == [approvals]


def test_order_without_master_name_is_called_by_its_own(build: Build) -> None:
    records = changed("order", vlocity_cmt__masterordername__c=None)
    for table in ("sales_orders", "sales_order_accounts", "sales_order_contacts"):
        assert {row["order_name"] for row in build(table, records)} == {"Own name"}
    assert [row["sales_order_name"] for row in build("sales_order_users", records)] == [None]


def test_account_of_an_order(build: Build) -> None:
    assert build("sales_order_accounts", WHOLE) == [
        {
            "order_id": "801A",
            "sales_order_id": "801A",
            "order_name": "Spring campaign",
            "sales_order_name": "Spring campaign",
            "account_id": "001A",
            "account_reference": "001A",
            "account_name": "Acme 🎉, Pty",
            "op1_account_id": "0042",
            "functional_role_name": "001P",
            "functional_role_id": "001P",
        }
    ]


def test_contacts_of_an_order_are_those_of_its_account(build: Build) -> None:
    rows = build("sales_order_contacts", WHOLE)
    columns = ("sales_order_id", "account_id", "contact_id", "contact_name", "contact_email")
    assert sorted(picked(row, *columns) for row in rows) == [
        ("801A", "001A", "003A", "Cy", "cy@example.com"),
        ("801A", "001A", "003B", "Di", None),
    ]


def test_order_of_a_deleted_account_has_its_reference_and_no_contacts(build: Build) -> None:
    records = changed("account", isdeleted=True)
    [row] = build("sales_order_accounts", records)
    assert picked(row, "account_id", "account_reference", "account_name") == (None, "001A", None)
    [row] = build("sales_order_contacts", records)
    assert picked(row, "order_id", "account_id", "contact_id") == ("801A", None, None)


def test_who_locked_a_quote_is_a_name_or_nobody(build: Build) -> None:
    [row] = build("sales_order_approvals", changed("quote", vlocity_cmt__lockedby__c="005Z"))
    assert picked(row, "submitted_by", "submitted_by_id") == (None, "005Z")


def test_orders_without_account_have_no_contacts(build: Build) -> None:
    orphan: Given = {"contact": [{"id": "003Z", "accountid": None}], "order": [{"id": "801Z"}]}
    [row] = build("sales_order_contacts", orphan)
    assert picked(row, "order_id", "account_id", "contact_id") == ("801Z", None, None)


def test_user_of_an_order_is_who_created_it(build: Build) -> None:
    [row] = build("sales_order_users", WHOLE)
    assert picked(row, "user_id", "user_name", "user_full_name", "functional_role_id") == (
        "005A",
        "ann@example.com",
        "Ann",
        "00EA",
    )


def test_approval_names_people(build: Build) -> None:
    [row] = build("sales_order_approvals", WHOLE)
    expected = {
        "sales_order_approval_id": "0Q0B",
        "approval_status": "Approved",
        "order_status": "In Progress",
        "approver_id": "005B",
        "order_owner_id": "005B",
        "order_owner_name": "Bob",
        "approval_group_id": "a0GA",
        "quote_owner_id": "005A",
        "approver": "Ann",
        "submitted_by_id": "005B",
        "submitted_by": "Bob",
        "submitted_on": datetime(2026, 3, 1, tzinfo=UTC),
        "last_modified_by": "Bob",
    }
    assert {column: row[column] for column in expected} == expected


def test_order_type_names_people(build: Build) -> None:
    [row] = build("sales_order_types", WHOLE)
    columns = ("sales_order_type", "status", "price_book_id", "created_by", "last_modified_by")
    assert picked(row, *columns) == ("New", "In Progress", "01sA", "Ann", "Bob")
