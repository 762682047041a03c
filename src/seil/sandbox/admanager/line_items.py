"""Line items: creation, updates, actions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from seil.sandbox.admanager.checks import action_error, check_line_item, flight_error
from seil.sandbox.admanager.clock import moment, stamp
from seil.sandbox.admanager.delivery import delivered_units, span
from seil.sandbox.admanager.errors import not_applicable, rejection
from seil.sandbox.admanager.inventory import availability, demand_of
from seil.sandbox.admanager.life_cycle import (
    LINE_ITEM_ACTIONS,
    PAUSABLE_BY_ORDER,
    RESERVABLE,
    computed_status,
    eligible_once,
    has_started,
)
from seil.sandbox.admanager.network import GamObject, SandboxNetwork, ident, public, retain
from seil.sandbox.admanager.reservation import TERMS

_KEPT = ("name", "order", "createTime", "archived", "reservationStatus")
_NEGOTIATED = (
    *("startTime", "targetEndTime", "endTimeUnlimited", "autoExtensionDays", "lineItemType"),
    *("rate", "costType", "discount", "goal", "secondaryGoals", "contractedUnitsBought"),
    *("creativePlaceholders", "environmentType", "roadblockingType", "targeting", "dealInfo"),
)
_SET, _BROWSER = "CREATIVE_SET", "BROWSER"
_PRICED = {"CPM": 1000, "VCPM": 1000}

_FLAGS = frozenset(
    {
        "allowOverbook",
        "skipInventoryCheck",
        "skipCrossSellingRuleWarningChecks",
        "reserveOnCreation",
    }
)
"""Input only: for the request that carries them, not kept."""


class SandboxLineItems:
    def __init__(self, network: SandboxNetwork) -> None:
        self._network = network

    def get(self, name: str) -> GamObject:
        return self.render(self._network.get("lineItems", name))

    def all(self) -> list[GamObject]:
        return self.select(None)

    def select(self, names: Iterable[str] | None) -> list[GamObject]:
        """Those that exist of `names`; all for None."""
        return [self.render(item) for item in self._network.select("lineItems", names)]

    def of(self, order: str) -> list[GamObject]:
        return self._network.store.having("lineItems", "order", order)

    def create(self, resource: GamObject, *, at: str = "lineItem") -> GamObject:
        network = self._network
        order = self._order(resource, at)
        now = network.clock.now()
        if order.get("programmatic") and order["status"] == "APPROVED":
            reason = "CANNOT_CREATE_LINE_ITEM_FOR_APPROVED_ORDER"
            raise action_error("ProgrammaticError", reason, order)
        if moment(resource["startTime"]) <= now:
            raise flight_error(
                "START_DATE_TIME_IS_IN_PAST", f"{at}.startTime", resource["startTime"]
            )
        creatives = network.options.creatives
        item = {
            "endTimeUnlimited": False,
            "deliveryRateType": "EVENLY",
            "roadblockingType": "ONE_OR_MORE",
            "environmentType": "BROWSER",
            **{name: value for name, value in resource.items() if name not in _FLAGS},
            "name": network.new_name("lineItems"),
            "createTime": stamp(now),
            "archived": False,
            "reservationStatus": "UNRESERVED",
            "_active": creatives,
            "_creatives": creatives,
            "_windows": [],
        }
        check_line_item(network, item, at)
        item.setdefault("priority", TERMS[item["lineItemType"]].priority[0])
        reserve = resource.get("reserveOnCreation") or order["status"] in ("APPROVED", "PAUSED")
        if reserve and item["lineItemType"] in RESERVABLE:
            skip = resource.get("skipInventoryCheck") or resource.get("allowOverbook")
            self._reserve(item, check=not skip)
        return self.save(item, order)

    def update(self, changed: GamObject, *, at: str = "lineItem") -> GamObject:
        """`changed` is the whole new line item."""
        network = self._network
        before = network.get("lineItems", changed["name"])
        order = network.get("orders", before["order"])
        if before["archived"]:
            raise action_error("LineItemError", "UPDATE_ARCHIVED_LINE_ITEM_NOT_ALLOWED", before)
        if (status := self._status(before, order)) in ("CANCELED", "PENDING_APPROVAL"):
            raise action_error("LineItemError", f"UPDATE_{status}_LINE_ITEM_NOT_ALLOWED", before)
        _check_negotiated(before, changed, order, at)
        self._check_moved(before, changed, at)
        _check_fixed(before, changed, at)
        check_line_item(network, changed, at)
        updated = {name: value for name, value in changed.items() if name not in _FLAGS}
        item = {**updated, **retain(before, _KEPT)}
        if item["reservationStatus"] == "RESERVED" and item.get("goal") != before.get("goal"):
            skip = changed.get("skipInventoryCheck") or changed.get("allowOverbook")
            self._reserve(item, check=not skip)
        return self.save(item, order)

    def _check_moved(self, before: GamObject, changed: GamObject, at: str) -> None:
        """Checks that the dates may change this way now."""
        now, start, end = self._network.clock.now(), changed["startTime"], "targetEndTime"
        if moment(start) != moment(before["startTime"]):
            if has_started(before, now):
                raise action_error("LineItemError", "ALREADY_STARTED", before)
            if moment(start) <= now:
                raise flight_error("START_DATE_TIME_IS_IN_PAST", f"{at}.startTime", start)
        if changed.get(end, "") not in ("", before.get(end, "")) and moment(changed[end]) <= now:
            raise flight_error("END_DATE_TIME_IS_IN_PAST", f"{at}.{end}", changed[end])

    def act(self, method: str, names: Sequence[str]) -> int:
        """Performs a batch action by the client's name for it; returns the number of changes."""
        for at, name in enumerate(names):
            item = self._network.get("lineItems", name, field=f"names[{at}]")
            order = self._network.get("orders", item["order"])
            self._check_action(method, item, order)
            self._perform(method, item)
            if method == "BatchDeleteLineItems":
                self._network.store.remove("lineItems", ident(item["name"]))
            else:
                self.save(item, order)
        return len(names)

    def supply_creatives(self, name: str) -> GamObject:
        """As by a trafficker; Ad Manager then activates the line item."""
        item = self._network.get("lineItems", name)
        item["_creatives"] = item["_active"] = True
        return self.save(item, self._network.get("orders", item["order"]))

    def pause(self, item: GamObject, order: GamObject, *, paused: bool) -> None:
        """Together with its order, unless completed. The caller saves it."""
        if not paused or self._status(item, order) in PAUSABLE_BY_ORDER:
            item["_paused"] = paused

    def follow(
        self, item: GamObject, order: GamObject, reservation: str, *, skip_check: bool
    ) -> None:
        """Follows an action on its order."""
        if order["status"] == "DELETED":
            self._network.store.remove("lineItems", ident(item["name"]))
            return
        if reservation and item["lineItemType"] in RESERVABLE:
            if reservation == "release":
                item["reservationStatus"] = "UNRESERVED"
            elif item["reservationStatus"] != "RESERVED":
                self._reserve(item, check=reservation == "reserve" and not skip_check)
        self.save(item, order)

    def stats(self, item: Mapping[str, Any]) -> dict[str, int]:
        delivered = delivered_units(item, self._network.clock.now(), self._network.clock.zone)
        return {"impressionsDelivered": delivered.impressions, "clicksDelivered": delivered.clicks}

    def impressions(self, item: Mapping[str, Any]) -> int:
        return self.stats(item)["impressionsDelivered"]

    def render(self, item: GamObject) -> GamObject:
        """As in an answer, with Ad Manager's computed fields."""
        order = self._network.get("orders", item["order"])
        view = public(item)
        view["orderDisplayName"] = order["displayName"]
        stats = self.stats(item)
        view["status"] = self._status_at(stats, item, order)
        view["missingCreatives"] = not item["_creatives"]
        if item.get("targetEndTime"):
            view["endTime"] = stamp(span(item)[1])
        if budget := _budget(item):
            view["budget"] = budget
        if stats["impressionsDelivered"]:
            view["stats"] = {name: str(value) for name, value in stats.items()}
        return view

    def _order(self, resource: Mapping[str, Any], at: str) -> GamObject:
        order = self._network.referred("orders", resource["order"], field=f"{at}.order")
        if order["archived"]:
            raise action_error("OrderError", "UPDATE_ARCHIVED_ORDER_NOT_ALLOWED", order)
        if order["status"] in ("CANCELED", "DELETED"):
            raise action_error("OrderError", "UPDATE_CANCELED_ORDER_NOT_ALLOWED", order)
        return order

    def _check_action(self, method: str, item: GamObject, order: GamObject) -> None:
        kind, unarchives = "LineItemOperationError", method == "BatchUnarchiveLineItems"
        if item["archived"] != unarchives:
            raise action_error(kind, "NOT_APPLICABLE", item)
        if unarchives and order["archived"]:
            raise action_error(kind, "NOT_ALLOWED", item)
        if method == "BatchDeleteLineItems" and eligible_once(item):
            raise action_error(kind, "CANNOT_DELETE_DELIVERED_LINE_ITEM", item)
        if method in LINE_ITEM_ACTIONS:
            self._check_status(method, item, self._status(item, order))

    def _check_status(self, method: str, item: GamObject, status: str) -> None:
        kind, allowed = "LineItemOperationError", LINE_ITEM_ACTIONS[method]
        item = {**item, "status": status}
        if status == "COMPLETED":
            raise action_error(kind, "HAS_COMPLETED", item)
        if status not in allowed:
            raise action_error(kind, "NOT_APPLICABLE", item)
        if method == "BatchActivateLineItems" and not item["_creatives"]:
            raise action_error(kind, "HAS_NO_ACTIVE_CREATIVES", item)
        if "Reserve" in method or "Release" in method:
            requested = "RESERVED" if "Release" in method else "UNRESERVED"
            if item["lineItemType"] not in RESERVABLE or item["reservationStatus"] != requested:
                raise action_error(kind, "NOT_APPLICABLE", item)

    def _perform(self, method: str, item: GamObject) -> None:
        match method.removeprefix("Batch").removesuffix("LineItems"):
            case "Activate":
                item["_active"] = True
            case "Pause":
                item["_paused"] = True
            case "Resume" | "ResumeAndOverbook" as verb:
                item["_paused"] = False
                if item.get("_released"):
                    self._reserve(item, check=verb == "Resume")
            case "Reserve" | "ReserveAndOverbook" as verb:
                self._reserve(item, check=verb == "Reserve")
            case "Release":
                item["reservationStatus"], item["_released"] = "UNRESERVED", True
            case "Archive":
                item["archived"], item["reservationStatus"] = True, "UNRESERVED"
            case "Unarchive":
                item["archived"] = False

    def _reserve(self, item: GamObject, *, check: bool) -> None:
        """Refuses an overbook unless the request skips the check."""
        goal = item.get("goal", {})
        if check and goal.get("goalType") == "LIFETIME":
            inventory = availability(self._network, demand_of(item))
            if inventory.available < int(goal["units"]):
                raise not_applicable(
                    "ForecastError",
                    f"{inventory.available} units are available, {goal['units']} are asked for",
                    reason="NOT_ENOUGH_INVENTORY",
                )
        item["reservationStatus"] = "RESERVED"
        item.pop("_released", None)

    def _status(self, item: Mapping[str, Any], order: Mapping[str, Any]) -> str:
        return self._status_at(self.stats(item), item, order)

    def _status_at(
        self, stats: Mapping[str, int], item: Mapping[str, Any], order: Mapping[str, Any]
    ) -> str:
        goal = item.get("goal", {})
        counted = "clicksDelivered" if goal.get("unitType") == "CLICKS" else "impressionsDelivered"
        units = int(goal.get("units", 0)) if goal.get("goalType") == "LIFETIME" else 0
        reached = bool(units) and stats[counted] >= units
        return computed_status(item, order, self._network.clock.now(), reached=reached)

    def save(self, item: GamObject, order: Mapping[str, Any]) -> GamObject:
        """Records in `_windows` when it was on, from which its delivery is computed."""
        now = stamp(self._network.clock.now())
        windows = item["_windows"]
        on = order["status"] == "APPROVED" and item["_active"] and not order["archived"]
        on = on and not item.get("_paused") and not item["archived"]
        is_open = bool(windows) and windows[-1][1] is None
        if on and not is_open:
            windows.append([now, None])
        elif is_open and not on:
            windows[-1][1] = now
        item["updateTime"] = now
        item["updateSource"] = "stand-in"
        self._network.put("lineItems", item)
        return self.render(item)


