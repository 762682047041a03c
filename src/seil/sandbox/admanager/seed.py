"""A new network: believable companies, users, inventory, buyers and bookings.

The ids are the same in every network, so that examples and tests can name them; names, sizes of
bookings and dates follow the seed and the day it is made.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime, time, timedelta
from typing import Any

from seil.sandbox.admanager.account import EMAIL
from seil.sandbox.admanager.catalog import catalog
from seil.sandbox.admanager.clock import Clock, stamp
from seil.sandbox.admanager.network import CODE_FACT, GamObject
from seil.sandbox.admanager.options import AdManagerOptions
from seil.sandbox.admanager.store import NetworkStore

ADVERTISER_ID = 4_500_000_001
AGENCY_ID = 4_500_000_009
TRAFFICKER_ID = 240_000_001
SALESPERSON_ID = 240_000_003
INACTIVE_USER_ID = 240_000_006
ROOT_AD_UNIT_ID = 21_700_000_001
AD_UNIT_ID = 21_700_000_003
PLACEMENT_ID = 31_000_001
BUYER_ACCOUNT_ID = 550_001
PARTNER_CLIENT_ID = "88100001"
SHARED_PARTNER_CLIENT_ID = "88100009"
"""Two buyers have this one."""
CURRENCY = "AUD"

_TRADES = ["Coffee", "Outdoor", "Travel", "Motors", "Insurance", "Grocers", "Cinemas", "Energy"]
_PLACES = ["Harbour", "Summit", "Coastal", "Northern", "Riverside", "Wattle", "Metro", "Southern"]
_PLACES += ["Banksia", "Tidal"]
_SECTIONS = ["home", "news", "sport", "lifestyle", "travel", "finance"]
_ROLES = (
    ("Trafficker", True),
    ("Trafficker, backup", True),
    ("Salesperson", True),
    ("Salesperson, backup", True),
    ("Sales planner", True),
    ("Former trafficker", False),
)
_SIZES = ((300, 250), (728, 90), (970, 250), (320, 50))


def plant(store: NetworkStore, clock: Clock, options: AdManagerOptions) -> bool:
    """Creates the network, or completes one from before the catalog; whether it created one."""
    if code := store.fact(CODE_FACT):
        with store.transaction():
            _plant_catalog(store, code)
        return False
    with store.transaction():
        store.set_fact(CODE_FACT, options.network_code)
        store.set_fact("currency", CURRENCY)
        seedling = Seedling(options.network_code, random.Random(options.seed), clock)
        store.set_fact("service user", seedling.name("users", TRAFFICKER_ID + len(_ROLES)))
        for kind, entities in seedling.everything():
            for number, entity in entities:
                store.put(kind, number, entity)
        _plant_catalog(store, options.network_code)
    return True


def _plant_catalog(store: NetworkStore, code: str) -> None:
    def name(kind: str, number: int) -> str:
        return f"networks/{code}/{kind}/{number}"

    kinds = store.counts().keys()
    for kind, number, entity in catalog(name, advertiser=ADVERTISER_ID, agency=AGENCY_ID):
        if kind not in kinds:
            store.put(kind, number, entity)


class Seedling:
    def __init__(self, code: str, chance: random.Random, clock: Clock) -> None:
        self._code = code
        self._chance = chance
        self._now = clock.now()
        today = self._now.astimezone(clock.zone).date()
        self._midnight = datetime.combine(today, time(), clock.zone)

    def name(self, kind: str, number: int) -> str:
        return f"networks/{self._code}/{kind}/{number}"

    def everything(self) -> Iterator[tuple[str, list[tuple[int, GamObject]]]]:
        yield "companies", list(self._companies())
        yield "users", list(self._users())
        yield "adUnits", list(self._ad_units())
        yield "placements", list(self._placements())
        yield "programmaticBuyers", list(self._buyers())
        yield from self._bookings()

    def _companies(self) -> Iterator[tuple[int, GamObject]]:
        cities = self._chance.sample(_PLACES, len(_PLACES))
        kinds = [("ADVERTISER", trade) for trade in _TRADES]
        kinds += [("AGENCY", "Media"), ("AGENCY", "Communications"), ("HOUSE_ADVERTISER", "House")]
        for at, (kind, trade) in enumerate(kinds):
            number = ADVERTISER_ID + at
            yield (
                number,
                {
                    "name": self.name("companies", number),
                    "companyId": str(number),
                    "displayName": f"{cities[at % len(cities)]} {trade}",
                    "type": kind,
                    "creditStatus": "ACTIVE",
                    "updateTime": self._at(days=-400),
                },
            )

    def _users(self) -> Iterator[tuple[int, GamObject]]:
        people = [*_ROLES, ("SEIL service account", True)]
        for at, (title, active) in enumerate(people):
            number = TRAFFICKER_ID + at
            service = at == len(_ROLES)
            email = EMAIL if service else f"user{at + 1}@stand-in.invalid"
            yield (
                number,
                {
                    "name": self.name("users", number),
                    "userId": str(number),
                    "displayName": title,
                    "email": email,
                    "role": self.name("roles", -1),
                    "active": active,
                    "serviceAccount": service,
                },
            )

    def _ad_units(self) -> Iterator[tuple[int, GamObject]]:
        root = ROOT_AD_UNIT_ID
        yield root, self._ad_unit(root, None, "Network", has_children=True)
        for at, section in enumerate(_SECTIONS):
            number = root + 1 + 2 * at
            yield number, self._ad_unit(number, root, section, has_children=True)
            below = f"{section}_article"
            yield number + 1, self._ad_unit(number + 1, number, below, has_children=False)

    def _ad_unit(
        self, number: int, parent: int | None, code: str, *, has_children: bool
    ) -> GamObject:
        unit: GamObject = {
            "name": self.name("adUnits", number),
            "adUnitId": str(number),
            "displayName": code.replace("_", " ").capitalize(),
            "adUnitCode": code,
            "status": "ACTIVE",
            "hasChildren": has_children,
            "updateTime": self._at(days=-500),
        }
        if parent:
            unit["parentAdUnit"] = self.name("adUnits", parent)
            unit["adUnitSizes"] = [
                {"size": {**_size(*size)}, "environmentType": "BROWSER"} for size in _SIZES
            ]
        return unit

    def _placements(self) -> Iterator[tuple[int, GamObject]]:
        for at, title in enumerate(("All articles", "All sections")):
            number = PLACEMENT_ID + at
            units = [
                self.name("adUnits", ROOT_AD_UNIT_ID + (2 if at == 0 else 1) + 2 * section)
                for section in range(len(_SECTIONS))
            ]
            yield (
                number,
                {
                    "name": self.name("placements", number),
                    "placementId": str(number),
                    "displayName": title,
                    "status": "ACTIVE",
                    "targetedAdUnits": units,
                    "updateTime": self._at(days=-300),
                },
            )

    def _buyers(self) -> Iterator[tuple[int, GamObject]]:
        partners = [PARTNER_CLIENT_ID, "88100002", "", "", "88100005", "", *_SHARED, ""]
        for at, partner in enumerate(partners):
            number = BUYER_ACCOUNT_ID + at
            buyer: GamObject = {
                "name": self.name("programmaticBuyers", number),
                "buyerAccountId": str(number),
                "displayName": f"{_PLACES[at]} Trading Desk",
                "parentAccountId": "-1" if at % 3 else str(BUYER_ACCOUNT_ID + 8),
                "agency": at % 2 == 0,
                "preferredDealsEnabled": True,
                "programmaticGuaranteedEnabled": at != _WITHOUT_GUARANTEED,
            }
            yield number, {**buyer, "partnerClientId": partner} if partner else buyer

    def _bookings(self) -> Iterator[tuple[str, list[tuple[int, GamObject]]]]:
        orders, items = [], []
        for at, (title, status, start, end) in enumerate(_ORDERS):
            order = _FIRST_BOOKING + 10 * at
            orders.append((order, self.order(order, f"{title} {at + 1}", status, at)))
            for line in range(1 + self._chance.randrange(3)):
                number = order + 1 + line
                item = self.line_item(number, order, status, (start, end))
                items.append((number, self._on_hold(item) if at == _ON_HOLD else item))
        yield "orders", orders
        yield "lineItems", items

    def order(self, number: int, title: str, status: str, at: int) -> GamObject:
        return {
            "name": self.name("orders", number),
            "orderId": str(number),
            "displayName": f"{title} #{self._chance.randrange(1000, 9999)}",
            "programmatic": False,
            "advertiser": self.name("companies", ADVERTISER_ID + at % len(_TRADES)),
            "trafficker": self.name("users", TRAFFICKER_ID),
            "salesperson": self.name("users", SALESPERSON_ID),
            "creator": self.name("users", TRAFFICKER_ID),
            "currencyCode": CURRENCY,
            "status": status,
            "archived": False,
            "updateTime": self._at(days=-1),
            "lastModifiedByApp": "Goog_DFPUI",
        }

    def line_item(self, number: int, order: int, status: str, days: tuple[int, int]) -> GamObject:
        start, end = (self._at(days=day) for day in days)
        approved = status == "APPROVED"
        size = self._chance.choice(_SIZES)
        unit = AD_UNIT_ID - 1 + 2 * self._chance.randrange(len(_SECTIONS))
        units = 10_000 * self._chance.randrange(5, 60)
        return {
            "name": self.name("lineItems", number),
            "order": self.name("orders", order),
            "displayName": f"{size[0]}x{size[1]} {number}",
            "startTime": start,
            "targetEndTime": end,
            "endTimeUnlimited": False,
            "creativeRotationType": "OPTIMIZED",
            "deliveryRateType": "EVENLY",
            "roadblockingType": "ONE_OR_MORE",
            "environmentType": "BROWSER",
            "lineItemType": "STANDARD",
            "priority": 8,
            "rate": {"currencyCode": CURRENCY, "units": str(self._chance.randrange(8, 30))},
            "costType": "CPM",
            "creativePlaceholders": [{"size": _size(*size), "expectedCreativeCount": 1}],
            "goal": {"goalType": "LIFETIME", "unitType": "IMPRESSIONS", "units": str(units)},
            "targeting": {
                "inventoryTargeting": {
                    "targetedAdUnits": [
                        {"adUnit": self.name("adUnits", unit), "includeDescendants": True}
                    ]
                }
            },
            "createTime": self._at(days=days[0] - 7),
            "updateTime": self._at(days=-1),
            "updateSource": "Goog_DFPUI",
            "archived": False,
            "reservationStatus": "RESERVED" if approved else "UNRESERVED",
            "_active": approved,
            "_creatives": approved,
            "_windows": [[start, None]] if approved else [],
        }

    def _on_hold(self, item: GamObject) -> GamObject:
        return {**item, "_paused": True, "_windows": [[item["startTime"], self._at(days=-1)]]}

    def _at(self, *, days: int) -> str:
        """A midnight of the network's zone."""
        return stamp(self._midnight + timedelta(days=days))


def _size(width: int, height: int) -> dict[str, Any]:
    return {"width": width, "height": height, "sizeType": "PIXEL"}


_SHARED = (SHARED_PARTNER_CLIENT_ID, SHARED_PARTNER_CLIENT_ID)
_WITHOUT_GUARANTEED = 8
_FIRST_BOOKING = 3_000_000_000
_ORDERS = (
    ("Always on", "APPROVED", -20, 40),
    ("Spring launch", "APPROVED", -5, 25),
    ("Autumn sale", "APPROVED", -60, -12),
    ("Summer plan", "APPROVED", 10, 40),
    ("Winter draft", "DRAFT", 20, 50),
    ("Awaiting approval", "PENDING_APPROVAL", 15, 45),
    ("On hold", "APPROVED", -15, 30),
)
ORDER_IDS = tuple(_FIRST_BOOKING + 10 * at for at in range(len(_ORDERS)))
"""Delivering twice, completed, ready, draft, pending approval, with paused line items. Their line
items are at + 1 to at most + 3.
"""
_ON_HOLD = len(_ORDERS) - 1
