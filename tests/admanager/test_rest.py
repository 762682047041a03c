"""Orders, line items, buyers, forecasts and reports against the stand-in."""

from __future__ import annotations

import threading
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tests.admanager.conftest import Wire

from seil.admanager.client import AdManager
from seil.admanager.models import (
    ActOnLineItems,
    ActOnOrder,
    CreateLineItems,
    CreateOrder,
    GetForecast,
    GetLineItems,
    GetOrder,
    UpdateLineItems,
)
from seil.admanager.models.line_items import LineItem
from seil.errors import (
    ConfigurationError,
    ConflictError,
    RequestRejectedError,
    TooSlowError,
    UnexpectedAnswerError,
)
from seil.sandbox.admanager import seed
from seil.sandbox.admanager.faults import AdManagerFault
from seil.sandbox.admanager.server import AdManagerServer
from seil.settings import AdManagerSettings


def at(days: int) -> dict[str, Any]:
    moment = datetime.now(ZoneInfo("Australia/Perth")) + timedelta(days=days)
    return {
        "date": {"year": moment.year, "month": moment.month, "day": moment.day},
        "hour": 9,
        "minute": 30,
        "second": 0,
        "timeZoneId": "Australia/Perth",
    }


def line_item(order: int, **more: Any) -> dict[str, Any]:
    return {
        "orderId": order,
        "name": f"Line {uuid.uuid4()}",
        "startDateTime": at(30),
        "endDateTime": at(60),
        "lineItemType": "STANDARD",
        "costPerUnit": {"currencyCode": "AUD", "microAmount": 12_345_678},
        "costType": "CPM",
        "primaryGoal": {"goalType": "LIFETIME", "unitType": "IMPRESSIONS", "units": 1_000},
        "creativePlaceholders": [{"size": {"width": 300, "height": 250}}],
        "targeting": {
            "inventoryTargeting": {
                "targetedAdUnits": [{"adUnitId": seed.ROOT_AD_UNIT_ID, "includeDescendants": True}]
            }
        },
        **more,
    }


def new_order(gam: AdManager, **more: Any) -> int:
    values = {
        "name": f"Order {uuid.uuid4()}",
        "advertiserId": seed.ADVERTISER_ID,
        "traffickerId": seed.TRAFFICKER_ID,
        **more,
    }
    return gam.create_order(CreateOrder.model_validate({"orders": [values]})).id


def new_line_items(gam: AdManager, order: int, count: int = 1) -> list[int]:
    values = {"lineItems": [line_item(order) for _ in range(count)]}
    created = gam.create_line_items(CreateLineItems.model_validate(values))
    return [item.id for item in created.line_items]


def one(gam: AdManager, identity: int) -> LineItem:
    return gam.get_line_items(GetLineItems(line_item_id=identity)).line_items[0]


def update(gam: AdManager, *changes: dict[str, Any]) -> int:
    request = UpdateLineItems.model_validate({"lineItems": list(changes)})
    return gam.update_line_items(request).num_updated


def act(gam: AdManager, action: str, *ids: int) -> int:
    request = ActOnLineItems.model_validate({"ids": list(ids), "action": action})
    return gam.act_on_line_items(request).num_changes


def test_order_is_created_and_read(gam: AdManager) -> None:
    name = 'Größe "A" \\ \U0001f680'
    order = new_order(gam, name=f"{name} {uuid.uuid4()}", poNumber="PO-1", notes="x")
    read = gam.get_order(GetOrder(order_id=order))
    assert read.name.startswith(name)
    assert (read.status, read.po_number, read.notes) == ("DRAFT", "PO-1", "x")
    assert (read.advertiser_id, read.trafficker_id) == (seed.ADVERTISER_ID, seed.TRAFFICKER_ID)


def test_order_is_refused_with_ad_managers_reasons(gam: AdManager) -> None:
    with pytest.raises(
        RequestRejectedError, match=r"order\.advertiser: .* was not found"
    ) as caught:
        new_order(gam, advertiserId=1)
    assert caught.value.status == 400


@pytest.mark.parametrize("identity", [1, 10**19 - 1])
def test_missing_order_is_named(gam: AdManager, identity: int) -> None:
    with pytest.raises(RequestRejectedError) as caught:
        gam.get_order(GetOrder(order_id=identity))
    assert caught.value.status == 404


def test_action_counts_what_it_changed(gam: AdManager) -> None:
    order = new_order(gam)
    archive = ActOnOrder.model_validate({"orderId": order, "action": "archive"})
    assert gam.act_on_order(archive).num_changes == 1
    assert gam.get_order(GetOrder(order_id=order)).is_archived


