"""Orders: made, changed, acted on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from seil.sandbox.admanager.checks import check_length, refused
from seil.sandbox.admanager.clock import moment, stamp
from seil.sandbox.admanager.delivery import span
from seil.sandbox.admanager.errors import ApiError
from seil.sandbox.admanager.life_cycle import ORDER_ACTIONS
from seil.sandbox.admanager.line_items import LineItems
from seil.sandbox.admanager.network import Network, Thing, ident, kept, public

_KEPT = ("name", "orderId", "status", "archived", "creator", "currencyCode", "programmatic")
_ARCHIVING = ("BatchArchiveOrders", "BatchUnarchiveOrders")


class Orders:
    def __init__(self, network: Network, line_items: LineItems) -> None:
        self._network = network
        self._line_items = line_items

    def get(self, name: str) -> Thing:
        return self.shown(self._network.get("orders", name))

    def all(self) -> list[Thing]:
        return [self.shown(order) for order in self._network.store.all("orders")]

    def create(self, given: Thing, *, at: str = "order") -> Thing:
        network = self._network
        self._check(given, at)
        name = network.new_name("orders")
        order = {
            **given,
            "name": name,
            "orderId": str(ident(name)),
            "programmatic": given.get("programmatic", False),
            "status": "DRAFT",
            "archived": False,
            "currencyCode": network.store.fact("currency"),
            "creator": network.store.fact("service user"),
        }
        return self.save(order)

    def update(self, changed: Thing, *, at: str = "order") -> Thing:
        """`changed` is the whole order, as it shall be."""
        before = self._network.get("orders", changed["name"])
        if before["archived"]:
            raise refused("OrderError", "UPDATE_ARCHIVED_ORDER_NOT_ALLOWED", before)
        status = "CANCELED" if before["status"] == "DELETED" else before["status"]
        if status in ("CANCELED", "PENDING_APPROVAL"):
            raise refused("OrderError", f"UPDATE_{status}_ORDER_NOT_ALLOWED", before)
        self._check(changed, at)
        return self.save({**changed, **kept(before, _KEPT)})

    def act(self, method: str, names: Sequence[str], *, skip_check: bool = False) -> int:
        """Performs a batch action of the client's name; how many orders it changed."""
        for at, name in enumerate(names):
            order = self._network.get("orders", name, field=f"names[{at}]")
            self._act(method, order, skip_check=skip_check)
        return len(names)

    def _act(self, method: str, order: Thing, *, skip_check: bool) -> None:
        action = ORDER_ACTIONS[method]
        unarchives = method == "BatchUnarchiveOrders"
        if order["archived"] != unarchives:
            reason = "NOT_APPLICABLE" if unarchives else "IS_ARCHIVED"
            raise refused("OrderActionError", reason, order)
        if order["status"] not in action.allowed:
            raise refused("OrderActionError", "NOT_APPLICABLE", order)
        items = self._line_items.of(order["name"])
        if method == "BatchDeleteOrders":
            if any(int(self._line_items.impressions(item)) for item in items):
                reason = "CANNOT_DELETE_ORDER_WITH_DELIVERED_LINEITEMS"
                raise refused("OrderActionError", reason, order)
        elif method in ("BatchPauseOrders", "BatchResumeOrders") and _ended(items, self._network):
            raise refused("OrderActionError", "HAS_ENDED", order)
        if method in _ARCHIVING:
            order["archived"] = not unarchives
        order["status"] = action.becomes or order["status"]
        self.save(order)
        for item in items:
            if method in _ARCHIVING:
                item["archived"] = order["archived"]
            elif item["archived"] and order["status"] != "DELETED":
                continue  # It stays as it was laid aside.
            self._line_items.follow(item, order, action.reservation, skip_check=skip_check)

    def _check(self, order: Mapping[str, Any], at: str) -> None:
        network = self._network
        check_length(order["displayName"], f"{at}.displayName")
        for field, wanted in (("advertiser", "ADVERTISER"), ("agency", "AGENCY")):
            if field in order:
                place = f"{at}.{field}"
                company = network.referred("companies", order[field], field=place)
                if company["type"] != wanted:
                    raise ApiError(
                        "INVALID_ARGUMENT",
                        "CompanyError",
                        "INVALID_COMPANY_TYPE",
                        f"{order[field]} is of type {company['type']}, not {wanted}",
                        field=place,
                        trigger=order[field],
                    )
        for field in ("trafficker", "salesperson", "secondaryTraffickers", "secondarySalespeople"):
            users = order.get(field, [])
            for user in users if isinstance(users, list) else [users]:
                network.referred("users", user, field=f"{at}.{field}")

    def save(self, order: Thing) -> Thing:
        order["updateTime"] = stamp(self._network.clock.now())
        order["lastModifiedByApp"] = "stand-in"
        self._network.put("orders", order)
        return self.shown(order)

    def shown(self, order: Thing) -> Thing:
        """As it is given out: dates and deliveries are those of its line items."""
        items = [item for item in self._line_items.of(order["name"]) if not item.get("_deleted")]
        found = public(order)
        if items:
            found["startTime"] = min((item["startTime"] for item in items), key=moment)
            ends = [item.get("targetEndTime") for item in items]
            found["unlimitedEndTime"] = None in ends
            if None not in ends:
                found["endTime"] = stamp(max(span(item)[1] for item in items))
        stats = [self._line_items.stats(item) for item in items]
        found["impressionsDelivered"] = str(sum(s["impressionsDelivered"] for s in stats))
        found["totalClicksDelivered"] = str(sum(s["clicksDelivered"] for s in stats))
        return found


def _ended(items: Sequence[Mapping[str, Any]], network: Network) -> bool:
    now = network.clock.now()
    return bool(items) and all(span(item)[1] <= now for item in items)
