"""What a name, a date, a goal or a targeting has to be, and how a state's refusal is put."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seil.sandbox.admanager.delivery import span
from seil.sandbox.admanager.errors import ApiError, invalid, not_applicable, required
from seil.sandbox.admanager.life_cycle import RESERVABLE
from seil.sandbox.admanager.network import Network

_NAME_LENGTH = 255
_UNLIMITED = frozenset({"SPONSORSHIP", "NETWORK", "PRICE_PRIORITY", "HOUSE"})
_LONGEST_EXTENSION = 7


def check_length(text: str, field: str, longest: int = _NAME_LENGTH) -> None:
    if not text.strip():
        raise required(field)
    if len(text) > longest:
        raise ApiError(
            "INVALID_ARGUMENT",
            "StringLengthError",
            "TOO_LONG",
            f"{field} has {len(text)} characters, {longest} are allowed",
            field=field,
        )


def check_line_item(network: Network, item: Mapping[str, Any], at: str) -> None:
    check_length(item["displayName"], f"{at}.displayName")
    unlimited = item.get("endTimeUnlimited")
    if unlimited and item["lineItemType"] not in _UNLIMITED:
        raise ApiError(
            "INVALID_ARGUMENT",
            "ReservationDetailsError",
            "UNLIMITED_END_DATE_TIME_NOT_ALLOWED",
            f"A line item of type {item['lineItemType']} has an end",
            field=f"{at}.endTimeUnlimited",
        )
    if not unlimited and "targetEndTime" not in item:
        raise required(f"{at}.targetEndTime")
    start, end = span(item)
    if end <= start:
        raise bad_date("The end has to be after the start", f"{at}.targetEndTime")
    if int(item.get("autoExtensionDays", 0)) > _LONGEST_EXTENSION:
        message = f"autoExtensionDays is {_LONGEST_EXTENSION} at most"
        raise invalid(message, field=f"{at}.autoExtensionDays")
    _check_goal(item, at)
    _check_targeting(network, item.get("targeting", {}).get("inventoryTargeting", {}), at)


def _check_targeting(network: Network, inventory: Mapping[str, Any], at: str) -> None:
    place = f"{at}.targeting.inventoryTargeting"
    named = [*inventory.get("targetedAdUnits", []), *inventory.get("targetedPlacements", [])]
    if not named:
        raise ApiError(
            "INVALID_ARGUMENT",
            "InventoryTargetingError",
            "AT_LEAST_ONE_PLACEMENT_OR_INVENTORY_UNIT_REQUIRED",
            "At least one ad unit or placement has to be targeted",
            field=place,
        )
    for member in ("targetedAdUnits", "excludedAdUnits"):
        for unit in inventory.get(member, []):
            network.referred("adUnits", unit.get("adUnit", ""), field=f"{place}.{member}")
    for placement in inventory.get("targetedPlacements", []):
        network.referred("placements", placement, field=f"{place}.targetedPlacements")


def _check_goal(item: Mapping[str, Any], at: str) -> None:
    goal = item.get("goal", {})
    if item["lineItemType"] not in RESERVABLE:
        return
    wanted = "LIFETIME" if item["lineItemType"] == "STANDARD" else "DAILY"
    if goal.get("goalType") != wanted or int(goal.get("units", 0)) <= 0:
        message = f"A {item['lineItemType']} line item has a {wanted} goal of at least one unit"
        raise invalid(message, field=f"{at}.goal")
    if wanted == "DAILY" and int(goal["units"]) > 100:
        raise ApiError(
            "INVALID_ARGUMENT",
            "ReservationDetailsError",
            "PERCENTAGE_UNITS_BOUGHT_TOO_HIGH",
            "The goal of a SPONSORSHIP line item is a percentage",
            field=f"{at}.goal.units",
        )


def bad_date(message: str, field: str) -> ApiError:
    reason = "INVALID_LINE_ITEM_DATE_TIME"
    return ApiError("INVALID_ARGUMENT", "LineItemError", reason, message, field=field)


def refused(kind: str, reason: str, thing: Mapping[str, Any]) -> ApiError:
    state = "archived" if thing.get("archived") else thing.get("status", "in its state")
    message = f"{thing['name']} is {state}: {reason.lower().replace('_', ' ')}"
    return not_applicable(kind, message, reason=reason)