def test_paused_order_counts_where_a_line_item_of_it_changed(gam: AdManager) -> None:
    order = new_order(gam)
    new_line_items(gam, order, 2)
    counts = []
    for action in ("approve", "pause", "pause", "resume", "resume"):
        request = ActOnOrder.model_validate({"orderId": order, "action": action})
        counts.append(gam.act_on_order(request).num_changes)
    assert counts == [1, 1, 0, 1, 0]
    assert gam.get_order(GetOrder(order_id=order)).status == "APPROVED"


def test_action_on_a_missing_order_names_it(gam: AdManager) -> None:
    with pytest.raises(RequestRejectedError, match="there is no order 5") as caught:
        gam.act_on_order(ActOnOrder.model_validate({"orderId": 5, "action": "approve"}))
    assert caught.value.status == 404


def test_line_items_are_created_and_read(gam: AdManager) -> None:
    order = new_order(gam)
    values = {"lineItems": [line_item(order, name="First"), line_item(order, name="Second")]}
    created = gam.create_line_items(CreateLineItems.model_validate(values)).line_items
    assert [(item.name, item.order_id) for item in created] == [("First", order), ("Second", order)]
    items = gam.get_line_items(GetLineItems(order_id=order)).line_items
    assert {item.id for item in items} == {item.id for item in created}
    first = one(gam, created[0].id)
    assert first.cost_per_unit is not None
    assert first.cost_per_unit.micro_amount == 12_345_678
    assert first.start_date_time is not None
    assert first.start_date_time.time_zone_id == "Australia/Sydney"


def test_order_without_line_items_has_none(gam: AdManager) -> None:
    assert gam.get_line_items(GetLineItems(order_id=new_order(gam))).line_items == []


@pytest.mark.parametrize("query", [{"orderId": 5}, {"lineItemId": 5}])
def test_line_items_of_an_unknown_order_or_id_are_404(
    gam: AdManager, query: dict[str, int]
) -> None:
    with pytest.raises(RequestRejectedError) as caught:
        gam.get_line_items(GetLineItems.model_validate(query))
    assert caught.value.status == 404


def test_only_what_is_given_is_updated(gam: AdManager) -> None:
    order = new_order(gam)
    (identity,) = new_line_items(gam, order)
    before = one(gam, identity)
    assert update(gam, {"id": identity, "orderId": order, "notes": "new", "priority": 6}) == 1
    after = one(gam, identity)
    assert (after.notes, after.priority) == ("new", 6)
    changed = {"notes", "priority", "last_modified_date_time", "last_modified_by_app"}
    assert before.model_dump(exclude=changed) == after.model_dump(exclude=changed)


def test_archived_line_items_are_left_alone(gam: AdManager) -> None:
    order = new_order(gam)
    active, archived = new_line_items(gam, order, 2)
    assert act(gam, "archive", archived) == 1
    changes = [{"id": identity, "orderId": order, "notes": "x"} for identity in (active, archived)]
    assert update(gam, *changes) == 1
    assert update(gam, changes[1]) == 0
    assert (one(gam, active).notes, one(gam, archived).notes) == ("x", None)


def test_update_is_repeated_after_a_concurrent_change(
    gam: AdManager, stand_in: AdManagerServer
) -> None:
    order = new_order(gam)
    (identity,) = new_line_items(gam, order)
    stand_in.faults.add(
        AdManagerFault(path="batchUpdate", error="concurrent-modification", times=2)
    )
    assert update(gam, {"id": identity, "orderId": order, "notes": "x"}) == 1


def test_update_gives_up_after_three_tries(gam: AdManager, stand_in: AdManagerServer) -> None:
    order = new_order(gam)
    (identity,) = new_line_items(gam, order)
    stand_in.faults.add(AdManagerFault(path="batchUpdate", error="concurrent-modification"))
    with pytest.raises(ConflictError, match="somebody else changed it"):
        update(gam, {"id": identity, "orderId": order, "notes": "x"})
    assert stand_in.faults.entries()[0]["struck"] == 3


@pytest.mark.parametrize(
    ("changes", "status", "reason"),
    [
        ({"id": 5, "orderId": 1, "notes": "x"}, 404, "there is no line item 5"),
        (
            {"orderId": 1, "notes": "x"},
            400,
            r"lineItems\[0\]\.orderId: line item \d+ is in another",
        ),
        ({}, 400, "no change is given"),
        ({"startDateTimeType": "USE_START_DATE_TIME"}, 400, "no change is given"),
        (
            {"targeting": {"dayPartTargeting": {"timeZone": "PUBLISHER"}}},
            400,
            r"lineItems\[0\]\.targeting\.dayPartTargeting",
        ),
    ],
)
def test_update_that_cannot_be_is_refused(
    gam: AdManager, changes: dict[str, Any], status: int, reason: str
) -> None:
    order = new_order(gam)
    (identity,) = new_line_items(gam, order)
    with pytest.raises(RequestRejectedError, match=reason) as caught:
        update(gam, {"id": identity, "orderId": order, **changes})
    assert caught.value.status == status


