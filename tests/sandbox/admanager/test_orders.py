"""Orders through the official REST client: made, listed, changed, acted on, refused."""

from __future__ import annotations

from typing import Any

import pytest
from google.ads import admanager_v1 as gam
from google.api_core.exceptions import BadRequest, Forbidden, MethodNotImplemented, NotFound
from tests.sandbox.admanager.conftest import NETWORK, Google, Time, mask

from seil.sandbox.admanager.life_cycle import ORDER_ACTIONS
from seil.sandbox.admanager.seed import ADVERTISER_ID, AGENCY_ID, ORDER_IDS

Status = gam.OrderStatusEnum.OrderStatus
_DELIVERING, _COMPLETED = f"{NETWORK}/orders/{ORDER_IDS[0]}", f"{NETWORK}/orders/{ORDER_IDS[2]}"


def _act(google: Google, action: str, *names: str, parent: str = NETWORK, **more: Any) -> None:
    """`action` in the client's own words: approve_orders."""
    request = {"parent": parent, "names": list(names), **more}
    getattr(google.orders, f"batch_{action}")(request=request)


def _reason(error: pytest.ExceptionInfo[Any]) -> str:
    return str(error.value.details[1]["errorCode"])


def test_order_is_created_and_listed(google: Google) -> None:
    new = google.order("Winter campaign", po_number="PO-1", external_order_id=7)
    assert new.status == Status.DRAFT
    assert (new.po_number, new.external_order_id, new.currency_code) == ("PO-1", 7, "AUD")
    orders = google.orders.list_orders(
        request=gam.ListOrdersRequest(parent=NETWORK, filter='displayName = "Winter campaign"')
    )
    assert [order.name for order in orders] == [new.name]


_PATHS = [
    (["submit_orders_for_approval"], Status.PENDING_APPROVAL),
    (["submit_orders_for_approval", "approve_orders"], Status.APPROVED),
    (["approve_orders_without_reservation"], Status.APPROVED),
    (["submit_orders_for_approval_and_overbook", "disapprove_orders"], Status.DISAPPROVED),
    (["submit_orders_for_approval", "retract_orders"], Status.DRAFT),
    (["approve_orders", "pause_orders"], Status.APPROVED),
    (["approve_and_overbook_orders", "pause_orders", "resume_orders"], Status.APPROVED),
    (["approve_orders", "archive_orders", "unarchive_orders"], Status.APPROVED),
    (["delete_orders"], Status.DELETED),
]


@pytest.mark.parametrize(("actions", "status"), _PATHS, ids=str)
def test_order_follows_its_actions(google: Google, actions: list[str], status: Status) -> None:
    order = google.order()
    for action in actions:
        _act(google, action, order.name)
    assert google.orders.get_order(name=order.name).status == status


_REFUSED = [
    ([], "pause_orders", "OrderActionError.NOT_APPLICABLE"),
    ([], "retract_orders", "OrderActionError.NOT_APPLICABLE"),
    ([], "disapprove_orders", "OrderActionError.NOT_APPLICABLE"),
    ([], "unarchive_orders", "OrderActionError.NOT_APPLICABLE"),
    (["approve_orders"], "approve_orders", "OrderActionError.NOT_APPLICABLE"),
    (["submit_orders_for_approval"], "archive_orders", "OrderActionError.NOT_APPLICABLE"),
    (["archive_orders"], "approve_orders", "OrderActionError.IS_ARCHIVED"),
    (["delete_orders"], "approve_orders", "OrderActionError.NOT_APPLICABLE"),
]


@pytest.mark.parametrize(("before", "action", "reason"), _REFUSED)
def test_action_out_of_order_is_refused(
    google: Google, before: list[str], action: str, reason: str
) -> None:
    order = google.order()
    for step in before:
        _act(google, step, order.name)
    with pytest.raises(BadRequest) as error:
        _act(google, action, order.name)
    assert _reason(error) == reason


