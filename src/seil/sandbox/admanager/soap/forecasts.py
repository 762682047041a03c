"""Availability of existing and of prospective line items.

https://developers.google.com/ad-manager/api/reference/v202608/ForecastService: only this API has
prospective ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from seil.sandbox.admanager.checks import check_caps, check_currency
from seil.sandbox.admanager.errors import AdManagerApiError, dangling, required_error
from seil.sandbox.admanager.inventory import Demand, availability, demand_of, narrowings
from seil.sandbox.admanager.line_items import SandboxLineItems
from seil.sandbox.admanager.network import GamObject, SandboxNetwork
from seil.sandbox.admanager.reservation import check_terms
from seil.sandbox.admanager.soap.dates import from_soap
from seil.sandbox.admanager.soap.references import check_targeting

_NEEDED = ("lineItemType", "targeting", "creativePlaceholders")
_AT = "lineItem.lineItem"


def _check_booking(network: SandboxNetwork, item: Mapping[str, Any]) -> None:
    """Validates the given terms, as for a booking."""
    if "costType" in item and "primaryGoal" in item:
        check_terms(item, _AT, goal="primaryGoal")
    for name in ("costPerUnit", "valueCostPerUnit"):
        if name in item:
            check_currency(network, item[name].get("currencyCode", ""), f"{_AT}.{name}")
    check_caps(item.get("frequencyCaps", ()), f"{_AT}.frequencyCaps", amount="numTimeUnits")


class SandboxForecasts:
    def __init__(self, network: SandboxNetwork, line_items: SandboxLineItems) -> None:
        self._network = network
        self._line_items = line_items

    def existing(self, arguments: Mapping[str, Any]) -> GamObject:
        number = arguments.get("lineItemId")
        if number is None:
            raise required_error("lineItemId")
        item = self._network.store.get("lineItems", number)
        if item is None:
            raise dangling(str(number), field="lineItemId")
        forecast = self._forecast(demand_of(item), item.get("goal", {}))
        order = self._network.number("orders", item["order"])
        served = self._line_items.impressions(item)
        return {**forecast, "lineItemId": number, "orderId": order, "deliveredUnits": served}

    def prospective(self, arguments: Mapping[str, Any]) -> GamObject:
        wish = arguments.get("lineItem", {})
        if "proposalLineItem" in wish:
            item, goal = wish["proposalLineItem"], wish["proposalLineItem"].get("goal", {})
        else:
            item, goal = wish.get("lineItem"), (wish.get("lineItem") or {}).get("primaryGoal", {})
        if not item:
            raise required_error(_AT)
        for field in _NEEDED:
            if not item.get(field):
                raise required_error(f"{_AT}.{field}")
        self._check_references(wish, item)
        if item is wish.get("lineItem"):
            _check_booking(self._network, item)
        forecast = self._forecast(self._demand(item), goal)
        identity = {"lineItemId": item.get("id"), "orderId": item.get("orderId")}
        return {**forecast, **identity, "deliveredUnits": 0}

    def _check_references(self, wish: Mapping[str, Any], item: Mapping[str, Any]) -> None:
        check_targeting(self._network, item["targeting"], f"{_AT}.targeting")
        for kind, number, field in (
            ("companies", wish.get("advertiserId"), "lineItem.advertiserId"),
            ("orders", item.get("orderId"), f"{_AT}.orderId"),
        ):
            if number is not None and self._network.store.get(kind, number) is None:
                raise dangling(str(number), field=field)

    def _demand(self, item: Mapping[str, Any]) -> Demand:
        start, end = self._start(item), self._end(item)
        if end <= start:
            raise AdManagerApiError(
                "INVALID_ARGUMENT",
                "DateError",
                "END_DATE_BEFORE_START_DATE",
                "The end has to be after the start",
                field=f"{_AT}.endDateTime",
            )
        return soap_demand(item["targeting"], start, end, item.get("id", 0))

    def _start(self, item: Mapping[str, Any]) -> datetime:
        now = self._network.clock.now()
        match item.get("startDateTimeType", "USE_START_DATE_TIME"):
            case "IMMEDIATELY":
                return now
            case "ONE_HOUR_FROM_NOW":
                return now + timedelta(hours=1)
        if "startDateTime" not in item:
            raise required_error(f"{_AT}.startDateTime")
        return from_soap(item["startDateTime"], f"{_AT}.startDateTime")

    def _end(self, item: Mapping[str, Any]) -> datetime:
        if item.get("unlimitedEndDateTime"):
            return self._start(item) + timedelta(days=365)
        if "endDateTime" not in item:
            raise required_error(f"{_AT}.endDateTime")
        return from_soap(item["endDateTime"], f"{_AT}.endDateTime")

    def _forecast(self, demand: Demand, goal: Mapping[str, Any]) -> GamObject:
        inventory = availability(self._network, demand)
        return {
            "unitType": goal.get("unitType", "IMPRESSIONS"),
            "availableUnits": inventory.available,
            "matchedUnits": inventory.matched,
            "possibleUnits": inventory.possible,
            "reservedUnits": int(goal.get("units", 0)),
        }


def soap_demand(targeting: Mapping[str, Any], start: datetime, end: datetime, item: int) -> Demand:
    """The demand of a SOAP targeting; `item` is the line item's id, 0 where it has none."""
    units = targeting["inventoryTargeting"].get("targetedAdUnits", [])
    ad_units = frozenset(int(unit["adUnitId"]) for unit in units)
    return Demand(start, end, ad_units, narrowings(targeting), item)