def test_action_skips_line_items_that_are_not_there(gam: AdManager) -> None:
    identities = new_line_items(gam, new_order(gam), 2)
    assert act(gam, "archive", *identities, 5, identities[0]) == 2
    with pytest.raises(RequestRejectedError, match="there is no line item 5, 6"):
        act(gam, "archive", 5, 6)


def test_deleted_line_item_counts_as_changed(gam: AdManager) -> None:
    (identity,) = new_line_items(gam, new_order(gam))
    assert act(gam, "delete", identity) == 1


def test_buyer_is_found_by_account_or_by_partner_client(gam: AdManager) -> None:
    assert gam._buyers.account(seed.BUYER_ACCOUNT_ID) == seed.BUYER_ACCOUNT_ID
    assert gam._buyers.account(int(seed.PARTNER_CLIENT_ID)) == seed.BUYER_ACCOUNT_ID


@pytest.mark.parametrize(
    ("identity", "code"),
    [(1, "found none"), (int(seed.SHARED_PARTNER_CLIENT_ID), "found account .*; account ")],
)
def test_buyer_that_is_not_one_is_refused(gam: AdManager, identity: int, code: str) -> None:
    with pytest.raises(RequestRejectedError, match=code) as caught:
        gam._buyers.account(identity)
    assert caught.value.status == 400


def buyer(account: int) -> dict[str, Any]:
    name = f"networks/1234567/programmaticBuyers/{account}"
    return {"name": name, "buyerAccountId": str(account), "displayName": "B"}


def test_buyers_are_kept_and_looked_up_anew_once(wire: Wire, wired: AdManager) -> None:
    wire.reply({"programmaticBuyers": [buyer(1)], "nextPageToken": "more"})
    wire.reply({"programmaticBuyers": [buyer(2)]})
    wire.reply({"programmaticBuyers": [buyer(1), buyer(3)]})
    for account in (1, 2, 1):
        assert wired._buyers.account(account) == account
    assert len(wire.requests) == 2
    assert wired._buyers.account(3) == 3
    assert len(wire.requests) == 3


def test_forecast_of_a_line_item_of_another_order_is_refused(gam: AdManager) -> None:
    order, other = new_order(gam), new_order(gam)
    (identity,) = new_line_items(gam, order)

    def forecast_of(of: int) -> GetForecast:
        item = {"id": identity, "orderId": of}
        return GetForecast.model_validate({"lineItems": [{"lineItem": item}]})

    assert gam.forecast(forecast_of(order)).order_id == order
    with pytest.raises(RequestRejectedError, match="is in another order") as caught:
        gam.forecast(forecast_of(other))
    assert caught.value.status == 400


def test_forecast_of_a_line_item_that_exists(gam: AdManager) -> None:
    order = new_order(gam)
    (identity,) = new_line_items(gam, order)
    request = GetForecast.model_validate({"lineItems": [{"lineItem": {"id": identity}}]})
    forecast = gam.forecast(request)
    assert (forecast.line_item_id, forecast.order_id) == (identity, order)
    assert (forecast.unit_type, forecast.matched_units > 0) == ("IMPRESSIONS", True)


def test_report_gives_rows_of_both_days(gam: AdManager) -> None:
    today = datetime.now(UTC).date()
    days = (today - timedelta(days=1), today)
    forecast_of = (["LINE_ITEM_ID", "DATE"], ["AD_SERVER_IMPRESSIONS", "AD_SERVER_CLICKS"])
    rows = list(gam.report(*forecast_of, days))
    assert rows
    assert {row.dimensions["DATE"] for row in rows} <= {int(f"{day:%Y%m%d}") for day in days}
    for row in rows:
        assert set(row.metrics) == {"AD_SERVER_IMPRESSIONS", "AD_SERVER_CLICKS"}
        assert all(isinstance(value, int) for value in row.metrics.values())


REPORT = {"name": "networks/1234567/reports/1"}
RUNNING = {"name": "networks/1234567/operations/reports/runs/1"}


def report_rows(client: AdManager) -> list[Any]:
    day = datetime.now(UTC).date()
    return list(client.report(["DATE"], ["AD_SERVER_CLICKS"], (day, day), seconds=0.6))


class StoredName:
    def __init__(self, name: str) -> None:
        self.name = name

    def get(self) -> str:
        return self.name

    def set(self, value: str) -> None:
        self.name = value


