"""Checks targeting: references exist, and nothing is both targeted and excluded.

https://developers.google.com/ad-manager/api/reference/v202608/LineItemService.InventoryTargetingError,
https://developers.google.com/ad-manager/api/reference/v202608/LineItemService.GeoTargetingError and
https://developers.google.com/ad-manager/api/reference/v202608/LineItemService.CustomTargetingError.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from seil.sandbox.admanager.errors import AdManagerApiError, rejection, required_error
from seil.sandbox.admanager.network import SandboxNetwork

_LISTS = {
    "Geos": "geoTargets",
    "BandwidthGroups": "bandwidthGroups",
    "Browsers": "browsers",
    "BrowserLanguages": "browserLanguages",
    "Categories": "deviceCategories",
    "Capabilities": "deviceCapabilities",
    "DeviceManufacturers": "deviceManufacturers",
    "MobileDevices": "mobileDevices",
    "MobileDeviceSubmodels": "mobileDeviceSubmodels",
    "MobileCarriers": "mobileCarriers",
    "OperatingSystems": "operatingSystems",
    "OperatingSystemVersions": "operatingSystemVersions",
    "Content": "content",
    "ContentBundles": "contentBundles",
    "Applications": "applications",
    "Placements": "placements",
}
REFERENCES: Mapping[str, str] = {
    **{f"{how}{name}": kind for name, kind in _LISTS.items() for how in ("targeted", "excluded")},
    "adUnit": "adUnits",
    "customTargetingKey": "customTargetingKeys",
    "customTargetingValues": "customTargetingValues",
    "audienceSegments": "audienceSegments",
    "cmsMetadataValues": "cmsMetadataValues",
}
"""The collection of what a field of a targeting names."""
# A descendant of an ad unit that is targeted or excluded as a whole is redundant.
_ANCESTRIES = (("TARGETED", "TARGETED"), ("TARGETED", "EXCLUDED"), ("EXCLUDED", "EXCLUDED"))


def check_targeting(network: SandboxNetwork, targeting: Mapping[str, Any], at: str) -> None:
    _check_inventory(network, targeting.get("inventoryTargeting", {}), f"{at}.inventoryTargeting")
    check_criteria(network, targeting, at)


def check_criteria(network: SandboxNetwork, targeting: Mapping[str, Any], at: str) -> None:
    """Checks a creative's targeting, which may have no inventory."""
    for kind, name, field in _references(targeting, at):
        network.referred(kind, name, field=field)
    _check_places(network, targeting.get("geoTargeting", {}), f"{at}.geoTargeting")
    clauses = targeting.get("customTargeting", {}).get("customTargetingClauses", ())
    for number, clause in enumerate(clauses):
        path = f"{at}.customTargeting.customTargetingClauses[{number}]"
        _check_clause(network, clause, path)


def _references(value: Mapping[str, Any], at: str) -> Iterator[tuple[str, str, str]]:
    """(collection, resource name, field) of each reference."""
    for name, inner in value.items():
        path = f"{at}.{name}"
        for entry in inner if isinstance(inner, list) else [inner]:
            if isinstance(entry, Mapping):
                yield from _references(entry, path)
            elif name in REFERENCES:
                yield REFERENCES[name], entry, path


def _check_places(network: SandboxNetwork, geo: Mapping[str, Any], at: str) -> None:
    targeted, excluded = set(geo.get("targetedGeos", ())), set(geo.get("excludedGeos", ()))
    if both := targeted & excluded:
        name = min(both)
        reason = "TARGETED_LOCATIONS_NOT_EXCLUDABLE"
        message = f"{name} is targeted and excluded"
        raise rejection(
            "GeoTargetingError", reason, message, field=f"{at}.excludedGeos", trigger=name
        )
    for name in sorted(targeted):
        if excluded & set(_above(network, "geoTargets", name, "canonicalParent")):
            reason = "EXCLUDED_LOCATIONS_CANNOT_HAVE_CHILDREN_TARGETED"
            message = f"{name} lies in a place that is excluded"
            raise rejection(
                "GeoTargetingError", reason, message, field=f"{at}.targetedGeos", trigger=name
            )


