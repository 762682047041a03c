"""The network's traffic by demand, and how much of it is reserved.

The same numbers for the same request at the same time, and matched >= possible >= available >= 0:
https://developers.google.com/ad-manager/api/reference/v202608/ForecastService.AvailabilityForecast.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from seil.sandbox.admanager.delivery import noise, span
from seil.sandbox.admanager.life_cycle import RESERVABLE
from seil.sandbox.admanager.network import SandboxNetwork, ident

_LONGEST = timedelta(days=365)
_SECONDS = 86_400
_WHOLE_NETWORK = 2_000_000


@dataclass(frozen=True)
class Demand:
    """`ad_units` are ids, none: the whole network. `narrowings` are the criteria besides them."""

    start: datetime
    end: datetime
    ad_units: frozenset[int] = frozenset()
    narrowings: tuple[str, ...] = ()
    line_item: int = 0

    @property
    def days(self) -> float:
        return max(min(self.end - self.start, _LONGEST).total_seconds() / _SECONDS, 0)


@dataclass(frozen=True)
class Availability:
    matched: int
    possible: int
    available: int


def availability(network: SandboxNetwork, demand: Demand) -> Availability:
    daily = sum(map(daily_traffic, demand.ad_units)) if demand.ad_units else _WHOLE_NETWORK
    share = 1.0
    for narrowing in demand.narrowings:
        share *= 0.25 + 0.5 * noise("share", narrowing)
    matched = int(daily * demand.days * share)
    possible = int(matched * (0.88 + 0.1 * noise("possible", *sorted(demand.ad_units))))
    promised = sum(_promise(demand, item) for item in _reservations(network))
    return Availability(matched, possible, max(possible - int(promised * share), 0))


def daily_traffic(ad_unit: int) -> int:
    """An ad unit's impressions a day, its descendants included."""
    return 50_000 + int(250_000 * noise("traffic", ad_unit))


def demand_of(item: Mapping[str, Any]) -> Demand:
    """The demand of a REST line item."""
    start, end = span(item)
    targeting = item.get("targeting", {})
    units = targeting.get("inventoryTargeting", {}).get("targetedAdUnits", [])
    return Demand(
        start,
        end,
        frozenset(ident(unit["adUnit"]) for unit in units if "adUnit" in unit),
        narrowings(targeting),
        ident(item["name"]) if "name" in item else 0,
    )


def narrowings(targeting: Mapping[str, Any]) -> tuple[str, ...]:
    """Every kind of targeting besides the inventory."""
    return tuple(
        f"{kind} {targeting[kind]}"
        for kind in sorted(targeting)
        if kind != "inventoryTargeting" and targeting[kind]
    )


def _reservations(network: SandboxNetwork) -> Iterable[Mapping[str, Any]]:
    return (
        item
        for item in network.store.having("lineItems", "reservationStatus", "RESERVED")
        if item["lineItemType"] in RESERVABLE
    )


def _promise(demand: Demand, item: Mapping[str, Any]) -> float:
    """The share of the demand's ad units that a reserved line item takes while both run."""
    other = demand_of(item)
    if other.line_item == demand.line_item:
        return 0
    common = min(demand.end, other.end) - max(demand.start, other.start)
    if common <= timedelta() or not other.days:
        return 0
    overlap = common.total_seconds() / _SECONDS / other.days
    if demand.ad_units and other.ad_units:
        overlap *= len(demand.ad_units & other.ad_units) / len(other.ad_units)
    goal = item.get("goal", {})
    units = int(goal.get("units", 0))
    if goal.get("goalType") == "DAILY":
        units = int(sum(map(daily_traffic, other.ad_units)) * units / 100 * other.days)
    return units * min(overlap, 1.0)
