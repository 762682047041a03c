"""Orders over REST."""

from __future__ import annotations

from typing import Any

from seil.admanager.calls import SERVICE, after_write, before_write
from seil.admanager.models import (
    ActOnOrder,
    CreatedOrder,
    CreateOrder,
    GetOrder,
    NumChanges,
    Order,
)
from seil.admanager.rest.codecs import (
    AS_IS,
    CUSTOM_FIELDS,
    LABELS,
    LONG,
    TIME,
    MappedField,
    Network,
    decode_fields,
    encode_fields,
    enum,
    ref,
    refs,
)
from seil.admanager.rest.messages import as_json, message, parse_answer
from seil.admanager.rest.names import equals
from seil.admanager.rest.transport import Rest
from seil.errors import RequestRejectedError, UnexpectedAnswerError

_WRITABLE = (
    MappedField("name", "displayName", AS_IS),
    MappedField("advertiserId", "advertiser", ref("companies")),
    MappedField("traffickerId", "trafficker", ref("users")),
    MappedField("agencyId", "agency", ref("companies")),
    MappedField("advertiserContactIds", "advertiserContacts", refs("contacts")),
    MappedField("agencyContactIds", "agencyContacts", refs("contacts")),
    MappedField("salespersonId", "salesperson", ref("users")),
    MappedField("secondarySalespersonIds", "secondarySalespeople", refs("users")),
    MappedField("secondaryTraffickerIds", "secondaryTraffickers", refs("users")),
    MappedField("appliedTeamIds", "appliedTeams", refs("teams")),
    MappedField("appliedLabels", "appliedLabels", LABELS),
    MappedField("customFieldValues", "customFieldValues", CUSTOM_FIELDS),
    MappedField("externalOrderId", "externalOrderId", AS_IS),
    MappedField("poNumber", "poNumber", AS_IS),
    MappedField("notes", "notes", AS_IS),
    MappedField("isProgrammatic", "programmatic", AS_IS),
)
_RESPONSE_FIELDS = (
    *_WRITABLE,
    MappedField("id", "name", ref("orders")),
    MappedField("status", "status", enum()),
    MappedField("currencyCode", "currencyCode", AS_IS),
    MappedField("creatorId", "creator", ref("users")),
    MappedField("startDateTime", "startTime", TIME),
    MappedField("endDateTime", "endTime", TIME),
    MappedField("unlimitedEndDateTime", "unlimitedEndTime", AS_IS),
    MappedField("isArchived", "archived", AS_IS),
    MappedField("effectiveAppliedLabels", "effectiveAppliedLabels", LABELS),
    MappedField("effectiveTeamIds", "effectiveTeams", refs("teams")),
    MappedField("lastModifiedByApp", "lastModifiedByApp", AS_IS),
    MappedField("lastModifiedDateTime", "updateTime", TIME),
    MappedField("totalImpressionsDelivered", "impressionsDelivered", LONG),
    MappedField("totalClicksDelivered", "totalClicksDelivered", LONG),
    MappedField("totalViewableImpressionsDelivered", "totalViewableImpressionsDelivered", LONG),
)
_BATCHES = {
    "approve": "batch_approve_orders",
    "approve-without-reservation": "batch_approve_orders_without_reservation",
    "approve-and-overbook": "batch_approve_and_overbook_orders",
    "disapprove": "batch_disapprove_orders",
    "disapprove-without-reservation-changes": (
        "batch_disapprove_orders_without_reservation_changes"
    ),
    "pause": "batch_pause_orders",
    "resume": "batch_resume_orders",
    "resume-and-overbook": "batch_resume_and_overbook_orders",
    "archive": "batch_archive_orders",
    "unarchive": "batch_unarchive_orders",
    "submit-for-approval": "batch_submit_orders_for_approval",
    "submit-for-approval-and-overbook": "batch_submit_orders_for_approval_and_overbook",
    "submit-for-approval-without-reservation-changes": (
        "batch_submit_orders_for_approval_without_reservation_changes"
    ),
    "retract": "batch_retract_orders",
    "retract-without-reservation-changes": "batch_retract_orders_without_reservation_changes",
    "delete": "batch_delete_orders",
}
_PAUSING = frozenset({"pause", "resume", "resume-and-overbook"})
_PAUSED = frozenset({"PAUSED", "PAUSED_INVENTORY_RELEASED"})


class Orders:
    def __init__(self, rest: Rest, network: Network) -> None:
        self._rest = rest
        self._network = network

    def create(self, request: CreateOrder) -> CreatedOrder:
        order = message("Order", order_to_rest(request, self._network))
        answer = self._rest.write(
            "Order",
            "batch_create_orders",
            {
                "parent": self._rest.network,
                "requests": [{"parent": self._rest.network, "order": order}],
            },
        )
        if len(answer.orders) != 1:
            raise UnexpectedAnswerError(SERVICE, f"{len(answer.orders)} orders for one")
        return parse_answer(CreatedOrder, order_of_rest(as_json(answer.orders[0]), self._network))

    def get(self, request: GetOrder) -> Order:
        name = self._network.names.of("orders", request.order_id)
        answer = self._rest.read("Order", "get_order", {"name": name})
        return parse_answer(Order, order_of_rest(as_json(answer), self._network))

    def act(self, request: ActOnOrder) -> NumChanges:
        """Counts changes by comparing states, since the REST API returns none.

        Pausing and resuming change the line items instead of the order
        (https://developers.google.com/ad-manager/api/beta/reference/rest/v1/OrderStatus): the order
        counts as changed if one of them did.
        """
        name = self._network.names.of("orders", request.order_id)
        with before_write():
            before = self._states(name, request.action)
        if not before:
            reason = f"there is no order {request.order_id}"
            raise RequestRejectedError(SERVICE, "NOT_FOUND", reason, status=404)
        self._rest.write(
            "Order", _BATCHES[request.action], {"parent": self._rest.network, "names": [name]}
        )
        with after_write([request.order_id]):
            return NumChanges(num_changes=count_changed(before, self._states(name, request.action)))

    def _states(self, name: str, action: str) -> dict[str, Any]:
        request = {"parent": self._rest.network, "filter": equals("name", name)}
        pausing = action in _PAUSING
        return {
            order.name: (order.status, order.archived, self._pauses(name) if pausing else {})
            for page in self._rest.pages("Order", "list_orders", request)
            for order in page.orders
        }

    def _pauses(self, order: str) -> dict[str, bool]:
        """Whether each of its line items is paused."""
        request = {"parent": self._rest.network, "filter": equals("order", order)}
        return {
            item.name: item.status.name in _PAUSED
            for page in self._rest.pages("LineItem", "list_line_items", request)
            for item in page.line_items
        }


def order_to_rest(request: CreateOrder, network: Network) -> dict[str, Any]:
    values: dict[str, Any] = encode_fields(
        _WRITABLE, request.orders[0].wire(), network, "orders[0]"
    )
    return values


def order_of_rest(values: dict[str, Any], network: Network) -> dict[str, Any]:
    order_values: dict[str, Any] = decode_fields(_RESPONSE_FIELDS, values, network)
    return order_values


def count_changed(before: dict[str, Any], after: dict[str, Any]) -> int:
    """How many states differ, deleted objects included."""
    return sum(after.get(name) != state for name, state in before.items())
