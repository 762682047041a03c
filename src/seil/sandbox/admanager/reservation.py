"""The goal, units, price and priority that each line item type allows.

Types, goals, units, cost types and priorities are those that the client documents for `LineItem`,
`Goal` and `LineItemCostType`:
https://developers.google.com/ad-manager/api/beta/reference/rest/v1/networks.lineItems; reasons:
https://developers.google.com/ad-manager/api/reference/v202608/LineItemService.ReservationDetailsError,
https://developers.google.com/ad-manager/api/reference/v202608/LineItemService.LineItemError.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from seil.sandbox.admanager.errors import AdManagerApiError, rejection, required_error

PERCENTAGES = frozenset({"SPONSORSHIP", "NETWORK", "HOUSE"})
"""Their daily goal is a share of the impressions."""
_WHOLE = 100


@dataclass(frozen=True)
class ReservationTerms:
    """`priority` is the default, the lowest and the highest."""

    goals: frozenset[str]
    costs: frozenset[str]
    units: frozenset[str]
    priority: tuple[int, int, int]


def _terms(goals: str, costs: str, units: str, priority: tuple[int, int, int]) -> ReservationTerms:
    return ReservationTerms(
        frozenset(goals.split()), frozenset(costs.split()), frozenset(units.split()), priority
    )


_STANDARD_UNITS = "IMPRESSIONS CLICKS VIEWABLE_IMPRESSIONS IN_TARGET_IMPRESSIONS COMPLETED_VIEWS"
# Of the last four types the reference names no cost type: CPM, as the user interface has it.
TERMS: Mapping[str, ReservationTerms] = {
    "SPONSORSHIP": _terms("DAILY", "CPC CPD CPM CPF", "IMPRESSIONS", (4, 2, 5)),
    "STANDARD": _terms("LIFETIME", "CPC CPM VCPM CPM_IN_TARGET CPCV", _STANDARD_UNITS, (8, 6, 10)),
    "NETWORK": _terms("DAILY", "CPC CPD CPM", "IMPRESSIONS", (12, 11, 14)),
    "BULK": _terms("LIFETIME", "CPC CPM", "IMPRESSIONS CLICKS", (12, 11, 14)),
    "PRICE_PRIORITY": _terms("NONE LIFETIME DAILY", "CPC CPM", "IMPRESSIONS CLICKS", (12, 11, 14)),
    "HOUSE": _terms("DAILY", "CPC CPM", "IMPRESSIONS", (16, 15, 16)),
    "CLICK_TRACKING": _terms("NONE LIFETIME", "CPM", "IMPRESSIONS", (16, 1, 16)),
    "ADSENSE": _terms("LIFETIME DAILY", "CPM", "IMPRESSIONS", (12, 1, 16)),
    "AD_EXCHANGE": _terms("NONE LIFETIME DAILY", "CPM", "IMPRESSIONS", (12, 1, 16)),
    "BUMPER": _terms("DAILY", "CPM", "IMPRESSIONS", (16, 15, 16)),
}
_UNITS_OF_COST = {
    "CPM": "IMPRESSIONS",
    "CPC": "CLICKS",
    "VCPM": "VIEWABLE_IMPRESSIONS",
    "CPM_IN_TARGET": "IN_TARGET_IMPRESSIONS",
    "CPCV": "COMPLETED_VIEWS",
}


def check_terms(item: Mapping[str, Any], at: str, *, goal: str = "goal") -> None:
    """`goal` is the field's name. Raises AdManagerApiError for terms that do not fit."""
    kind = item["lineItemType"]
    terms = TERMS.get(kind)
    if terms is None:
        message = f"{kind} line items are made by proposals alone"
        raise rejection(
            "ProgrammaticError",
            "INVALID_LINE_ITEM_TYPE",
            message,
            field=f"{at}.lineItemType",
            trigger=kind,
        )
    _check_cost(kind, terms, item["costType"], f"{at}.costType")
    _check_goal(kind, terms, item.get(goal, {}), f"{at}.{goal}")
    _check_units_of_cost(terms, item["costType"], item.get(goal, {}), f"{at}.costType")
    _check_priority(kind, terms, item.get("priority"), f"{at}.priority")


