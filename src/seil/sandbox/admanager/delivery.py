"""A line item's delivery: deterministic per line item and day.

Impressions and clicks are functions of time, so that stats, reports and forecasts agree: a report's
numbers of a day are the growth of the stats on that day.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from operator import itemgetter
from typing import Any
from zoneinfo import ZoneInfo

from seil.sandbox.admanager.clock import moment
from seil.sandbox.admanager.network import ident
from seil.sandbox.admanager.reservation import PERCENTAGES

_UNLIMITED_DAILY = 5_000
_SPONSORED_DAILY = 20_000
_WEEKEND = 0.8
_SECONDS = 86_400
_FOR_EVER = datetime(9999, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class DeliveredUnits:
    impressions: int
    clicks: int


def delivered_units(item: Mapping[str, Any], until: datetime, zone: ZoneInfo) -> DeliveredUnits:
    """Since the line item's start."""
    served = list(_served(item, until, zone))
    return _units(item, _total(served, len(served)))


def delivered_by_day(
    item: Mapping[str, Any], days: Iterable[date], until: datetime, zone: ZoneInfo
) -> Iterator[tuple[date, DeliveredUnits]]:
    """On each of these days in the network's zone, up to `until`."""
    served = list(_served(item, until, zone))
    for day in days:
        before = _units(item, _total(served, bisect_left(served, day, key=itemgetter(0))))
        after = _units(item, _total(served, bisect_right(served, day, key=itemgetter(0))))
        growth = (after.impressions - before.impressions, after.clicks - before.clicks)
        yield day, DeliveredUnits(*growth)


def click_rate(item: Mapping[str, Any]) -> float:
    """Between 0.1 % and 0.4 %."""
    return 0.001 + 0.003 * noise("clicks", ident(item["name"]))


def noise(*parts: object) -> float:
    """A number in [0, 1), deterministic in the parts."""
    digest = hashlib.sha256("/".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:6]) / float(1 << 48)


def span(item: Mapping[str, Any]) -> tuple[datetime, datetime]:
    """Start and end, auto extension included."""
    if not (end := item.get("targetEndTime")):
        return moment(item["startTime"]), _FOR_EVER
    extension = timedelta(days=int(item.get("autoExtensionDays", 0)))
    return moment(item["startTime"]), min(moment(end), _FOR_EVER - extension) + extension


def _served(
    item: Mapping[str, Any], until: datetime, zone: ZoneInfo
) -> Iterator[tuple[date, float]]:
    """(day in the network's zone, all that was served by its end)"""
    served = 0.0
    number = ident(item["name"])
    base = _base(item)
    for day, seconds in _days_on(item, until, zone):
        served += _daily(base, number, day) * seconds / _SECONDS
        yield day, served


def _units(item: Mapping[str, Any], served: float) -> DeliveredUnits:
    units = _lifetime_units(item)
    impressions = int(served if units is None else min(served, units))
    return DeliveredUnits(impressions, int(impressions * click_rate(item)))


def _total(served: Sequence[tuple[date, float]], count: int) -> float:
    """Of the first `count` entries."""
    return served[count - 1][1] if count else 0.0


def _days_on(
    item: Mapping[str, Any], until: datetime, zone: ZoneInfo
) -> Iterator[tuple[date, float]]:
    """(day in the network's zone, seconds of it that the line item was on)"""
    start, end = span(item)
    for opened, closed in item.get("_windows", ()):
        at = max(start, moment(opened))
        stop = min(end, until, moment(closed) if closed else _FOR_EVER)
        while at < stop:
            day = at.astimezone(zone).date()
            midnight = datetime.combine(day + timedelta(days=1), time(), zone).astimezone(UTC)
            yield day, (min(stop, midnight) - at).total_seconds()
            at = midnight


def _base(item: Mapping[str, Any]) -> float:
    """Impressions of an average day."""
    goal = item.get("goal", {})
    units = int(goal.get("units", 0))
    if goal.get("goalType") == "LIFETIME":
        start, end = span(item)
        return _impressions(item, units) / max((end - start).total_seconds() / _SECONDS, 1.0)
    if goal.get("goalType") == "DAILY":
        return _SPONSORED_DAILY * units / 100 if item["lineItemType"] in PERCENTAGES else units
    return _UNLIMITED_DAILY


def _daily(base: float, number: int, day: date) -> float:
    """Impressions of a whole day."""
    weekend = _WEEKEND if day.weekday() >= 5 else 1.05
    return base * weekend * (0.9 + 0.25 * noise("day", number, day))


def _lifetime_units(item: Mapping[str, Any]) -> float | None:
    goal = item.get("goal", {})
    if goal.get("goalType") != "LIFETIME":
        return None
    return _impressions(item, int(goal.get("units", 0)))


def _impressions(item: Mapping[str, Any], units: int) -> float:
    clicks = item.get("goal", {}).get("unitType") == "CLICKS"
    return units / click_rate(item) if clicks else units