def _check_negotiated(before: GamObject, changed: GamObject, order: GamObject, at: str) -> None:
    """Of a sold programmatic line item, what the buyer agreed to changes by negotiation alone:
    https://developers.google.com/ad-manager/api/reference/v202608/LineItemService.ProgrammaticError.
    """
    if not order.get("programmatic") or order["status"] != "APPROVED":
        return
    for name in _NEGOTIATED:
        if _significant(before.get(name)) != _significant(changed.get(name)):
            reason = "CANNOT_UPDATE_FIELD_FOR_APPROVED_LINE_ITEMS"
            message = f"{before['name']} was sold by a proposal: {name} changes there"
            raise rejection("ProgrammaticError", reason, message, field=f"{at}.{name}")


def _significant(value: Any) -> Any:
    """Without zeros and empty values, which protobuf's JSON omits."""
    if isinstance(value, Mapping):
        values = {name: _significant(inner) for name, inner in value.items()}
        return {name: inner for name, inner in values.items() if inner}
    if isinstance(value, list):
        return [_significant(inner) for inner in value]
    return value


def _check_fixed(before: GamObject, changed: GamObject, at: str) -> None:
    """Fields that cannot change after creation."""
    was, becomes = (entry.get("roadblockingType") for entry in (before, changed))
    if was != becomes and _SET in (was, becomes):
        reason = "CANNOT_UPDATE_TO_OR_FROM_CREATIVE_SET_ROADBLOCK"
        message = f"The roadblocking type cannot change from {was} to {becomes}"
        raise rejection("LineItemError", reason, message, field=f"{at}.roadblockingType")
    if before.get("environmentType", _BROWSER) != changed.get("environmentType", _BROWSER):
        reason, field = "UPDATE_ENVIRONMENT_TYPE_NOT_ALLOWED", f"{at}.environmentType"
        message = "The environment type cannot change"
        raise rejection("LineItemError", reason, message, field=field)


def _budget(item: Mapping[str, Any]) -> dict[str, Any] | None:
    """The goal's cost at the rate."""
    goal = item.get("goal", {})
    if goal.get("goalType") != "LIFETIME" or item["costType"] not in ("CPM", "VCPM", "CPC"):
        return None
    rate = item["rate"]
    nanos = int(rate.get("units", 0)) * 10**9 + int(rate.get("nanos", 0))
    total = nanos * int(goal["units"]) // _PRICED.get(item["costType"], 1)
    units, rest = divmod(total, 10**9)
    currency = rate.get("currencyCode", "")
    return {"currencyCode": currency, "units": str(units), "nanos": rest}