_DRAFTS_ACTIONS = {
    *("submit_orders_for_approval", "submit_orders_for_approval_and_overbook"),
    "submit_orders_for_approval_without_reservation_changes",
}
_APPROVALS = {
    *("approve_orders", "approve_and_overbook_orders", "approve_orders_without_reservation"),
}
_RETRACTIONS = {"retract_orders", "retract_orders_without_reservation_changes"}
_DISAPPROVALS = {"disapprove_orders", "disapprove_orders_without_reservation_changes"}
_RESUMPTIONS = {"resume_orders", "resume_and_overbook_orders"}
_EVERY_ACTION = {
    *(_DRAFTS_ACTIONS | _APPROVALS | _RETRACTIONS | _DISAPPROVALS | _RESUMPTIONS),
    *("pause_orders", "archive_orders", "unarchive_orders", "delete_orders"),
}
# https://developers.google.com/ad-manager/api/reference/v202608/OrderService.OrderStatus
_ALLOWED: dict[str, tuple[list[str], set[str]]] = {
    "draft": ([], {*_DRAFTS_ACTIONS, *_APPROVALS, "archive_orders", "delete_orders"}),
    "pending": (
        ["submit_orders_for_approval"],
        {*_APPROVALS, *_DISAPPROVALS, *_RETRACTIONS, "delete_orders"},
    ),
    "disapproved": (
        ["submit_orders_for_approval", "disapprove_orders"],
        {*_DRAFTS_ACTIONS, *_APPROVALS, *_RETRACTIONS, "archive_orders", "delete_orders"},
    ),
    "approved": (
        ["approve_orders"],
        {"pause_orders", *_RESUMPTIONS, "archive_orders", "delete_orders"},
    ),
    "archived": (["archive_orders"], {"unarchive_orders"}),
    "deleted": (["delete_orders"], set()),
}


@pytest.mark.parametrize("status", _ALLOWED)
def test_every_action_from_every_status(google: Google, status: str) -> None:
    before, allowed = _ALLOWED[status]
    done, reasons = set(), []
    for action in _EVERY_ACTION:
        order = google.order()
        for step in before:
            _act(google, step, order.name)
        try:
            _act(google, action, order.name)
        except BadRequest as error:
            reasons.append(error.details[1]["errorCode"])
        else:
            done.add(action)
    assert done == allowed
    assert {reason.partition(".")[0] for reason in reasons} == {"OrderActionError"}


def test_archived_line_item_stays_when_its_order_changes(google: Google, clock: Time) -> None:
    order = google.order()
    item, other = google.line_item(order.name, clock.now), google.line_item(order.name, clock.now)
    google.line_items.batch_archive_line_items(parent=NETWORK, names=[item.name])
    for action in ("approve_orders", "pause_orders", "resume_orders"):
        _act(google, action, order.name)
    states = {
        item.name: (item.archived, item.reservation_status.name)
        for item in google.line_items.list_line_items(
            request={"parent": NETWORK, "filter": f'order = "{order.name}"'}
        )
    }
    assert states == {item.name: (True, "UNRESERVED"), other.name: (False, "RESERVED")}


def test_deleted_order_cannot_be_changed(google: Google) -> None:
    order = google.order()
    _act(google, "delete_orders", order.name)
    change = gam.UpdateOrderRequest(
        order=gam.Order(name=order.name, notes="x"), update_mask=mask("notes")
    )
    with pytest.raises(BadRequest) as error:
        google.orders.batch_update_orders(request={"parent": NETWORK, "requests": [change]})
    assert _reason(error) == "OrderError.UPDATE_CANCELED_ORDER_NOT_ALLOWED"


def test_every_action_of_the_table_is_one_of_the_clients() -> None:
    messages = {name.removesuffix("Request") for name in dir(gam) if name.endswith("OrdersRequest")}
    assert set(ORDER_ACTIONS) <= messages | {
        name.removesuffix("Request") for name in dir(gam) if name.startswith("Batch")
    }


def test_batch_action_changes_all_or_none(google: Google) -> None:
    good = google.order()
    with pytest.raises(BadRequest):
        _act(google, "approve_orders", good.name, f"{NETWORK}/orders/{ORDER_IDS[0]}")
    assert google.orders.get_order(name=good.name).status == Status.DRAFT


def test_delivered_order_cannot_be_deleted(google: Google) -> None:
    with pytest.raises(BadRequest) as error:
        _act(google, "delete_orders", _DELIVERING)
    assert _reason(error) == "OrderActionError.CANNOT_DELETE_ORDER_WITH_DELIVERED_LINEITEMS"


def test_ended_order_cannot_be_paused(google: Google) -> None:
    with pytest.raises(BadRequest) as error:
        _act(google, "pause_orders", _COMPLETED)
    assert _reason(error) == "OrderActionError.HAS_ENDED"