def _check_cost(kind: str, terms: ReservationTerms, cost: str, field: str) -> None:
    if cost == "CPA":
        raise _reservation("CPA_DEPRECATED", "CPA can only be read since 2024", field, cost)
    if cost not in terms.costs:
        message = f"A {kind} line item's cost type is one of {_either(terms.costs)}, not {cost}"
        raise _reservation("COST_TYPE_NOT_ALLOWED", message, field, cost)


def _check_goal(kind: str, terms: ReservationTerms, goal: Mapping[str, Any], field: str) -> None:
    duration = goal.get("goalType", "NONE" if "NONE" in terms.goals else "")
    if not duration:
        raise required_error(f"{field}.goalType")
    if duration not in terms.goals:
        reason = "DURATION_NOT_ALLOWED"
        if duration == "NONE":
            reason = "UNLIMITED_UNITS_BOUGHT_NOT_ALLOWED"
        message = f"A {kind} line item's goal is {_either(terms.goals)}, not {duration}"
        raise _reservation(reason, message, f"{field}.goalType", duration)
    if duration != "NONE":
        _check_units(kind, terms, goal, field)


def _check_units(kind: str, terms: ReservationTerms, goal: Mapping[str, Any], field: str) -> None:
    for name in ("unitType", "units"):
        if name not in goal:
            raise required_error(f"{field}.{name}")
    unit, units = goal["unitType"], int(goal["units"])
    if unit not in terms.units:
        message = f"A {kind} line item's units are {_either(terms.units)}, not {unit}"
        raise _reservation("UNIT_TYPE_NOT_ALLOWED", message, f"{field}.unitType", unit)
    if units < 1:
        # https://developers.google.com/ad-manager/api/reference/v202608/LineItemService.RequiredNumberError
        message = f"A goal is of at least one unit, not {units}"
        raise rejection(
            "RequiredNumberError", "TOO_SMALL", message, field=f"{field}.units", trigger=units
        )
    if kind in PERCENTAGES and units > _WHOLE:
        message = f"The goal of a {kind} line item is a percentage, not {units}"
        reason = "PERCENTAGE_UNITS_BOUGHT_TOO_HIGH"
        raise _reservation(reason, message, f"{field}.units", units)


def _check_units_of_cost(
    terms: ReservationTerms, cost: str, goal: Mapping[str, Any], field: str
) -> None:
    """Clicks are paid by the click, and what is paid by the click has clicks for a goal, where its
    type may have them.
    """
    requested = _UNITS_OF_COST.get(cost, "IMPRESSIONS")
    requested = requested if requested in terms.units else "IMPRESSIONS"
    unit = goal.get("unitType", requested)
    if unit != requested:
        message = f"{cost} goes with {requested}, not {unit}"
        raise _reservation("COST_TYPE_UNIT_TYPE_MISMATCH_NOT_ALLOWED", message, field, cost)


def _check_priority(kind: str, terms: ReservationTerms, priority: int | None, field: str) -> None:
    _, lowest, highest = terms.priority
    if priority is not None and not lowest <= priority <= highest:
        message = f"A {kind} line item's priority is {lowest} to {highest}, not {priority}"
        reason = "INVALID_PRIORITY_FOR_LINE_ITEM_TYPE"
        raise rejection("LineItemError", reason, message, field=field, trigger=priority)


def _reservation(reason: str, message: str, field: str, trigger: object) -> AdManagerApiError:
    return rejection("ReservationDetailsError", reason, message, field=field, trigger=trigger)


def _either(words: frozenset[str]) -> str:
    return " or ".join(sorted(words))
