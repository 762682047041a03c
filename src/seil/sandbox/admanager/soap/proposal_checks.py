"""What a proposal and its line items need: the "required" of Google's reference, and references."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seil.sandbox.admanager.checks import check_length
from seil.sandbox.admanager.errors import ApiError, Status, dangling, required
from seil.sandbox.admanager.network import Network
from seil.sandbox.admanager.soap.dates import from_soap

_BAD: Status = "INVALID_ARGUMENT"
_LINE_FIELDS = (
    "proposalId",
    "name",
    "startDateTime",
    "endDateTime",
    "lineItemType",
    "rateType",
    "netRate",
    "creativePlaceholders",
    "targeting",
)
_TYPES = ("STANDARD", "SPONSORSHIP", "PREFERRED_DEAL")
_GOALS = {"STANDARD": "LIFETIME", "SPONSORSHIP": "DAILY"}


def check_proposal(network: Network, proposal: Mapping[str, Any], at: str) -> None:
    if "name" not in proposal:
        raise required(f"{at}.name")
    check_length(proposal["name"], f"{at}.name")
    number = proposal.get("marketplaceInfo", {}).get("buyerAccountId")
    if number is None:
        raise required(f"{at}.marketplaceInfo.buyerAccountId")
    buyer = network.store.get("programmaticBuyers", number)
    if buyer is None or not buyer["programmaticGuaranteedEnabled"]:
        raise ApiError(
            _BAD,
            "ProgrammaticError",
            "INVALID_BUYER",
            f"{number} is no buyer for programmatic guaranteed deals",
            field=f"{at}.marketplaceInfo.buyerAccountId",
            trigger=str(number),
        )
    if advertiser := proposal.get("advertiser"):
        _check_company(network, advertiser, f"{at}.advertiser")
    _check_users(network, proposal, at)


def _check_company(network: Network, given: Mapping[str, Any], at: str) -> None:
    if "companyId" not in given:
        raise required(f"{at}.companyId")
    company = network.store.get("companies", given["companyId"])
    if company is None:
        raise dangling(str(given["companyId"]), field=f"{at}.companyId")
    if company["type"] != "ADVERTISER":
        raise ApiError(
            _BAD,
            "CompanyError",
            "INVALID_COMPANY_TYPE",
            f"{given['companyId']} is of type {company['type']}, not ADVERTISER",
            field=f"{at}.companyId",
            trigger=str(given["companyId"]),
        )


def _check_users(network: Network, proposal: Mapping[str, Any], at: str) -> None:
    named = {
        "primaryTraffickerId": [proposal.get("primaryTraffickerId")],
        "primarySalesperson.userId": [proposal.get("primarySalesperson", {}).get("userId")],
        "salesPlannerIds": proposal.get("salesPlannerIds", []),
        "sellerContactIds": proposal.get("sellerContactIds", []),
    }
    for field, users in named.items():
        for user in users:
            if user is not None and network.store.get("users", user) is None:
                raise dangling(str(user), field=f"{at}.{field}")


def check_line(network: Network, line: Mapping[str, Any], at: str, *, new: bool) -> None:
    """`new`: it may not have begun yet."""
    for field in _LINE_FIELDS:
        if line.get(field) in (None, [], {}):
            raise required(f"{at}.{field}")
    check_length(line["name"], f"{at}.name")
    _check_dates(network, line, at, new=new)
    if line["lineItemType"] not in _TYPES:
        raise _line_error("LINE_ITEM_TYPE_NOT_ALLOWED", f"{at}.lineItemType", line["lineItemType"])
    goal = line.get("goal", {})
    if goal.get("goalType", "NONE") != _GOALS.get(line["lineItemType"], "NONE"):
        raise required(f"{at}.goal.goalType")
    if line["lineItemType"] in _GOALS and goal.get("units", 0) <= 0:
        raise required(f"{at}.goal.units")
    for member in ("currencyCode", "microAmount"):
        if member not in line["netRate"]:
            raise required(f"{at}.netRate.{member}")
    for number, placeholder in enumerate(line["creativePlaceholders"]):
        if not {"width", "height"} <= placeholder.get("size", {}).keys():
            place = f"{at}.creativePlaceholders[{number}].size"
            raise _line_error("SIZE_REQUIRED", place, "")
    check_inventory(network, line["targeting"], at)


def check_inventory(network: Network, targeting: Mapping[str, Any], at: str) -> None:
    place = f"{at}.targeting.inventoryTargeting"
    inventory = targeting.get("inventoryTargeting", {})
    if not inventory.get("targetedAdUnits") and not inventory.get("targetedPlacementIds"):
        raise ApiError(
            _BAD,
            "InventoryTargetingError",
            "AT_LEAST_ONE_PLACEMENT_OR_INVENTORY_UNIT_REQUIRED",
            "At least one ad unit or placement has to be targeted",
            field=place,
        )
    for member in ("targetedAdUnits", "excludedAdUnits"):
        for unit in inventory.get(member, []):
            number = unit.get("adUnitId", "")
            if not number.isdecimal() or network.store.get("adUnits", int(number)) is None:
                raise dangling(number, field=f"{place}.{member}.adUnitId")
    for number in inventory.get("targetedPlacementIds", []):
        if network.store.get("placements", number) is None:
            raise dangling(str(number), field=f"{place}.targetedPlacementIds")


def _check_dates(network: Network, line: Mapping[str, Any], at: str, *, new: bool) -> None:
    start = from_soap(line["startDateTime"], f"{at}.startDateTime")
    end = from_soap(line["endDateTime"], f"{at}.endDateTime")
    now = network.clock.now()
    if end <= start:
        raise _line_error("END_DATE_TIME_NOT_AFTER_START_TIME", f"{at}.endDateTime", "")
    if new and start <= now:
        raise _line_error("START_DATE_TIME_IS_IN_PAST", f"{at}.startDateTime", "")
    if end <= now:
        raise _line_error("END_DATE_TIME_IS_IN_PAST", f"{at}.endDateTime", "")


def _line_error(reason: str, field: str, trigger: str) -> ApiError:
    message = f"{field}: {reason.lower().replace('_', ' ')}"
    return ApiError(_BAD, "ProposalLineItemError", reason, message, field=field, trigger=trigger)