_BAD_ORDERS: list[tuple[dict[str, Any], str, str]] = [
    ({"display_name": None}, "RequiredError.REQUIRED", "requests[0].order.displayName"),
    ({"display_name": "  "}, "RequiredError.REQUIRED", "requests[0].order.displayName"),
    ({"display_name": "x" * 256}, "StringLengthError.TOO_LONG", "requests[0].order.displayName"),
    ({"advertiser": None}, "RequiredError.REQUIRED", "requests[0].order.advertiser"),
    (
        {"advertiser": f"{NETWORK}/companies/1"},
        "CommonError.NOT_FOUND",
        "requests[0].order.advertiser",
    ),
    (
        {"advertiser": f"{NETWORK}/companies/{AGENCY_ID}"},
        "CompanyError.INVALID_COMPANY_TYPE",
        "requests[0].order.advertiser",
    ),
    (
        {"advertiser": f"networks/9/companies/{ADVERTISER_ID}"},
        "RequestError.INVALID_INPUT",
        "requests[0].order.advertiser",
    ),
    (
        {"advertiser": f"{NETWORK}/companies/1 OR 1"},
        "RequestError.INVALID_INPUT",
        "requests[0].order.advertiser",
    ),
    ({"trafficker": f"{NETWORK}/users/1"}, "CommonError.NOT_FOUND", "requests[0].order.trafficker"),
    (
        {"secondary_traffickers": [f"{NETWORK}/users/1"]},
        "CommonError.NOT_FOUND",
        "requests[0].order.secondaryTraffickers",
    ),
    (
        {"agency": f"{NETWORK}/companies/{ADVERTISER_ID}"},
        "CompanyError.INVALID_COMPANY_TYPE",
        "requests[0].order.agency",
    ),
]


@pytest.mark.parametrize(("fields", "reason", "place"), _BAD_ORDERS)
def test_bad_order_is_refused(
    google: Google, fields: dict[str, Any], reason: str, place: str
) -> None:
    order = {
        "display_name": "An order",
        "advertiser": f"{NETWORK}/companies/{ADVERTISER_ID}",
        "trafficker": f"{NETWORK}/users/240000001",
    }
    sent = {name: value for name, value in {**order, **fields}.items() if value is not None}
    request = {"parent": NETWORK, "requests": [{"parent": NETWORK, "order": sent}]}
    with pytest.raises(BadRequest) as error:
        google.orders.batch_create_orders(request=request)
    assert _reason(error) == reason
    assert error.value.details[1]["fieldPath"] == place


def test_output_only_fields_of_a_new_order_are_ignored(google: Google) -> None:
    order = google.order(status=Status.APPROVED, archived=True, order_id=5)
    assert (order.status, order.archived) == (Status.DRAFT, False)
    assert order.name.endswith(str(order.order_id))


def _update(google: Google, order: gam.Order, *paths: str) -> Any:
    request = {"order": order, "update_mask": mask(*paths)} if paths else {"order": order}
    done = google.orders.batch_update_orders(request={"parent": NETWORK, "requests": [request]})
    return done.orders[0]


def test_update_changes_what_the_mask_names(google: Google) -> None:
    order = google.order(po_number="PO-1", notes="old")
    changed = _update(google, gam.Order(name=order.name, notes="new", po_number="PO-2"), "notes")
    assert (changed.notes, changed.po_number) == ("new", "PO-1")
    cleared = _update(google, gam.Order(name=order.name), "notes")
    assert not cleared.notes


def test_update_without_a_mask_changes_what_is_given(google: Google) -> None:
    order = google.order("An order", po_number="PO-1")
    changed = _update(google, gam.Order(name=order.name, notes="new"))
    assert (changed.notes, changed.po_number, changed.display_name) == ("new", "PO-1", "An order")


@pytest.mark.parametrize("path", ["status", "name", "archived", "nothing"])
def test_update_of_what_cannot_be_set_is_refused(google: Google, path: str) -> None:
    order = google.order()
    with pytest.raises(BadRequest, match=f"update_mask names {path}"):
        _update(google, gam.Order(name=order.name), path)


def test_required_field_cannot_be_cleared(google: Google) -> None:
    order = google.order()
    with pytest.raises(BadRequest) as error:
        _update(google, gam.Order(name=order.name), "display_name")
    assert _reason(error) == "RequiredError.REQUIRED"


