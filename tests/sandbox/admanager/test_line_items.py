"""Line items through the official REST client: their status, delivery, forecasts and reports."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest
from google.ads import admanager_v1 as gam
from google.api_core.exceptions import BadRequest, NotFound
from tests.limits import HANGS
from tests.sandbox.admanager.conftest import NETWORK, Google, Time, line_item, mask

from seil.sandbox.admanager.seed import ORDER_IDS, PLACEMENT_ID

Status = gam.LineItemComputedStatusEnum.LineItemComputedStatus
_READY = f"{NETWORK}/orders/{ORDER_IDS[3]}"


def _act(google: Google, action: str, *names: str) -> None:
    request = {"parent": NETWORK, "names": list(names)}
    getattr(google.line_items, f"batch_{action}_line_items")(request=request)


def _approved(google: Google) -> str:
    order = google.order()
    google.orders.batch_approve_orders(request={"parent": NETWORK, "names": [order.name]})
    return str(order.name)


def _reason(error: pytest.ExceptionInfo[Any]) -> str:
    return str(error.value.details[1]["errorCode"])


def _status(google: Google, name: str) -> Any:
    return google.line_items.get_line_item(name=name).status


def test_line_item_lives_from_draft_to_completed(
    google: Google, clock: Time, http: httpx.Client
) -> None:
    order = google.order()
    item = google.line_item(order.name, clock.now)
    seen = [item.status]
    google.orders.batch_submit_orders_for_approval(parent=NETWORK, names=[order.name])
    seen.append(_status(google, item.name))
    google.orders.batch_approve_orders(request={"parent": NETWORK, "names": [order.name]})
    seen.append(_status(google, item.name))
    number = item.name.rpartition("/")[2]
    http.post(f"/sandbox/lineItems/{number}/creatives").raise_for_status()
    seen.append(_status(google, item.name))
    clock.pass_by(days=3)
    seen.append(_status(google, item.name))
    _act(google, "pause", item.name)
    seen.append(_status(google, item.name))
    _act(google, "release", item.name)
    seen.append(_status(google, item.name))
    _act(google, "resume", item.name)
    seen.append(_status(google, item.name))
    clock.pass_by(days=30)
    seen.append(_status(google, item.name))
    assert seen == [
        Status.DRAFT,
        Status.PENDING_APPROVAL,
        Status.INACTIVE,
        Status.READY,
        Status.DELIVERING,
        Status.PAUSED,
        Status.PAUSED_INVENTORY_RELEASED,
        Status.DELIVERING,
        Status.COMPLETED,
    ]


def test_paused_order_pauses_its_line_items(google: Google) -> None:
    google.orders.batch_pause_orders(request={"parent": NETWORK, "names": [_READY]})
    items = google.line_items.list_line_items(
        request={"parent": NETWORK, "filter": f'order = "{_READY}"'}
    )
    assert {item.status for item in items} == {Status.PAUSED}


def test_extension_days_are_served_after_the_end(
    google: Google, clock: Time, http: httpx.Client
) -> None:
    item = google.line_item(_approved(google), clock.now, auto_extension_days=2)
    http.post(f"/sandbox/lineItems/{item.name.rpartition('/')[2]}/creatives")
    clock.pass_by(days=11, hours=1)
    current = google.line_items.get_line_item(name=item.name)
    assert current.status in (Status.DELIVERY_EXTENDED, Status.COMPLETED)
    assert current.end_time == current.target_end_time + timedelta(days=2)


_REFUSED = [
    ("activate", "LineItemOperationError.HAS_NO_ACTIVE_CREATIVES"),
    ("pause", "LineItemOperationError.NOT_APPLICABLE"),
    ("resume", "LineItemOperationError.NOT_APPLICABLE"),
    ("unarchive", "LineItemOperationError.NOT_APPLICABLE"),
    ("reserve", "LineItemOperationError.NOT_APPLICABLE"),
]


@pytest.mark.parametrize(("action", "reason"), _REFUSED)
def test_action_on_an_inactive_line_item_is_refused(
    google: Google, clock: Time, action: str, reason: str
) -> None:
    item = google.line_item(_approved(google), clock.now)
    with pytest.raises(BadRequest) as error:
        _act(google, action, item.name)
    assert _reason(error) == reason


def test_line_item_without_an_end_has_a_forecast(google: Google, clock: Time) -> None:
    order = google.order().name
    goal = {"goal_type": "DAILY", "unit_type": "IMPRESSIONS", "units": 50}
    kind = {"line_item_type": "SPONSORSHIP", "goal": goal}
    without = {"end_time_unlimited": True, "target_end_time": None}
    item = google.line_item(order, clock.now, **kind, **without)
    assert item.status == Status.DRAFT
    assert google.orders.get_order(name=order).unlimited_end_time
    assert _forecast(google, item.name).matched_units > 0


def test_completed_line_item_cannot_be_resumed(google: Google) -> None:
    with pytest.raises(BadRequest) as error:
        _act(google, "resume", f"{NETWORK}/lineItems/{ORDER_IDS[2] + 1}")
    assert _reason(error) == "LineItemOperationError.HAS_COMPLETED"
    assert "is COMPLETED" in str(error.value)


def test_archived_line_item_comes_back(google: Google, clock: Time) -> None:
    item = google.line_item(_approved(google), clock.now)
    _act(google, "archive", item.name)
    with pytest.raises(BadRequest):
        _update(google, gam.LineItem(name=item.name, notes="x"), "notes")
    _act(google, "unarchive", item.name)
    assert not google.line_items.get_line_item(name=item.name).archived


def test_undelivered_line_item_is_deleted(google: Google, clock: Time) -> None:
    item = google.line_item(google.order().name, clock.now)
    _act(google, "delete", item.name)
    with pytest.raises(NotFound):
        google.line_items.get_line_item(name=item.name)


def test_delivered_line_item_cannot_be_deleted(google: Google) -> None:
    with pytest.raises(BadRequest) as error:
        _act(google, "delete", f"{NETWORK}/lineItems/{ORDER_IDS[0] + 1}")
    assert _reason(error) == "LineItemOperationError.CANNOT_DELETE_DELIVERED_LINE_ITEM"


def _bad_items() -> list[tuple[str, dict[str, Any], str]]:
    placement = {"inventory_targeting": {"targeted_placements": [f"{NETWORK}/placements/1"]}}
    goal = {"goal_type": "DAILY", "unit_type": "IMPRESSIONS", "units": 101}
    return [
        ("no-rate", {"rate": None}, "RequiredError.REQUIRED"),
        ("no-rotation", {"creative_rotation_type": None}, "RequiredError.REQUIRED"),
        ("no-placeholder", {"creative_placeholders": []}, "RequiredError.REQUIRED"),
        ("no-size-type", {"creative_placeholders": [{"size": {"width": 1, "height": 1}}]},
         "RequiredError.REQUIRED"),
        ("no-end", {"target_end_time": None}, "RequiredError.REQUIRED"),
        ("unknown-order", {"order": f"{NETWORK}/orders/1"}, "CommonError.NOT_FOUND"),
        ("unknown-placement", {"targeting": placement}, "CommonError.NOT_FOUND"),
        ("no-inventory", {"targeting": {}},
         "InventoryTargetingError.AT_LEAST_ONE_PLACEMENT_OR_INVENTORY_UNIT_REQUIRED"),
        ("no-goal", {"goal": None}, "RequiredError.REQUIRED"),
        ("sponsored", {"line_item_type": "SPONSORSHIP", "goal": goal},
         "ReservationDetailsError.PERCENTAGE_UNITS_BOUGHT_TOO_HIGH"),
        ("no-end-for-ever", {"end_time_unlimited": True},
         "ReservationDetailsError.UNLIMITED_END_DATE_TIME_NOT_ALLOWED"),
        ("extended", {"auto_extension_days": 8}, "RangeError.TOO_HIGH"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "reason"), [pytest.param(f, r, id=name) for name, f, r in _bad_items()]
)
def test_bad_line_item_is_refused(
    google: Google, clock: Time, fields: dict[str, Any], reason: str
) -> None:
    item = line_item(_READY, clock.now)
    for name, value in fields.items():
        setattr(item, name, value)
    with pytest.raises(BadRequest) as error:
        google.line_items.create_line_item(parent=NETWORK, line_item=item)
    assert _reason(error) == reason


@pytest.mark.parametrize(
    ("start", "end", "reason"),
    [
        (-1, 5, "START_DATE_TIME_IS_IN_PAST"),
        (0, 5, "START_DATE_TIME_IS_IN_PAST"),
        (5, 5, "END_DATE_TIME_NOT_AFTER_START_TIME"),
        (5, 4, "END_DATE_TIME_NOT_AFTER_START_TIME"),
        (5, 4000, "END_DATE_TIME_TOO_LATE"),
    ],
)
def test_dates_have_to_be_in_order_and_ahead(
    google: Google, clock: Time, start: int, end: int, reason: str
) -> None:
    with pytest.raises(BadRequest) as error:
        google.line_item(
            _READY,
            clock.now,
            start_time=clock.now + timedelta(days=start),
            target_end_time=clock.now + timedelta(days=end),
        )
    assert _reason(error) == f"LineItemFlightDateError.{reason}"


def test_batch_makes_all_or_none(google: Google, clock: Time) -> None:
    order = google.order().name
    good, bad = line_item(order, clock.now), line_item(f"{NETWORK}/orders/1", clock.now)
    requests = [{"parent": NETWORK, "line_item": item} for item in (good, bad)]
    with pytest.raises(BadRequest) as error:
        google.line_items.batch_create_line_items(request={"parent": NETWORK, "requests": requests})
    assert error.value.details[1]["fieldPath"] == "requests[1].lineItem.order"
    matches = google.line_items.list_line_items(
        request={"parent": NETWORK, "filter": f'order = "{order}"'}
    )
    assert not list(matches)


def _update(google: Google, item: gam.LineItem, *paths: str) -> Any:
    request = {"line_item": item, "update_mask": mask(*paths)}
    return google.line_items.update_line_item(request=request)


def test_update_honours_nested_paths(google: Google, clock: Time) -> None:
    item = google.line_item(google.order().name, clock.now)
    changed = _update(google, gam.LineItem(name=item.name, goal={"units": 7}), "goal.units")
    assert (changed.goal.units, changed.goal.unit_type) == (7, item.goal.unit_type)
    assert changed.budget.nanos == 87_500_000


def test_order_of_a_line_item_cannot_be_changed(google: Google, clock: Time) -> None:
    item = google.line_item(google.order().name, clock.now)
    with pytest.raises(BadRequest, match="cannot be changed"):
        _update(google, gam.LineItem(name=item.name, order=_READY), "order")


def test_start_of_a_started_line_item_cannot_be_changed(google: Google, clock: Time) -> None:
    name = f"{NETWORK}/lineItems/{ORDER_IDS[0] + 1}"
    moved = gam.LineItem(name=name, start_time=clock.now + timedelta(days=1))
    with pytest.raises(BadRequest) as error:
        _update(google, moved, "start_time")
    assert _reason(error) == "LineItemError.ALREADY_STARTED"


def test_overbooking_is_refused_unless_it_is_wanted(google: Google, clock: Time) -> None:
    goal = {"goal_type": "LIFETIME", "unit_type": "IMPRESSIONS", "units": 10**9}
    item = google.line_item(google.order().name, clock.now, goal=goal)
    with pytest.raises(BadRequest) as error:
        _act(google, "reserve", item.name)
    assert _reason(error) == "ForecastError.NOT_ENOUGH_INVENTORY"
    _act(google, "reserve_and_overbook", item.name)
    current = google.line_items.get_line_item(name=item.name)
    assert current.reservation_status.name == "RESERVED"


def _forecast(google: Google, item: str) -> Any:
    return (
        google.client(gam.ForecastServiceClient)
        .run_availability_forecast(
            request={
                "parent": NETWORK,
                "existing_line_item": item,
                "availability_forecast_options": {},
            }
        )
        .availability_forecast_result
    )


def test_forecast_is_the_same_twice_and_in_order(google: Google, clock: Time) -> None:
    targeting = line_item(_READY, clock.now).targeting
    targeting.inventory_targeting.targeted_placements = [f"{NETWORK}/placements/{PLACEMENT_ID}"]
    item = google.line_item(google.order().name, clock.now, targeting=targeting)
    matches = _forecast(google, item.name)
    assert matches.matched_units >= matches.possible_units >= matches.available_units > 0
    assert matches.reserved_units == item.goal.units
    assert matches == _forecast(google, item.name)


def test_reserved_inventory_is_not_available_to_others(google: Google, clock: Time) -> None:
    first = google.line_item(google.order().name, clock.now)
    before = _forecast(google, first.name).available_units
    second = google.line_item(google.order().name, clock.now)
    _act(google, "reserve", second.name)
    assert _forecast(google, first.name).available_units == before - second.goal.units


def _report(google: Google, **definition: Any) -> Any:
    return google.client(gam.ReportServiceClient).create_report(
        parent=NETWORK,
        report=gam.Report(
            report_definition={
                "dimensions": ["LINE_ITEM_ID", "DATE"],
                "metrics": ["AD_SERVER_IMPRESSIONS", "AD_SERVER_CLICKS"],
                "report_type": "HISTORICAL",
                "date_range": {"relative": "YESTERDAY"},
                **definition,
            }
        ),
    )


def _rows(google: Google, report: Any, page_size: int = 2) -> list[tuple[int, ...]]:
    client = google.client(gam.ReportServiceClient)
    result = client.run_report(name=report.name).result(timeout=HANGS).report_result
    request = gam.FetchReportResultRowsRequest(name=result, page_size=page_size)
    return [
        tuple(
            value.int_value
            for value in (*row.dimension_values, *row.metric_value_groups[0].primary_values)
        )
        for row in client.fetch_report_result_rows(request=request)
    ]


def test_report_says_what_the_stats_grew_by(google: Google, clock: Time) -> None:
    clock.now = clock.now.replace(hour=12)  # the day has ended nowhere
    name = f"{NETWORK}/lineItems/{ORDER_IDS[0] + 1}"
    before = google.line_items.get_line_item(name=name).stats
    clock.pass_by(days=2)
    after = google.line_items.get_line_item(name=name).stats
    days = {
        "start_date": {"year": 2026, "month": 3, "day": 4},
        "end_date": {"year": 2026, "month": 3, "day": 6},
    }
    report = _report(google, date_range={"fixed": days})
    rows = [row for row in _rows(google, report) if row[0] == ORDER_IDS[0] + 1]
    assert [row[1] for row in rows] == [20260304, 20260305, 20260306]
    grown = after.impressions_delivered - before.impressions_delivered
    assert rows[1][2] < grown < sum(row[2] for row in rows)
    assert all(0 <= row[3] < row[2] for row in rows)


def test_whole_report_is_the_whole_of_the_stats(google: Google) -> None:
    items = google.line_items.list_line_items(parent=NETWORK)
    stats = {
        int(item.name.rpartition("/")[2]): (
            item.stats.impressions_delivered,
            item.stats.clicks_delivered,
        )
        for item in items
        if item.stats.impressions_delivered
    }
    fixed = {
        "start_date": {"year": 2025, "month": 12, "day": 1},
        "end_date": {"year": 2026, "month": 3, "day": 4},
    }
    report = _report(google, dimensions=["LINE_ITEM_ID"], date_range={"fixed": fixed})
    assert {row[0]: row[1:] for row in _rows(google, report)} == stats


def test_report_is_filtered(google: Google) -> None:
    order_id = ORDER_IDS[1]
    condition = {
        "field_filter": {
            "field": {"dimension": "ORDER_ID"},
            "operation": "IN",
            "values": [{"int_list_value": {"values": [order_id]}}],
        }
    }
    report = _report(google, dimensions=["ORDER_ID"], filters=[condition])
    assert [row[0] for row in _rows(google, report)] == [order_id]


@pytest.mark.parametrize(
    "definition",
    [
        {"dimensions": ["BROWSER_NAME"]},
        {"metrics": ["ACTIVE_USERS"]},
        {"report_type": "REACH"},
        {"date_range": {"relative": "LAST_YEAR"}},
        {"date_range": {"fixed": {"start_date": {"year": 2026, "month": 3, "day": 4}}}},
        {
            "date_range": {
                "fixed": {
                    "start_date": {"year": 2026, "month": 2, "day": 31},
                    "end_date": {"year": 2026, "month": 3, "day": 4},
                }
            }
        },
        {"filters": [{"field_filter": {"field": {"metric": "AD_SERVER_CLICKS"}}}]},
    ],
    ids=str,
)
def test_report_that_cannot_be_made_is_refused(google: Google, definition: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        _report(google, **definition)


def test_cancelled_run_ends_in_an_error(google: Google) -> None:
    client = google.client(gam.ReportServiceClient)
    operation = client.run_report(name=_report(google).name)
    assert not operation.done()
    client.cancel_operation({"name": operation.operation.name})
    with pytest.raises(Exception, match="cancelled"):
        operation.result(timeout=HANGS)
