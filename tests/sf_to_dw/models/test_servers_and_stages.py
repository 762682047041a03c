"""Tables of one source record each: ad slots, programmatic guaranteed, sales stages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

Given = Mapping[str, Sequence[Mapping[str, Any]]]
Build = Callable[[str, Given], list[dict[str, Any]]]

SERVERS: Given = {
    "account_ad_server": [
        {
            "id": "a3A",
            "name": "Acme on GAM",
            "vlocity_cmt__adserverid__c": "a4A",
            "vlocity_cmt__advertiserid__c": "001A",
            "vlocity_cmt__adserveradvertiseridentifier__c": "0555",
        },
        {"id": "a3B", "name": "Nowhere"},
    ],
    "ad_server": [
        {
            "id": "a4A",
            "name": "GAM",
            "swm_is_gam__c": True,
            "vlocity_cmt__adserverapplicationname__c": "News",
        }
    ],
}
STAGES: Given = {
    "opportunity": [
        {
            "id": "006A",
            "stagename": "Proposal",
            "probability": 50,
            "swm_status__c": "Open",
            "isdeleted": False,
            "createdbyid": "005A",
            "createddate": "2026-03-01T00:00:00Z",
            "lastmodifiedbyid": "005B",
        },
        {"id": "006B"},
    ],
    "user": [{"id": "005A", "name": "Ann"}, {"id": "005B", "name": "Bob"}],
}


def changed(records: Given, table: str, **values: Any) -> Given:
    return {**records, table: [{**record, **values} for record in records[table]]}


def by_id(rows: Sequence[Mapping[str, Any]], column: str) -> dict[Any, Mapping[str, Any]]:
    return {row[column]: row for row in rows}


def test_ad_slot_is_an_account_on_an_ad_server(build: Build) -> None:
    rows = by_id(build("ad_slots", SERVERS), "id")
    assert rows["a3A"] == {
        "id": "a3A",
        "ad_slot_id": "a4A",
        "ad_slot_name": "Acme on GAM",
        "account_id": "001A",
        "ad_server_id": "a4A",
        "production_system_id": "0555",
        "production_system_name": "GAM",
        "media_property_name": "News",
        "ad_server_network_identifier": None,
        "is_gam": True,
    }
    assert rows["a3B"]["production_system_name"] is None
    assert len(rows) == 2


def test_programmatic_guaranteed_is_an_account_on_an_ad_server(build: Build) -> None:
    rows = by_id(build("sales_order_programmatic_guaranteed", SERVERS), "id")
    assert rows["a3A"] == {
        "id": "a3A",
        "name": "Acme on GAM",
        "account_id": "001A",
        "production_system_id": "0555",
        "ad_server_id": "a4A",
        "production_system_name": "GAM",
        "deleted": False,
    }
    assert rows["a3B"]["ad_server_id"] is None
    assert len(rows) == 2


@pytest.mark.parametrize("table", ["ad_slots", "sales_order_programmatic_guaranteed"])
def test_deleted_ad_server_leaves_nulls(build: Build, table: str) -> None:
    rows = build(table, changed(SERVERS, "ad_server", isdeleted=True))
    assert [row["production_system_name"] for row in rows] == [None, None]


@pytest.mark.parametrize("table", ["ad_slots", "sales_order_programmatic_guaranteed"])
def test_deleted_account_ad_server_leaves(build: Build, table: str) -> None:
    assert build(table, changed(SERVERS, "account_ad_server", isdeleted=True)) == []


def test_stage_is_that_of_an_opportunity(build: Build) -> None:
    rows = by_id(build("sales_stages", STAGES), "opportunity_id")
    expected = {
        "sales_stage_id": "006A",
        "sales_stage_name": "Proposal",
        "sales_stage_percent": Decimal(50),
        "status": "Open",
        "deleted": False,
        "created_by": "Ann",
        "created_on": datetime(2026, 3, 1, tzinfo=UTC),
        "last_modified_by": "Bob",
    }
    assert {column: rows["006A"][column] for column in expected} == expected
    assert rows["006B"]["created_by"] is None
    assert rows["006B"]["deleted"] is False


def test_deleted_opportunity_leaves(build: Build) -> None:
    assert build("sales_stages", changed(STAGES, "opportunity", isdeleted=True)) == []
