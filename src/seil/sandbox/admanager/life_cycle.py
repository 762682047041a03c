"""The states of orders and line items, and their transitions.

Statuses: https://developers.google.com/ad-manager/api/reference/v202608/OrderService.OrderStatus,
https://developers.google.com/ad-manager/api/reference/v202608/LineItemService.ComputedStatus and
https://support.google.com/admanager/answer/82991; archiving and pausing:
https://support.google.com/admanager/answer/82252; why an action is refused:
https://developers.google.com/ad-manager/api/reference/v202608/OrderService.OrderActionError and
https://developers.google.com/ad-manager/api/reference/v202608/LineItemService.LineItemOperationError.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from seil.sandbox.admanager.clock import moment
from seil.sandbox.admanager.delivery import span

RESERVABLE = frozenset({"STANDARD", "SPONSORSHIP"})
RUNNING = frozenset({"READY", "DELIVERING", "DELIVERY_EXTENDED"})
PAUSABLE_BY_ORDER = RUNNING | {"INACTIVE"}
_ALL = frozenset({"DRAFT", "PENDING_APPROVAL", "APPROVED", "DISAPPROVED", "PAUSED", "CANCELED"})


@dataclass(frozen=True)
class OrderTransition:
    """`reservation` is the new state of the reservable line items.

    Pausing and resuming act on the line items and leave the order APPROVED; PAUSED is a status of
    orders from before: https://developers.google.com/ad-manager/api/reference/v202608/OrderService.PauseOrders
    and https://developers.google.com/ad-manager/api/beta/reference/rest/v1/OrderStatus.
    """

    allowed: frozenset[str]
    becomes: str = ""
    reservation: Literal["", "reserve", "overbook", "release"] = ""


def _action(
    allowed: str, becomes: str = "", reservation: Literal["", "reserve", "overbook", "release"] = ""
) -> OrderTransition:
    return OrderTransition(frozenset(allowed.split()), becomes, reservation)


_DRAFTS = "DRAFT DISAPPROVED"
_UNAPPROVED = "DRAFT PENDING_APPROVAL DISAPPROVED"
_RETRACTABLE = "PENDING_APPROVAL DISAPPROVED"

ORDER_ACTIONS: Mapping[str, OrderTransition] = {
    "BatchSubmitOrdersForApproval": _action(_DRAFTS, "PENDING_APPROVAL", "reserve"),
    "BatchSubmitOrdersForApprovalAndOverbook": _action(_DRAFTS, "PENDING_APPROVAL", "overbook"),
    "BatchSubmitOrdersForApprovalWithoutReservationChanges": _action(_DRAFTS, "PENDING_APPROVAL"),
    "BatchApproveOrders": _action(_UNAPPROVED, "APPROVED", "reserve"),
    "BatchApproveAndOverbookOrders": _action(_UNAPPROVED, "APPROVED", "overbook"),
    "BatchApproveOrdersWithoutReservation": _action(_UNAPPROVED, "APPROVED"),
    "BatchDisapproveOrders": _action("PENDING_APPROVAL", "DISAPPROVED", "release"),
    "BatchDisapproveOrdersWithoutReservationChanges": _action("PENDING_APPROVAL", "DISAPPROVED"),
    "BatchRetractOrders": _action(_RETRACTABLE, "DRAFT", "release"),
    "BatchRetractOrdersWithoutReservationChanges": _action(_RETRACTABLE, "DRAFT"),
    "BatchPauseOrders": _action("APPROVED"),
    "BatchResumeOrders": _action("APPROVED PAUSED", "APPROVED", "reserve"),
    "BatchResumeAndOverbookOrders": _action("APPROVED PAUSED", "APPROVED", "overbook"),
    "BatchArchiveOrders": OrderTransition(_ALL - {"PENDING_APPROVAL"}, reservation="release"),
    "BatchUnarchiveOrders": OrderTransition(_ALL),
    "BatchDeleteOrders": OrderTransition(_ALL, "DELETED", "release"),
}

LINE_ITEM_ACTIONS: Mapping[str, frozenset[str]] = {
    "BatchActivateLineItems": frozenset({"INACTIVE"}),
    "BatchPauseLineItems": RUNNING,
    "BatchResumeLineItems": frozenset({"PAUSED", "PAUSED_INVENTORY_RELEASED"}),
    "BatchResumeAndOverbookLineItems": frozenset({"PAUSED", "PAUSED_INVENTORY_RELEASED"}),
    "BatchReserveLineItems": frozenset(
        {"DRAFT", "PENDING_APPROVAL", "INACTIVE", "PAUSED", "PAUSED_INVENTORY_RELEASED", *RUNNING}
    ),
    "BatchReleaseLineItems": frozenset(
        {"DRAFT", "PENDING_APPROVAL", "DISAPPROVED", "INACTIVE", "PAUSED", *RUNNING}
    ),
}
"""In which computed status an action on a line item is allowed; archive, unarchive and delete have
rules of their own.
"""


def computed_status(
    item: Mapping[str, Any], order: Mapping[str, Any], now: datetime, *, reached: bool
) -> str:
    """`reached`: the line item has met its goal."""
    status: str = order["status"]
    if status not in ("APPROVED", "PAUSED"):
        return "CANCELED" if status == "DELETED" else status
    if reached or now >= span(item)[1]:
        return "COMPLETED"
    if item.get("_paused") or status == "PAUSED" or item.get("archived"):
        return "PAUSED_INVENTORY_RELEASED" if item.get("_released") else "PAUSED"
    return _running_status(item, now) if item.get("_active") else "INACTIVE"


def _running_status(item: Mapping[str, Any], now: datetime) -> str:
    start, end = span(item)
    if now < start:
        return "READY"
    extension = timedelta(days=int(item.get("autoExtensionDays", 0)))
    if extension and now >= end - extension:
        return "DELIVERY_EXTENDED"
    return "DELIVERING"


def eligible_once(item: Mapping[str, Any]) -> bool:
    """Whether it has ever been eligible to serve, and can no more be deleted:
    https://developers.google.com/ad-manager/api/reference/v202608/LineItemService.DeleteLineItems.
    """
    return bool(item["_windows"])


def has_started(item: Mapping[str, Any], now: datetime) -> bool:
    return now >= moment(item["startTime"])
