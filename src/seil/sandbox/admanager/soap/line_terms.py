"""The terms of each kind of deal: goal, units, rate, price, priority, delivery.

Kinds, goals and units:
https://developers.google.com/ad-manager/api/reference/v202608/ProposalLineItemService.ProposalLineItem,
rates: https://support.google.com/admanager/answer/6239628; priorities:
https://developers.google.com/ad-manager/api/reference/v202608/LineItemService.LineItem; reasons:
ProposalLineItemProgrammaticError, PreferredDealError and ReservationDetailsError below
https://developers.google.com/ad-manager/api/reference/v202608/ProposalLineItemService.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seil.sandbox.admanager.errors import AdManagerApiError, rejection, required_error

_WHOLE = 100
_RATE_PRECISION = 100
_COST_PRECISION = 10_000


@dataclass(frozen=True)
class DealTerms:
    """`units` by the rate that they go with; `priority` is the lowest and the highest."""

    goal: str
    units: Mapping[str, str]
    priority: tuple[int, int] | None


_TERMS = {
    "STANDARD": DealTerms(
        "LIFETIME", {"CPM": "IMPRESSIONS", "CPM_IN_TARGET": "IN_TARGET_IMPRESSIONS"}, (6, 10)
    ),
    "SPONSORSHIP": DealTerms("DAILY", {"CPM": "IMPRESSIONS", "CPD": "IMPRESSIONS"}, (2, 5)),
    # Its priority is fixed: https://support.google.com/admanager/answer/6239628.
    "PREFERRED_DEAL": DealTerms("NONE", {"CPM": "IMPRESSIONS"}, None),
}

_UNITS = frozenset(unit for terms in _TERMS.values() for unit in terms.units.values())


def check_terms(line: Mapping[str, Any], at: str) -> None:
    kind = line["lineItemType"]
    if kind not in _TERMS:
        raise _deal("INVALID_PROPOSAL_LINE_ITEM_TYPE", f"{at}.lineItemType", kind)
    terms = _TERMS[kind]
    if line["rateType"] not in terms.units:
        raise _rate_error(kind, f"{at}.rateType", line["rateType"])
    _check_priority(line, terms, f"{at}.lineItemPriority")
    _check_delivery(line, at)
    _check_goal(line, terms, f"{at}.goal")
    _check_quantities(line, at)


def check_prices(line: Mapping[str, Any], currency: str, at: str) -> None:
    """In the proposal's currency, with Ad Manager's precision."""
    for field, precision in (("netRate", _RATE_PRECISION), ("netCost", _COST_PRECISION)):
        if field not in line:
            continue
        for member in ("currencyCode", "microAmount"):
            if member not in line[field]:
                raise required_error(f"{at}.{field}.{member}")
        if (code := line[field]["currencyCode"]) != currency:
            message = f"The proposal's currency is {currency}, not {code}"
            path = f"{at}.{field}.currencyCode"
            raise rejection("CurrencyCodeError", "UNSUPPORTED", message, field=path, trigger=code)
        amount = line[field]["microAmount"]
        path = f"{at}.{field}.microAmount"
        if amount < 0:
            raise rejection("RangeError", "TOO_LOW", f"{amount} < 0", field=path, trigger=amount)
        if amount % precision:
            message = f"{amount} is no multiple of {precision}"
            reason = "WRONG_PRECISION"
            raise rejection("PrecisionError", reason, message, field=path, trigger=amount)
    if not line["netRate"]["microAmount"]:
        raise _deal("ZERO_COST_PER_UNIT_NOT_SUPPORTED", f"{at}.netRate.microAmount", 0)


def _check_priority(line: Mapping[str, Any], terms: DealTerms, field: str) -> None:
    priority = line.get("lineItemPriority")
    lowest, highest = terms.priority or (1, 0)
    if priority is not None and not lowest <= priority <= highest:
        kind = "ProposalLineItemError"
        reason = "INVALID_PRIORITY_FOR_LINE_ITEM_TYPE"
        raise _error(kind, reason, field, priority)


def _check_delivery(line: Mapping[str, Any], at: str) -> None:
    roadblocking, delivery = line.get("roadblockingType"), line["deliveryRateType"]
    if roadblocking == "CREATIVE_SET":
        raise _deal("ROADBLOCKING_NOT_SUPPORTED", f"{at}.roadblockingType", roadblocking)
    if (option := line.get("companionDeliveryOption", "UNKNOWN")) != "UNKNOWN":
        reason = "INVALID_COMPANION_DELIVERY_OPTION_FOR_ROADBLOCKING_TYPE"
        raise _error("ProposalLineItemError", reason, f"{at}.companionDeliveryOption", option)
    if line["lineItemType"] != "PREFERRED_DEAL":
        return
    if roadblocking not in (None, "ONE_OR_MORE"):
        raise _preferred("INVALID_ROADBLOCKING_TYPE", f"{at}.roadblockingType", roadblocking)
    if delivery != "FRONTLOADED":
        raise _preferred("INVALID_DELIVERY_RATE_TYPE", f"{at}.deliveryRateType", delivery)
    if line.get("frequencyCaps"):
        raise _preferred("INVALID_FREQUENCY_CAPS", f"{at}.frequencyCaps", "")
    if not line.get("estimatedMinimumImpressions"):
        raise required_error(f"{at}.estimatedMinimumImpressions")


def _check_goal(line: Mapping[str, Any], terms: DealTerms, at: str) -> None:
    goal, unit = line["goal"], terms.units[line["rateType"]]
    if "goalType" not in goal:
        raise required_error(f"{at}.goalType")
    if goal["goalType"] != terms.goal:
        raise _reservation("DURATION_NOT_ALLOWED", f"{at}.goalType", goal["goalType"])
    if terms.goal == "NONE":
        return
    for field in ("unitType", "units"):
        if field not in goal:
            raise required_error(f"{at}.{field}")
    if goal["unitType"] != unit:
        of_another_rate = goal["unitType"] in _UNITS
        mismatch = "COST_TYPE_UNIT_TYPE_MISMATCH_NOT_ALLOWED"
        reason = mismatch if of_another_rate else "UNIT_TYPE_NOT_ALLOWED"
        raise _reservation(reason, f"{at}.unitType", goal["unitType"])
    if goal["units"] < 1:
        raise _deal("INVALID_NUM_UNITS", f"{at}.units", goal["units"])
    if terms.goal == "DAILY" and goal["units"] > _WHOLE:
        raise _reservation("PERCENTAGE_UNITS_BOUGHT_TOO_HIGH", f"{at}.units", goal["units"])


def _check_quantities(line: Mapping[str, Any], at: str) -> None:
    """A sponsorship by day has a daily minimum, one by impressions a cap on them."""
    bought, caps = line.get("contractedUnitsBought"), line.get("secondaryGoals", [])
    sold_by = (line["lineItemType"], line["rateType"])
    if sold_by == ("SPONSORSHIP", "CPD") and (bought or 0) < 1:
        reason = "INVALID_SPONSORSHIP_CONTRACTED_UNITS_BOUGHT"
        raise _deal(reason, f"{at}.contractedUnitsBought", bought)
    if bought is not None and bought < 0:
        reason = "INVALID_CONTRACTED_UNITS_BOUGHT"
        raise _error("ProposalLineItemError", reason, f"{at}.contractedUnitsBought", bought)
    field = f"{at}.secondaryGoals"
    if sold_by != ("SPONSORSHIP", "CPM"):
        if caps:
            raise _error("CommonError", "NOT_APPLICABLE", field, "")
        return
    if len(caps) != 1:
        raise required_error(field)
    if caps[0].get("unitType") != "IMPRESSIONS":
        raise _reservation("UNIT_TYPE_NOT_ALLOWED", f"{field}[0].unitType", caps[0].get("unitType"))
    if caps[0].get("units", 0) < 1:
        raise _deal("INVALID_NUM_UNITS", f"{field}[0].units", caps[0].get("units"))


def _rate_error(kind: str, field: str, rate: str) -> AdManagerApiError:
    fault = _preferred if kind == "PREFERRED_DEAL" else _deal
    return fault("INVALID_RATE_TYPE", field, rate)


def _deal(reason: str, field: str, trigger: object) -> AdManagerApiError:
    return _error("ProposalLineItemProgrammaticError", reason, field, trigger)


def _preferred(reason: str, field: str, trigger: object) -> AdManagerApiError:
    return _error("PreferredDealError", reason, field, trigger)


def _reservation(reason: str, field: str, trigger: object) -> AdManagerApiError:
    return _error("ReservationDetailsError", reason, field, trigger)


def _error(kind: str, reason: str, field: str, trigger: object) -> AdManagerApiError:
    message = f"{field}: {reason.lower().replace('_', ' ')}"
    return rejection(kind, reason, message, field=field, trigger=trigger)
