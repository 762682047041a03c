"""What bookings can refer to besides companies, users and inventory: geo targets, keys, labels.

Google's lists are longer. Countries are all there (2000 + ISO 3166-1, as in
https://developers.google.com/google-ads/api/data/geotargets); of their parts, of browsers and the
like there is a choice. Any other id is unknown.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from functools import cache
from importlib.resources import files
from typing import TypeAlias

from seil.sandbox.admanager.network import GamObject

Naming: TypeAlias = Callable[[str, int], str]
"""The resource name of a collection and an id."""

AUSTRALIA_ID = 2036
SYDNEY_ID = 1_000_286
LABEL_ID = 8_200_001
INACTIVE_LABEL_ID = 8_200_004
TEAM_ID = 7_000_001
ADVERTISER_CONTACT_ID = 9_100_001
AGENCY_CONTACT_ID = 9_100_002
ORDER_FIELD_ID = 4_400_001
LINE_ITEM_FIELD_ID = 4_400_002
DROP_DOWN_FIELD_ID = 4_400_003
INACTIVE_FIELD_ID = 4_400_006
PROPOSAL_FIELD_ID = 4_400_011
PROPOSAL_LINE_FIELD_ID = 4_400_015
OPTION_ID = 4_490_001
KEY_ID = 9_000_001
INACTIVE_KEY_ID = 9_000_003
VALUE_ID = 77_000_001
SEGMENT_ID = 6_000_001
INACTIVE_SEGMENT_ID = 6_000_002

_FIELDS = (
    (ORDER_FIELD_ID, "Salesforce order", "ORDER", "STRING", "ACTIVE"),
    (LINE_ITEM_FIELD_ID, "Salesforce line", "LINE_ITEM", "STRING", "ACTIVE"),
    (DROP_DOWN_FIELD_ID, "Campaign kind", "LINE_ITEM", "DROP_DOWN", "ACTIVE"),
    (4_400_004, "Margin", "LINE_ITEM", "NUMBER", "ACTIVE"),
    (4_400_005, "Makegood", "LINE_ITEM", "TOGGLE", "ACTIVE"),
    (INACTIVE_FIELD_ID, "Old campaign code", "LINE_ITEM", "STRING", "INACTIVE"),
    (PROPOSAL_FIELD_ID, "Salesforce deal", "PROPOSAL", "STRING", "ACTIVE"),
    (4_400_012, "Renewal", "PROPOSAL", "TOGGLE", "ACTIVE"),
    (4_400_013, "Deal margin", "PROPOSAL", "NUMBER", "ACTIVE"),
    (4_400_014, "Deal kind", "PROPOSAL", "DROP_DOWN", "ACTIVE"),
    (PROPOSAL_LINE_FIELD_ID, "Salesforce deal line", "PROPOSAL_LINE_ITEM", "STRING", "ACTIVE"),
)
_LABELS = (
    (LABEL_ID, "Automotive", "COMPETITIVE_EXCLUSION", True),
    (8_200_002, "Gambling", "AD_EXCLUSION", True),
    (8_200_003, "Viewability tag", "CREATIVE_WRAPPER", True),
    (INACTIVE_LABEL_ID, "Tobacco", "COMPETITIVE_EXCLUSION", False),
)
_KEYS = (
    (KEY_ID, "section", "PREDEFINED", "ACTIVE", ("news", "sport", "travel")),
    (9_000_002, "article", "FREEFORM", "ACTIVE", ("a-1", "a-2")),
    (INACTIVE_KEY_ID, "campaign", "PREDEFINED", "INACTIVE", ("summer",)),
)
_VALUES_PER_KEY = 10
_PLAIN: dict[str, dict[int, str]] = {
    "deviceCategories": {
        30_000: "Desktop",
        30_001: "Smartphone",
        30_002: "Tablet",
        30_003: "Connected TV",
        30_004: "Set top box",
    },
    "browsers": {500_072: "Chrome (Any)", 500_092: "Safari (Any)", 500_112: "Firefox (Any)"},
    "browserLanguages": {504_993: "English", 504_981: "Chinese (simplified)"},
    "operatingSystems": {501_012: "Apple iOS", 501_013: "Google Android", 501_021: "Windows"},
    "bandwidthGroups": {504_021: "Cable", 504_022: "DSL", 504_023: "Mobile"},
}


def catalog(name: Naming, *, advertiser: int, agency: int) -> Iterator[tuple[str, int, GamObject]]:
    """Collection, id and resource of each; the contacts are those of the two companies."""
    for number, target in _geo_targets(name):
        yield "geoTargets", number, target
    yield from _number("labels", _labels(name))
    yield from _number("customFields", _custom_fields(name))
    yield from _keys(name)
    yield "teams", TEAM_ID, _team(name)
    yield from _number("contacts", _contacts(name, advertiser, agency))
    yield from _number("audienceSegments", _segments(name))
    for kind, entities in _PLAIN.items():
        for number, title in entities.items():
            yield kind, number, {"name": name(kind, number), "displayName": title}


def _number(
    kind: str, entities: Iterator[tuple[int, GamObject]]
) -> Iterator[tuple[str, int, GamObject]]:
    return ((kind, number, entity) for number, entity in entities)


@cache
def _geo_rows() -> tuple[dict[str, str], ...]:
    text = files(__package__).joinpath("geo_targets.csv").read_text("utf-8")
    return tuple(csv.DictReader(text.splitlines()))


def _geo_targets(name: Naming) -> Iterator[tuple[int, GamObject]]:
    for row in _geo_rows():
        number = int(row["id"])
        target: GamObject = {
            "name": name("geoTargets", number),
            "displayName": row["name"],
            "regionCode": row["region"],
            "type": row["type"],
            "targetable": True,
        }
        if row["parent"]:
            target["canonicalParent"] = name("geoTargets", int(row["parent"]))
        yield number, target


def _labels(name: Naming) -> Iterator[tuple[int, GamObject]]:
    for number, title, kind, active in _LABELS:
        label = name("labels", number)
        yield number, {"name": label, "displayName": title, "types": [kind], "active": active}


def _custom_fields(name: Naming) -> Iterator[tuple[int, GamObject]]:
    for number, title, entity, kind, status in _FIELDS:
        field: GamObject = {
            "name": name("customFields", number),
            "customFieldId": str(number),
            "displayName": title,
            "entityType": entity,
            "dataType": kind,
            "status": status,
            "visibility": "EDITABLE",
        }
        if kind == "DROP_DOWN":
            field["options"] = [
                {"customFieldOptionId": str(OPTION_ID + at), "displayName": option}
                for at, option in enumerate(("Brand", "Performance"))
            ]
        yield number, field


def _keys(name: Naming) -> Iterator[tuple[str, int, GamObject]]:
    for at, (number, tag, kind, status, values) in enumerate(_KEYS):
        key = name("customTargetingKeys", number)
        names = {"name": key, "adTagName": tag, "displayName": tag.capitalize()}
        details = {"customTargetingKeyId": str(number), "type": kind, "status": status}
        yield "customTargetingKeys", number, {**names, **details, "reportableType": "ON"}
        for index, value in enumerate(values):
            identity = VALUE_ID + _VALUES_PER_KEY * at + index
            yield (
                "customTargetingValues",
                identity,
                {
                    "name": name("customTargetingValues", identity),
                    "customTargetingKey": key,
                    "adTagName": value,
                    "displayName": value.capitalize(),
                    "matchType": "EXACT",
                    "status": status,
                },
            )


def _team(name: Naming) -> GamObject:
    return {
        "name": name("teams", TEAM_ID),
        "displayName": "Sales",
        "status": "ACTIVE",
        "allCompaniesAccess": True,
        "allInventoryAccess": True,
        "accessType": "READ_WRITE",
    }


def _contacts(name: Naming, advertiser: int, agency: int) -> Iterator[tuple[int, GamObject]]:
    for number, company in ((ADVERTISER_CONTACT_ID, advertiser), (AGENCY_CONTACT_ID, agency)):
        yield (
            number,
            {
                "name": name("contacts", number),
                "displayName": f"Contact of {company}",
                "company": name("companies", company),
                "status": "UNINVITED",
                "email": f"contact{number}@stand-in.invalid",
            },
        )


def _segments(name: Naming) -> Iterator[tuple[int, GamObject]]:
    for number, title, status in (
        (SEGMENT_ID, "Subscribers", "ACTIVE"),
        (INACTIVE_SEGMENT_ID, "Visitors of 2020", "INACTIVE"),
    ):
        yield (
            number,
            {
                "name": name("audienceSegments", number),
                "displayName": title,
                "status": status,
                "segmentType": "FIRST_PARTY",
                "size": "120000",
            },
        )