def _check_inventory(network: SandboxNetwork, inventory: Mapping[str, Any], at: str) -> None:
    targeted, excluded = (inventory.get(f"{how}AdUnits", []) for how in ("targeted", "excluded"))
    if not targeted and not inventory.get("targetedPlacements"):
        raise rejection(
            "InventoryTargetingError",
            "AT_LEAST_ONE_PLACEMENT_OR_INVENTORY_UNIT_REQUIRED",
            "At least one ad unit or placement has to be targeted",
            field=at,
        )
    for how, units in (("targeted", targeted), ("excluded", excluded)):
        for unit in units:
            if "adUnit" not in unit:
                raise required_error(f"{at}.{how}AdUnits.adUnit")
            network.referred("adUnits", unit["adUnit"], field=f"{at}.{how}AdUnits.adUnit")
    if both := _names(targeted) & _names(excluded):
        raise _inventory("INVENTORY_CANNOT_BE_TARGETED_AND_EXCLUDED", min(both), at)
    for how, other in _ANCESTRIES:
        whole = _names(
            unit
            for unit in inventory.get(f"{other.lower()}AdUnits", ())
            if unit.get("includeDescendants", True)
        )
        for name in _names(inventory.get(f"{how.lower()}AdUnits", ())):
            if whole & set(_above(network, "adUnits", name, "parentAdUnit")):
                reason = f"INVENTORY_UNIT_CANNOT_BE_{how}_IF_ANCESTOR_IS_{other}"
                raise _inventory(reason, name, at)


def _names(units: Iterable[Mapping[str, Any]]) -> set[str]:
    return {unit["adUnit"] for unit in units}


def _above(network: SandboxNetwork, kind: str, name: str, parent: str) -> Iterator[str]:
    """All its ancestors."""
    entity = network.referred(kind, name, field=parent)
    while parent in entity:
        yield entity[parent]
        entity = network.referred(kind, entity[parent], field=parent)


def _check_clause(network: SandboxNetwork, clause: Mapping[str, Any], at: str) -> None:
    for number, literal in enumerate(clause.get("customTargetingLiterals", ())):
        _check_literal(network, literal, f"{at}.customTargetingLiterals[{number}]")
    for number, targeting in enumerate(clause.get("audienceSegmentTargetings", ())):
        for name in targeting.get("audienceSegments", ()):
            segment = network.referred("audienceSegments", name, field=at)
            if segment["status"] != "ACTIVE":
                path = f"{at}.audienceSegmentTargetings[{number}].audienceSegments"
                raise _custom("CANNOT_TARGET_INACTIVE_AUDIENCE_SEGMENT", name, path)


def _check_literal(network: SandboxNetwork, literal: Mapping[str, Any], at: str) -> None:
    if "customTargetingKey" not in literal:
        raise required_error(f"{at}.customTargetingKey")
    name = literal["customTargetingKey"]
    key = network.referred("customTargetingKeys", name, field=f"{at}.customTargetingKey")
    if key["status"] != "ACTIVE":
        raise _custom("KEY_STATUS_NOT_ACTIVE", name, f"{at}.customTargetingKey")
    values = literal.get("customTargetingValues", ())
    if not values:
        raise _custom("KEY_WITH_MISSING_VALUES", name, f"{at}.customTargetingValues")
    for value in values:
        entity = network.referred("customTargetingValues", value, field=at)
        if entity["customTargetingKey"] != name:
            raise _custom("INVALID_VALUE_FOR_KEY", value, f"{at}.customTargetingValues")


def _inventory(reason: str, name: str, at: str) -> AdManagerApiError:
    message = f"{name}: {reason.lower().replace('_', ' ')}"
    return rejection("InventoryTargetingError", reason, message, field=at, trigger=name)


def _custom(reason: str, name: str, field: str) -> AdManagerApiError:
    message = f"{name}: {reason.lower().replace('_', ' ')}"
    return rejection("CustomTargetingError", reason, message, field=field, trigger=name)
