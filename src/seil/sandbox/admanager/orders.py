"""Orders: creation, updates, actions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from seil.sandbox.admanager.checks import action_error, check_order
from seil.sandbox.admanager.clock import moment, stamp
from seil.sandbox.admanager.delivery import span
from seil.sandbox.admanager.errors import rejection
from seil.sandbox.admanager.life_cycle import ORDER_ACTIONS, RESERVABLE, eligible_once
from seil.sandbox.admanager.line_items import SandboxLineItems
from seil.sandbox.admanager.network import GamObject, SandboxNetwork, ident, public, retain

_KEPT = ("name", "orderId", "status", "archived", "creator", "currencyCode", "programmatic")
_ARCHIVING = ("BatchArchiveOrders", "BatchUnarchiveOrders")
_PAUSING = ("BatchPauseOrders", "BatchResumeOrders", "BatchResumeAndOverbookOrders")


class SandboxOrders:
    def __init__(self, network: SandboxNetwork, line_items: SandboxLineItems) -> None:
        self._network = network
        self._line_items = line_items

    def get(self, name: str) -> GamObject:
        return self.render(self._network.get("orders", name))

    def all(self) -> list[GamObject]:
        return self.select(None)

    def select(self, names: Iterable[str] | None) -> list[GamObject]:
        """Those that exist of `names`; all for None."""
        return [self.render(order) for order in self._network.select("orders", names)]

    def create(self, resource: GamObject, *, at: str = "order") -> GamObject:
        network = self._network
        check_order(network, resource, at)
        self._check_unique(resource, at)
        name = network.new_name("orders")
        order = {
            **resource,
            "name": name,
            "orderId": str(ident(name)),
            "programmatic": resource.get("programmatic", False),
            "status": "DRAFT",
            "archived": False,
            "currencyCode": network.store.fact("currency"),
            "creator": network.store.fact("service user"),
        }
        return self.save(order)

    def update(self, changed: GamObject, *, at: str = "order") -> GamObject:
        """`changed` is the whole new order."""
        before = self._network.get("orders", changed["name"])
        if before["archived"]:
            raise action_error("OrderError", "UPDATE_ARCHIVED_ORDER_NOT_ALLOWED", before)
        status = "CANCELED" if before["status"] == "DELETED" else before["status"]
        if status in ("CANCELED", "PENDING_APPROVAL"):
            raise action_error("OrderError", f"UPDATE_{status}_ORDER_NOT_ALLOWED", before)
        check_order(self._network, changed, at)
        self._check_unique(changed, at)
        return self.save({**changed, **retain(before, _KEPT)})

    def _check_unique(self, order: GamObject, at: str) -> None:
        """No two orders of a network have one name, archived ones included:
        https://developers.google.com/ad-manager/api/reference/v202608/OrderService.UniqueError.
        """
        title = order["displayName"]
        for other in self._network.store.having("orders", "displayName", title):
            if other["name"] != order.get("name") and other["status"] != "DELETED":
                message = f"{title!r} is the name of {other['name']} too"
                field = f"{at}.displayName"
                raise rejection("UniqueError", "", message, field=field, trigger=title)

    def act(self, method: str, names: Sequence[str], *, skip_check: bool = False) -> int:
        """Performs a batch action by the client's name for it; returns the number of changes."""
        for at, name in enumerate(names):
            order = self._network.get("orders", name, field=f"names[{at}]")
            self._act(method, order, skip_check=skip_check)
        return len(names)

    def _act(self, method: str, order: GamObject, *, skip_check: bool) -> None:
        action = ORDER_ACTIONS[method]
        items = self._line_items.of(order["name"])
        self._check_action(method, order, items)
        if method in _ARCHIVING:
            order["archived"] = method == "BatchArchiveOrders"
        order["status"] = action.becomes or order["status"]
        self.save(order)
        for item in items:
            if method in _ARCHIVING:
                item["archived"] = order["archived"]
            elif item["archived"] and order["status"] != "DELETED":
                continue  # It stays as it was laid aside.
            if method in _PAUSING:
                self._line_items.pause(item, order, paused=method == "BatchPauseOrders")
            self._line_items.follow(item, order, action.reservation, skip_check=skip_check)

    def _check_action(self, method: str, order: GamObject, items: Sequence[GamObject]) -> None:
        unarchives = method == "BatchUnarchiveOrders"
        if order["archived"] != unarchives:
            reason = "NOT_APPLICABLE" if unarchives else "IS_ARCHIVED"
            raise action_error("OrderActionError", reason, order)
        if order["status"] not in ORDER_ACTIONS[method].allowed:
            raise action_error("OrderActionError", "NOT_APPLICABLE", order)
        if reason := self._objection(method, items):
            raise action_error("OrderActionError", reason, order)

    def _objection(self, method: str, items: Sequence[GamObject]) -> str:
        """The line items' objection to the action, if any."""
        if method == "BatchDeleteOrders" and any(map(eligible_once, items)):
            return "CANNOT_DELETE_ORDER_WITH_DELIVERED_LINEITEMS"
        # "An OrderAction cannot be applied to a order that has ended": but it can be laid aside.
        begins = ORDER_ACTIONS[method].becomes in ("PENDING_APPROVAL", "APPROVED")
        if (begins or method in _PAUSING) and _have_ended(items, self._network):
            return "HAS_ENDED"
        # https://developers.google.com/ad-manager/api/reference/v202608/OrderService.ApproveOrdersWithoutReservationChanges
        if method == "BatchApproveOrdersWithoutReservation" and any(map(_needs_reservation, items)):
            return "CANNOT_APPROVE_WITH_UNRESERVED_LINE_ITEMS"
        return ""

    def save(self, order: GamObject) -> GamObject:
        order["updateTime"] = stamp(self._network.clock.now())
        order["lastModifiedByApp"] = "stand-in"
        self._network.put("orders", order)
        return self.render(order)

    def render(self, order: GamObject) -> GamObject:
        """As in an answer, with dates and deliveries of its line items."""
        items = [item for item in self._line_items.of(order["name"]) if not item.get("_deleted")]
        view = public(order)
        if items:
            view["startTime"] = min((item["startTime"] for item in items), key=moment)
            ends = [item.get("targetEndTime") for item in items]
            view["unlimitedEndTime"] = None in ends
            if None not in ends:
                view["endTime"] = stamp(max(span(item)[1] for item in items))
        stats = [self._line_items.stats(item) for item in items]
        view["impressionsDelivered"] = str(sum(s["impressionsDelivered"] for s in stats))
        view["totalClicksDelivered"] = str(sum(s["clicksDelivered"] for s in stats))
        return view


def _needs_reservation(item: Mapping[str, Any]) -> bool:
    reservable = item["lineItemType"] in RESERVABLE and not item["archived"]
    return reservable and item["reservationStatus"] != "RESERVED"


def _have_ended(items: Sequence[Mapping[str, Any]], network: SandboxNetwork) -> bool:
    now = network.clock.now()
    return bool(items) and all(span(item)[1] <= now for item in items)
