"""Turns a proposal that both sides have accepted into an order with its line items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from seil.sandbox.admanager.clock import stamp
from seil.sandbox.admanager.errors import AdManagerApiError
from seil.sandbox.admanager.inventory import availability
from seil.sandbox.admanager.line_items import SandboxLineItems
from seil.sandbox.admanager.network import GamObject, SandboxNetwork, ident
from seil.sandbox.admanager.orders import SandboxOrders
from seil.sandbox.admanager.soap.dates import from_soap
from seil.sandbox.admanager.soap.forecasts import soap_demand
from seil.sandbox.admanager.soap.references import rest_targeting

_NANOS = 10**9
_MICROS = 10**6
_FIRST_DEAL = 700_000_000


class Deals:
    def __init__(
        self, network: SandboxNetwork, orders: SandboxOrders, line_items: SandboxLineItems
    ) -> None:
        self._network = network
        self._orders = orders
        self._line_items = line_items

    def check_available(self, line: Mapping[str, Any]) -> None:
        """Raises AdManagerApiError for an overbook; not called with `allowOverbook`."""
        if line["goal"]["goalType"] != "LIFETIME":
            return
        start, end = (from_soap(line[name], name) for name in ("startDateTime", "endDateTime"))
        demand = soap_demand(line["targeting"], start, end, line.get("dfpLineItemId", 0))
        units, available = line["goal"]["units"], availability(self._network, demand).available
        if available < units:
            message = f"{available} units are available, {units} are wanted"
            reason = "NOT_ENOUGH_INVENTORY"
            raise AdManagerApiError("FAILED_PRECONDITION", "ForecastError", reason, message)

    def book(self, proposal: GamObject, lines: Sequence[GamObject]) -> None:
        """Creates or updates the order; stores the ids in the proposal and its lines."""
        order = self._order(proposal)
        for line in lines:
            name = self._network.name("lineItems", line.get("dfpLineItemId") or self._new_item())
            self._line_items.save(self._line_item(line, name, order), order)
            line["dfpLineItemId"] = ident(name)
            line["isSold"] = True
            line["reservationStatus"] = "CHECK_LINE_ITEM_RESERVATION_STATUS"

    def pause(self, lines: Sequence[GamObject], *, paused: bool) -> None:
        for line in lines:
            if number := line.get("dfpLineItemId"):
                item = self._network.get("lineItems", self._network.name("lineItems", number))
                order = self._network.get("orders", item["order"])
                self._line_items.save({**item, "_paused": paused}, order)

    def archive(self, lines: Sequence[GamObject]) -> None:
        """Ends the delivery of lines that both sides removed from the deal."""
        for line in lines:
            if number := line.get("dfpLineItemId"):
                item = self._network.get("lineItems", self._network.name("lineItems", number))
                order = self._network.get("orders", item["order"])
                ended = {"archived": True, "reservationStatus": "UNRESERVED"}
                self._line_items.save({**item, **ended}, order)

    def _new_item(self) -> int:
        return self._network.new_id("lineItems")

    def _order(self, proposal: GamObject) -> GamObject:
        network = self._network
        number = proposal.get("dfpOrderId") or network.new_id("orders")
        before = network.store.get("orders", number) or {}
        proposal["dfpOrderId"] = number
        order = {
            "archived": False,
            "creator": network.store.fact("service user"),
            **before,
            "name": network.name("orders", number),
            "orderId": str(number),
            "displayName": proposal["name"],
            "programmatic": True,
            "advertiser": network.name("companies", proposal["advertiser"]["companyId"]),
            "trafficker": network.name("users", proposal["primaryTraffickerId"]),
            "salesperson": network.name("users", proposal["primarySalesperson"]["userId"]),
            "currencyCode": proposal["currencyCode"],
            "status": "APPROVED",
        }
        self._orders.save(order)
        return order

    def _line_item(self, line: GamObject, name: str, order: GamObject) -> GamObject:
        """The buyer has the creatives: the line item is active at once."""
        network = self._network
        goal = line.get("goal", {})
        deal = network.store.next_id("deal", _FIRST_DEAL)
        return {
            "dealInfo": {"externalDealId": str(deal)},
            "createTime": stamp(network.clock.now()),
            "_windows": [],
            **(network.store.get("lineItems", ident(name)) or {}),
            "name": name,
            "order": order["name"],
            "displayName": line["name"],
            "startTime": stamp(from_soap(line["startDateTime"], "startDateTime")),
            "targetEndTime": stamp(from_soap(line["endDateTime"], "endDateTime")),
            "endTimeUnlimited": False,
            "creativeRotationType": "OPTIMIZED",
            "deliveryRateType": line.get("deliveryRateType", "EVENLY"),
            "environmentType": line.get("environmentType", "BROWSER"),
            "lineItemType": line["lineItemType"],
            "rate": _money(line["netRate"]),
            "costType": line["rateType"],
            "goal": {**goal, "units": str(goal["units"])} if "units" in goal else goal,
            "creativePlaceholders": [_placeholder(entry) for entry in line["creativePlaceholders"]],
            "targeting": rest_targeting(network, line["targeting"]),
            "archived": False,
            "reservationStatus": "RESERVED",
            "_active": True,
            "_creatives": True,
        }


def _money(value: Mapping[str, Any]) -> dict[str, Any]:
    units, micros = divmod(value["microAmount"], _MICROS)
    return {
        "currencyCode": value["currencyCode"],
        "units": str(units),
        "nanos": micros * (_NANOS // _MICROS),
    }


def _placeholder(value: Mapping[str, Any]) -> dict[str, Any]:
    kind = value.get("creativeSizeType", "PIXEL")
    size = {"width": value["size"]["width"], "height": value["size"]["height"], "sizeType": kind}
    return {"size": size, "expectedCreativeCount": value.get("expectedCreativeCount", 1)}