@pytest.mark.parametrize(
    ("stored", "refusal"),
    [
        ("networks/1234567/reports/9", (404, "NOT_FOUND")),
        ("networks/1234567/reports/9", (403, "PERMISSION_DENIED")),
        ("networks/7/reports/9", None),
    ],
    ids=["archived", "of another user", "of another network"],
)
def test_a_report_that_cannot_be_changed_is_replaced(
    wire: Wire, wired: AdManager, stored: str, refusal: tuple[int, str] | None
) -> None:
    if refusal:
        status, code = refusal
        wire.reply({"error": {"code": status, "status": code, "message": "no"}}, status)
    for answer in (REPORT, {**RUNNING, "done": True, "response": RESULT}, {"rows": [row("1")]}):
        wire.reply(answer)
    name_store = StoredName(stored)
    day = datetime.now(UTC).date()
    rows = wired.report(["DATE"], ["AD_SERVER_CLICKS"], (day, day), name_store=name_store)
    assert len(list(rows)) == 1
    assert name_store.name == REPORT["name"]


def test_report_that_is_not_ready_in_time_is_too_slow(wire: Wire, wired: AdManager) -> None:
    wire.reply(REPORT)
    wire.reply(RUNNING)
    with pytest.raises(TooSlowError):
        report_rows(wired)


def test_report_that_fails_is_refused(wire: Wire, wired: AdManager) -> None:
    wire.reply(REPORT)
    wire.reply({**RUNNING, "done": True, "error": {"code": 3, "message": "too large"}})
    with pytest.raises(RequestRejectedError, match="the report failed: too large"):
        report_rows(wired)


RESULT = {
    "@type": "type.googleapis.com/google.ads.admanager.v1.RunReportResponse",
    "reportResult": "networks/1234567/reports/1/results/1",
}


def row(*values: str) -> dict[str, Any]:
    return {
        "dimensionValues": [{"intValue": "20261123"}],
        "metricValueGroups": [{"primaryValues": [{"intValue": value} for value in values]}],
    }


def test_report_is_read_page_by_page(wire: Wire, wired: AdManager) -> None:
    wire.reply(REPORT)
    wire.reply(RUNNING)
    wire.reply({**RUNNING, "done": True, "response": RESULT})
    wire.reply({"rows": [row("1")], "nextPageToken": "more"})
    wire.reply({"rows": [row("2")]})
    clicks = [entry.metrics["AD_SERVER_CLICKS"] for entry in report_rows(wired)]
    assert clicks == [1, 2]
    assert "pageToken=more" in wire.requests[-1][1]


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ([{**RUNNING, "done": True}], "has no result"),
        (
            [{**RUNNING, "done": True, "response": RESULT}, {"rows": [row("1", "2")]}],
            "the requested columns",
        ),
        (
            [
                {**RUNNING, "done": True, "response": RESULT},
                {"rows": [{**row("1"), "dimensionValues": [{}]}]},
            ],
            "value is empty",
        ),
    ],
    ids=["no result", "columns", "empty"],
)
def test_report_of_another_shape_is_unexpected(
    wire: Wire, wired: AdManager, answers: list[Any], reason: str
) -> None:
    wire.reply(REPORT)
    for answer in answers:
        wire.reply(answer)
    with pytest.raises(UnexpectedAnswerError, match=reason):
        report_rows(wired)


def test_filter_is_made_of_quoted_values() -> None:
    from seil.admanager.rest.names import equals

    assert equals("order", 'a" OR 1 = 1', "b\\") == ('order = "a\\" OR 1 = 1" OR order = "b\\\\"')
    assert equals("archived", True) == "archived = true"
    assert equals("orderId", 7) == "orderId = 7"
    for field, values in (("a = 1 OR b", (1,)), ("order", ())):
        with pytest.raises(ValueError, match="not a filter"):
            equals(field, *values)


@pytest.mark.parametrize("identity", [True, "7", None])
def test_resource_name_takes_ids_only(identity: Any) -> None:
    from seil.admanager.rest.names import Names

    with pytest.raises(TypeError, match="is not an id"):
        Names("networks/1").of("orders", identity)


def test_first_calls_of_many_threads_share_the_clients(settings: AdManagerSettings) -> None:
    gam = AdManager(settings)
    results: list[int] = []

    def ask() -> None:
        results.append(new_order(gam))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(results)) == 8


def test_zone_that_is_none_is_a_configuration_error(settings: AdManagerSettings) -> None:
    gam = AdManager(settings.model_copy(update={"time_zone": "Mars/Olympus"}))
    with pytest.raises(ConfigurationError, match=r"admanager\.time_zone"):
        gam.get_order(GetOrder(order_id=1))
