"""Google's rules for deals that can be checked without its network.

https://developers.google.com/ad-manager/api/reference/v202608/ProposalLineItemService.ProposalLineItem,
rates: https://support.google.com/admanager/answer/6239628. Only given fields are checked: a change
omits others. Values that Google may add later are left to Google to check.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeAlias
from zoneinfo import ZoneInfo

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

if TYPE_CHECKING:
    from seil.admanager.models.proposal_line_item_fields import ProposalLineItemFields
    from seil.admanager.models.values import DateTime, Money

FieldFault: TypeAlias = tuple[tuple[str | int, ...], str, Any]
"""(path, message, value)"""

_WHOLE = 100
_RATE_STEP, _COST_STEP = 100, 10_000
_LAST_YEAR = 2037
_GOALS = {"STANDARD": "LIFETIME", "SPONSORSHIP": "DAILY", "PREFERRED_DEAL": "NONE"}
_RATES = {
    "STANDARD": ("CPM", "VCPM", "CPM_IN_TARGET"),
    "SPONSORSHIP": ("CPM", "CPD"),
    "PREFERRED_DEAL": ("CPM",),
}
_UNITS = {
    "CPM": "IMPRESSIONS",
    "CPD": "IMPRESSIONS",
    "VCPM": "VIEWABLE_IMPRESSIONS",
    "CPM_IN_TARGET": "IN_TARGET_IMPRESSIONS",
}
_NO_VALUE = ()
_SIZELESS = ("ASPECT_RATIO", "IGNORED")


def check_deal(item: ProposalLineItemFields, *, whole: bool) -> None:
    """Raises ValidationError with the path of every fault. `whole`: a new deal, not a change."""
    raise_field_faults(
        [
            *_price_faults(item),
            *_date_faults(item),
            *_term_faults(item),
            *_preferred_faults(item),
            *_size_faults(item),
            *(_missing(item) if whole else ()),
        ]
    )


def check_names(items: Iterable[ProposalLineItemFields], at: str) -> None:
    """Raises ValidationError for line items of a proposal that share a name."""
    names: set[tuple[int | None, str | None]] = set()
    faults: list[FieldFault] = []
    for number, item in enumerate(items):
        if item.name is not None and (item.proposal_id, item.name) in names:
            message = "is the name of another line item of the proposal"
            faults.append(((at, number, "name"), message, item.name))
        names.add((item.proposal_id, item.name))
    raise_field_faults(faults)


def raise_field_faults(faults: Iterable[FieldFault]) -> None:
    details = [
        InitErrorDetails(
            type=PydanticCustomError("deal", "{text}", {"text": text}), loc=loc, input=value
        )
        for loc, text, value in faults
    ]
    if details:
        raise ValidationError.from_exception_data("deal", details)


def _price_faults(item: ProposalLineItemFields) -> Iterator[FieldFault]:
    if item.net_rate is not None:
        yield from _amount_faults(item.net_rate, "netRate", _RATE_STEP, least=1)
    if item.net_cost is not None:
        yield from _amount_faults(item.net_cost, "netCost", _COST_STEP, least=0)
    if item.net_rate and item.net_cost:
        currency = item.net_rate.currency_code
        if item.net_cost.currency_code != currency:
            message = f"the rate is in {currency}"
            yield ("netCost", "currencyCode"), message, item.net_cost.currency_code


def _amount_faults(money: Money, field: str, step: int, *, least: int) -> Iterator[FieldFault]:
    path, amount = (field, "microAmount"), money.micro_amount
    if amount < least:
        yield path, "a deal costs more than nothing" if least else "a cost is not below 0", amount
    elif amount % step:
        yield path, f"must be a multiple of {step}: Google keeps no more digits", amount


def _date_faults(item: ProposalLineItemFields) -> Iterator[FieldFault]:
    if item.end_date_time is None:
        return
    end = _moment(item.end_date_time)
    if item.start_date_time is not None and end <= _moment(item.start_date_time):
        yield ("endDateTime",), "is not after startDateTime", _NO_VALUE
    if end > datetime(_LAST_YEAR, 1, 1, tzinfo=end.tzinfo):
        yield (
            ("endDateTime",),
            f"is after 1 January {_LAST_YEAR}, the last that Google takes",
            _NO_VALUE,
        )


def _term_faults(item: ProposalLineItemFields) -> Iterator[FieldFault]:
    """Rate and goal must fit the deal's type."""
    kind, rate, goal = item.line_item_type or "", item.rate_type or "", item.goal
    if rate and rate not in _RATES.get(kind, (rate,)):
        yield ("rateType",), f"a {kind} deal is sold by {' or '.join(_RATES[kind])}", rate
    if goal is None:
        return
    if goal.goal_type and goal.goal_type != _GOALS.get(kind, goal.goal_type):
        yield (
            ("goal", "goalType"),
            f"a {kind} deal has a goal of type {_GOALS[kind]}",
            goal.goal_type,
        )
    if goal.goal_type == "NONE":
        return
    if goal.unit_type and goal.unit_type != _UNITS.get(rate, goal.unit_type):
        yield ("goal", "unitType"), f"a rate of type {rate} is for {_UNITS[rate]}", goal.unit_type
    if goal.units is not None and goal.units < 1:
        yield ("goal", "units"), "is at least 1", goal.units
    if kind == "SPONSORSHIP" and (goal.units or 0) > _WHOLE:
        yield ("goal", "units"), f"is a percentage for {kind} deals, {_WHOLE} at most", goal.units


def _preferred_faults(item: ProposalLineItemFields) -> Iterator[FieldFault]:
    if item.line_item_type != "PREFERRED_DEAL":
        return
    for field, value, required in (
        ("deliveryRateType", item.delivery_rate_type, "FRONTLOADED"),
        ("roadblockingType", item.roadblocking_type, "ONE_OR_MORE"),
    ):
        if value not in (None, required):
            yield (field,), f"must be {required} for preferred deals", value
    if item.frequency_caps:
        yield ("frequencyCaps",), "preferred deals have none", _NO_VALUE


def _size_faults(item: ProposalLineItemFields) -> Iterator[FieldFault]:
    for number, placeholder in enumerate(item.creative_placeholders or ()):
        size_type = placeholder.creative_size_type
        if size_type in _SIZELESS or placeholder.size.is_aspect_ratio:
            path = ("creativePlaceholders", number, "creativeSizeType")
            yield path, "deals are sold by sizes in pixels", size_type


def _missing(item: ProposalLineItemFields) -> Iterator[FieldFault]:
    sold_by = (item.line_item_type, item.rate_type)
    bought = item.contracted_units_bought
    if sold_by == ("SPONSORSHIP", "CPD") and (bought or 0) < 1:
        yield ("contractedUnitsBought",), "a sponsorship by CPD has a daily minimum", bought
    if item.line_item_type == "PREFERRED_DEAL" and not item.estimated_minimum_impressions:
        message = "a preferred deal has an estimate"
        yield ("estimatedMinimumImpressions",), message, item.estimated_minimum_impressions


def _moment(value: DateTime) -> datetime:
    day = value.date
    return datetime(
        *(day.year, day.month, day.day),
        *(value.hour, value.minute, value.second),
        tzinfo=ZoneInfo(value.time_zone_id),
    )