@pytest.mark.parametrize(
    ("action", "reason"),
    [
        ("archive_orders", "OrderError.UPDATE_ARCHIVED_ORDER_NOT_ALLOWED"),
        ("submit_orders_for_approval", "OrderError.UPDATE_PENDING_APPROVAL_ORDER_NOT_ALLOWED"),
    ],
)
def test_update_in_a_state_that_forbids_it_is_refused(
    google: Google, action: str, reason: str
) -> None:
    order = google.order()
    _act(google, action, order.name)
    with pytest.raises(BadRequest) as error:
        _update(google, gam.Order(name=order.name, notes="new"), "notes")
    assert _reason(error) == reason


def test_unknown_order_is_not_found(google: Google) -> None:
    with pytest.raises(NotFound) as error:
        google.orders.get_order(name=f"{NETWORK}/orders/1")
    assert _reason(error) == "CommonError.NOT_FOUND"


def test_other_network_is_denied(google: Google) -> None:
    with pytest.raises(Forbidden):
        google.orders.get_order(name="networks/99/orders/1")


def test_method_that_is_not_carried_out_says_so(google: Google) -> None:
    with pytest.raises(MethodNotImplemented):
        google.client(gam.CompanyServiceClient).create_company(
            parent=NETWORK, company=gam.Company(display_name="x", type_="ADVERTISER")
        )


def test_pages_follow_each_other(google: Google) -> None:
    request = gam.ListOrdersRequest(parent=NETWORK, page_size=3, order_by="displayName desc")
    names = [order.display_name for order in google.orders.list_orders(request=request)]
    assert names == sorted(names, reverse=True)
    assert len(names) == len(ORDER_IDS)
    skipping = gam.ListOrdersRequest(parent=NETWORK, skip=5)
    assert len(list(google.orders.list_orders(request=skipping))) == len(ORDER_IDS) - 5


def test_total_is_counted_on_request(google: Google) -> None:
    request = gam.ListOrdersRequest(parent=NETWORK, page_size=1, filter="status = APPROVED")
    without = google.orders.list_orders(request=request)
    assert without.total_size == 0
    mask = [("x-goog-fieldmask", "orders.name,totalSize")]
    page = google.orders.list_orders(request=request, metadata=mask)
    assert page.total_size == 5
    assert page.orders[0].name
    assert not page.orders[0].display_name


@pytest.mark.parametrize(
    "fields",
    [
        {"page_token": "nonsense"},
        {"page_size": -1},
        {"order_by": "notes sideways"},
        {"order_by": "notes"},
        {"filter": "displayName ="},
        {"filter": 'notes = "x"'},
        {"filter": "status = OPEN"},
        {"filter": "archived = maybe"},
        {"filter": "orderId > many"},
    ],
    ids=str,
)
def test_list_that_cannot_be_understood_is_refused(google: Google, fields: dict[str, Any]) -> None:
    with pytest.raises(BadRequest):
        list(google.orders.list_orders(request={"parent": NETWORK, **fields}))


def test_page_token_of_another_list_is_refused(google: Google) -> None:
    first = google.orders.list_orders(request={"parent": NETWORK, "page_size": 1})
    request = {"parent": NETWORK, "page_token": first.next_page_token, "filter": "orderId > 1"}
    with pytest.raises(BadRequest, match="another request"):
        google.orders.list_orders(request=request)


@pytest.mark.parametrize("size", [0, 101])
def test_batch_of_a_wrong_size_is_refused(google: Google, size: int) -> None:
    request = {"parent": NETWORK, "names": [f"{NETWORK}/orders/{n}" for n in range(size)]}
    with pytest.raises(BadRequest):
        google.orders.batch_approve_orders(request=request)


def test_catalog_is_there(google: Google) -> None:
    network = google.client(gam.NetworkServiceClient).get_network(name=NETWORK)
    assert (network.network_code, network.currency_code) == ("1234567", "AUD")
    buyers = google.client(gam.ProgrammaticBuyerServiceClient).list_programmatic_buyers(
        request={"parent": NETWORK, "filter": 'partnerClientId = "88100009"'}
    )
    assert len(list(buyers)) == 2
    companies = google.client(gam.CompanyServiceClient).list_companies(parent=NETWORK)
    assert sum(1 for _ in companies) == 11
    for kind, method in (
        (gam.UserServiceClient, "list_users"),
        (gam.AdUnitServiceClient, "list_ad_units"),
        (gam.PlacementServiceClient, "list_placements"),
    ):
        assert list(getattr(google.client(kind), method)(parent=NETWORK))
