"""Checks of orders and line items: names, dates, prices, caps; and the errors of wrong states.

Reasons: https://developers.google.com/ad-manager/api/reference/v202608/LineItemService.LineItemError
and, beside it, LineItemFlightDateError, FrequencyCapError and RangeError.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from seil.sandbox.admanager.associations import (
    check_companies,
    check_custom_fields,
    check_labels,
    check_people,
    check_teams,
)
from seil.sandbox.admanager.clock import moment
from seil.sandbox.admanager.errors import (
    AdManagerApiError,
    not_applicable,
    rejection,
    required_error,
)
from seil.sandbox.admanager.network import SandboxNetwork
from seil.sandbox.admanager.placeholders import check_placeholders
from seil.sandbox.admanager.reservation import check_terms
from seil.sandbox.admanager.targeting import check_criteria, check_targeting
from seil.sandbox.admanager.video import check_video

_NAME_LENGTH = 255
_UNLIMITED = frozenset({"SPONSORSHIP", "NETWORK", "PRICE_PRIORITY", "HOUSE"})
_BACKFILL = frozenset({"ADSENSE", "AD_EXCHANGE"})
_LONGEST_EXTENSION = 7
_WHOLE = 100
_LAST_YEAR = 2037
_NANOS = 10**9


def check_order(network: SandboxNetwork, order: Mapping[str, Any], at: str) -> None:
    check_length(order["displayName"], f"{at}.displayName")
    check_companies(network, order, at)
    check_people(network, order, at)
    check_teams(network, order, at)
    check_labels(network, order.get("appliedLabels", ()), f"{at}.appliedLabels")
    check_custom_fields(network, order, at, "ORDER")


def check_length(text: str, field: str, longest: int = _NAME_LENGTH) -> None:
    if not text.strip():
        raise required_error(field)
    if len(text) > longest:
        message = f"{field} has {len(text)} characters, {longest} are allowed"
        raise rejection("StringLengthError", "TOO_LONG", message, field=field)


def check_line_item(network: SandboxNetwork, item: Mapping[str, Any], at: str) -> None:
    check_length(item["displayName"], f"{at}.displayName")
    _check_dates(network, item, at)
    check_terms(item, at)
    _check_prices(network, item, at)
    check_caps(item.get("frequencyCaps", ()), f"{at}.frequencyCaps")
    _check_backfill(item, at)
    check_video(item, at)
    check_placeholders(item, at)
    check_targeting(network, item.get("targeting", {}), f"{at}.targeting")
    for number, entry in enumerate(item.get("creativeTargetings", ())):
        path = f"{at}.creativeTargetings[{number}].targeting"
        check_criteria(network, entry.get("targeting", {}), path)
    check_labels(network, item.get("appliedLabels", ()), f"{at}.appliedLabels")
    for number, entry in enumerate(item["creativePlaceholders"]):
        path = f"{at}.creativePlaceholders[{number}].appliedLabels"
        check_labels(network, entry.get("appliedLabels", ()), path)
    check_custom_fields(network, item, at, "LINE_ITEM")
    _check_measurement(item, at)


def _check_dates(network: SandboxNetwork, item: Mapping[str, Any], at: str) -> None:
    field, unlimited = f"{at}.targetEndTime", item.get("endTimeUnlimited")
    if unlimited and item["lineItemType"] not in _UNLIMITED:
        message = f"A line item of type {item['lineItemType']} has an end"
        reason = "UNLIMITED_END_DATE_TIME_NOT_ALLOWED"
        path = f"{at}.endTimeUnlimited"
        raise rejection("ReservationDetailsError", reason, message, field=path)
    if not unlimited and "targetEndTime" not in item:
        raise required_error(field)
    if "targetEndTime" in item:
        check_flight(item["startTime"], item["targetEndTime"], network.clock.zone, field)
    extension = int(item.get("autoExtensionDays", 0))
    check_range(extension, (0, _LONGEST_EXTENSION), f"{at}.autoExtensionDays")


def check_flight(start: str, end: str, zone: ZoneInfo, field: str) -> None:
    """The end comes after the start and not after the last day that Ad Manager knows: 1 January
    2037, https://developers.google.com/ad-manager/api/reference/v202608/AdRuleService.AdRuleDateError.
    """
    if moment(end) <= moment(start):
        raise flight_error("END_DATE_TIME_NOT_AFTER_START_TIME", field, end)
    if moment(end) > datetime(_LAST_YEAR, 1, 1, tzinfo=zone):
        raise flight_error("END_DATE_TIME_TOO_LATE", field, end)


def _check_prices(network: SandboxNetwork, item: Mapping[str, Any], at: str) -> None:
    for name in ("rate", "valueCpm"):
        if name in item:
            check_currency(network, item[name].get("currencyCode", ""), f"{at}.{name}")
            check_range(_amount(item[name]), (0, None), f"{at}.{name}")
    _check_discount(item.get("discount", {}), f"{at}.discount")
    bought = int(item.get("contractedUnitsBought", 0))
    check_range(bought, (0, None), f"{at}.contractedUnitsBought")


def check_currency(network: SandboxNetwork, code: str, field: str) -> None:
    """Prices must be in the order's currency, which is the network's."""
    if not code:
        raise required_error(f"{field}.currencyCode")
    if code != (own := network.store.fact("currency")):
        message = f"The network's currency is {own}, not {code}"
        path = f"{field}.currencyCode"
        reason = "INVALID_LINE_ITEM_CURRENCY"
        raise rejection("LineItemError", reason, message, field=path, trigger=code)


def _check_discount(item: Mapping[str, Any], at: str) -> None:
    """`LineItemDiscount`: "if PERCENTAGE, then only non-fractional values are supported"."""
    discount, field = item.get("discount", 0.0), f"{at}.discount"
    percentage = item.get("discountType", "PERCENTAGE") == "PERCENTAGE"
    check_range(discount, (0, _WHOLE if percentage else None), field)
    if percentage and discount != int(discount):
        message = f"A percentage is whole, not {discount}"
        reason = "FRACTIONAL_PERCENTAGE_NOT_ALLOWED"
        raise rejection("LineItemError", reason, message, field=field, trigger=discount)


def check_caps(caps: Sequence[Mapping[str, Any]], at: str, *, amount: str = "timeAmount") -> None:
    """`amount` is the field that counts the time units."""
    seen: dict[str, int] = {}
    for number, cap in enumerate(caps):
        path = f"{at}[{number}]"
        for name, reason in (("maxImpressions", "IMPRESSIONS_TOO_LOW"), (amount, "RANGE_TOO_LOW")):
            if int(cap.get(name, 0)) < 1:
                message = f"{name} is at least 1, not {cap.get(name, 0)}"
                raise _cap_error(reason, message, f"{path}.{name}")
        unit, count = cap.get("timeUnit", ""), int(cap[amount])
        if not unit:
            raise required_error(f"{path}.timeUnit")
        if unit in seen:
            reason = "DUPLICATE_TIME_RANGE" if seen[unit] == count else "DUPLICATE_TIME_UNIT"
            raise _cap_error(reason, f"{unit} is capped twice", f"{path}.timeUnit")
        seen[unit] = count


def _check_backfill(item: Mapping[str, Any], at: str) -> None:
    """`webPropertyCode`: "only required with line item types AD_EXCHANGE and ADSENSE"."""
    kind, field = item["lineItemType"], f"{at}.webPropertyCode"
    if kind in _BACKFILL and not item.get("webPropertyCode"):
        raise required_error(field)
    if kind not in _BACKFILL and item.get("webPropertyCode"):
        reason = "BACKFILL_WEBPROPERTY_CODE_NOT_ALLOWED"
        message = f"A {kind} line item has no web property"
        raise rejection("ReservationDetailsError", reason, message, field=field)


def _check_measurement(item: Mapping[str, Any], at: str) -> None:
    """The stand-in's network has no viewability providers."""
    for name in item.get("viewabilityProviderCompanies", ()):
        reason, field = "INVALID_VIEWABILITY_PROVIDER_COMPANY", f"{at}.viewabilityProviderCompanies"
        message = f"{name} measures no viewability"
        raise rejection("LineItemError", reason, message, field=field, trigger=name)


def check_range(value: float, bounds: tuple[float, float | None], field: str) -> None:
    lowest, highest = bounds
    if value < lowest:
        message = f"{field} is at least {lowest}, not {value}"
        raise rejection("RangeError", "TOO_LOW", message, field=field, trigger=value)
    if highest is not None and value > highest:
        message = f"{field} is {highest} at most, not {value}"
        raise rejection("RangeError", "TOO_HIGH", message, field=field, trigger=value)


def flight_error(reason: str, field: str, trigger: str = "") -> AdManagerApiError:
    message = reason.lower().replace("_", " ")
    return rejection("LineItemFlightDateError", reason, message, field=field, trigger=trigger)


def action_error(kind: str, reason: str, entity: Mapping[str, Any]) -> AdManagerApiError:
    state = "archived" if entity.get("archived") else entity.get("status", "live")
    message = f"{entity['name']} is {state}: {reason.lower().replace('_', ' ')}"
    return not_applicable(kind, message, reason=reason)


def _amount(money: Mapping[str, Any]) -> float:
    return int(money.get("units", 0)) + int(money.get("nanos", 0)) / _NANOS


def _cap_error(reason: str, message: str, field: str) -> AdManagerApiError:
    return rejection("FrequencyCapError", reason, message, field=field)
