"""Checks of proposal line items, alone and together with the others of their proposal.

Requirements:
https://developers.google.com/ad-manager/api/reference/v202608/ProposalLineItemService.ProposalLineItem;
reasons: ProposalLineItemError, ProposalLineItemProgrammaticError and DealError below
https://developers.google.com/ad-manager/api/reference/v202608/ProposalLineItemService.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from seil.sandbox.admanager.checks import check_caps, check_length
from seil.sandbox.admanager.errors import AdManagerApiError, rejection, required_error
from seil.sandbox.admanager.network import SandboxNetwork
from seil.sandbox.admanager.soap.dates import from_soap
from seil.sandbox.admanager.soap.line_sizes import check_placeholders, sizes
from seil.sandbox.admanager.soap.line_terms import check_prices, check_terms
from seil.sandbox.admanager.soap.references import (
    check_applied_labels,
    check_field_values,
    check_targeting,
)
from seil.sandbox.admanager.soap.states import was_sent

_FIELDS = (
    "proposalId",
    "name",
    "startDateTime",
    "endDateTime",
    "deliveryRateType",
    "lineItemType",
    "rateType",
    "netRate",
    "goal",
    "creativePlaceholders",
    "targeting",
)
_LONGEST_NOTES = 65_535
_LAST_END = datetime(2037, 1, 1, tzinfo=UTC)
_PREFERRED = "PREFERRED_DEAL"


def check_line(network: SandboxNetwork, line: Mapping[str, Any], currency: str, at: str) -> None:
    """Alone; `currency` is its proposal's."""
    for field in _FIELDS:
        if line.get(field) in (None, [], {}):
            raise required_error(f"{at}.{field}")
    check_length(line["name"], f"{at}.name")
    if notes := line.get("internalNotes"):
        check_length(notes, f"{at}.internalNotes", _LONGEST_NOTES)
    _check_dates(network, line, at)
    check_terms(line, at)
    check_prices(line, currency, at)
    _check_video(line, at)
    check_caps(line.get("frequencyCaps", ()), f"{at}.frequencyCaps", amount="numTimeUnits")
    check_placeholders(line, f"{at}.creativePlaceholders")
    for number, entry in enumerate(line["creativePlaceholders"]):
        path = f"{at}.creativePlaceholders[{number}].appliedLabels"
        check_applied_labels(network, entry.get("appliedLabels", ()), path)
    check_targeting(network, line["targeting"], f"{at}.targeting")
    check_applied_labels(network, line.get("appliedLabels", ()), f"{at}.appliedLabels")
    check_field_values(network, line, at, "PROPOSAL_LINE_ITEM")


def check_start(network: SandboxNetwork, line: Mapping[str, Any], at: str) -> None:
    """Unsold lines, and changed starts, must start in the future."""
    if from_soap(line["startDateTime"], f"{at}.startDateTime") <= network.clock.now():
        raise line_error("START_DATE_TIME_IS_IN_PAST", f"{at}.startDateTime")


def check_siblings(line: Mapping[str, Any], others: Sequence[Mapping[str, Any]], at: str) -> None:
    """`others` are the line items of the same proposal."""
    for other in others:
        if other["name"] == line["name"]:
            message = f"{line['name']!r} is the name of line item {other['id']} too"
            raise rejection("UniqueError", "", message, field=f"{at}.name", trigger=line["name"])
        preferred = (other["lineItemType"] == _PREFERRED, line["lineItemType"] == _PREFERRED)
        if not other["isArchived"] and len(set(preferred)) > 1:
            reason = "MIX_GUARANTEED_AND_PREFERRED_DEAL_NOT_ALLOWED"
            raise _programmatic(reason, f"{at}.lineItemType", line["lineItemType"])


def check_change(
    before: Mapping[str, Any], after: Mapping[str, Any], proposal: Mapping[str, Any], at: str
) -> None:
    """Fields that cannot change once the buyer has seen or bought the line."""
    changed = {name for name in {*before, *after} if before.get(name) != after.get(name)}
    # https://support.google.com/admanager/answer/6239632: not even before it serves.
    if "startDateTime" in changed and before["isSold"]:
        message = "The start of a line item that was sold cannot be changed"
        field = f"{at}.startDateTime"
        raise rejection("CommonError", "CANNOT_UPDATE", message, field=field)
    if not was_sent(proposal):
        return
    if "programmaticCreativeSource" in changed:
        reason = "CANNOT_UPDATE_PROGRAMMATIC_CREATIVE_SOURCE"
        raise _programmatic(reason, f"{at}.programmaticCreativeSource", "")
    # https://support.google.com/admanager/answer/7647446: fixed when it is sent.
    if before.get("environmentType", "BROWSER") != after.get("environmentType", "BROWSER"):
        raise line_error("INVALID_ENVIRONMENT_TYPE", f"{at}.environmentType")
    if after.get("programmaticCreativeSource") == "PUBLISHER" and sizes(before) != sizes(after):
        raise _programmatic("CANNOT_UPDATE_SIZES", f"{at}.creativePlaceholders", "")


def _check_dates(network: SandboxNetwork, line: Mapping[str, Any], at: str) -> None:
    start = from_soap(line["startDateTime"], f"{at}.startDateTime")
    end = from_soap(line["endDateTime"], f"{at}.endDateTime")
    for field in ("startDateTime", "endDateTime"):
        zone = line[field]["timeZoneId"]
        if zone != network.clock.zone.key:
            raise line_error("INVALID_TIME_ZONE_FOR_DEALS", f"{at}.{field}.timeZoneId", zone)
    if end <= start:
        raise line_error("END_DATE_TIME_NOT_AFTER_START_TIME", f"{at}.endDateTime")
    if end <= network.clock.now():
        raise line_error("END_DATE_TIME_IS_IN_PAST", f"{at}.endDateTime")
    if end > _LAST_END.replace(tzinfo=network.clock.zone):
        raise line_error("END_DATE_TIME_TOO_LATE", f"{at}.endDateTime")


def _check_video(line: Mapping[str, Any], at: str) -> None:
    """Fields for video only, or for display only."""
    video = line.get("environmentType") == "VIDEO_PLAYER"
    if line.get("videoMaxDuration") is not None:
        if not video:
            reason = "CANNOT_SET_VIDEO_DURATION_ON_NON_VIDEO_DEAL"
            raise line_error(reason, f"{at}.videoMaxDuration", line["videoMaxDuration"])
        if line["videoMaxDuration"] <= 0:
            reason = "INVALID_MAX_VIDEO_CREATIVE_DURATION"
            raise _programmatic(reason, f"{at}.videoMaxDuration", line["videoMaxDuration"])
    if line.get("videoCreativeSkippableAdType") and not video:
        field = f"{at}.videoCreativeSkippableAdType"
        raise line_error("SKIPPABLE_AD_TYPE_NOT_ALLOWED", field)
    if video and line.get("roadblockingType", "ONE_OR_MORE") != "ONE_OR_MORE":
        raise line_error("VIDEO_INVALID_ROADBLOCKING", f"{at}.roadblockingType")


def line_error(reason: str, field: str, trigger: object = "") -> AdManagerApiError:
    message = f"{field}: {reason.lower().replace('_', ' ')}"
    return rejection("ProposalLineItemError", reason, message, field=field, trigger=trigger)


def _programmatic(reason: str, field: str, trigger: object) -> AdManagerApiError:
    message = f"{field}: {reason.lower().replace('_', ' ')}"
    kind = "ProposalLineItemProgrammaticError"
    return rejection(kind, reason, message, field=field, trigger=trigger)
