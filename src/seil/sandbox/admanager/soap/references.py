"""Checks SOAP's references by id against the network, as for REST's names.

Types: https://developers.google.com/ad-manager/api/reference/v202608/ProposalLineItemService.Targeting,
AppliedLabel and BaseCustomFieldValue beside it. They are converted to REST's form and checked
there, so that both APIs have the same rules; errors name SOAP's fields and ids.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from seil.sandbox.admanager import targeting as rest
from seil.sandbox.admanager.associations import Entity, check_custom_fields, check_labels
from seil.sandbox.admanager.errors import AdManagerApiError, dangling, required_error
from seil.sandbox.admanager.network import GamObject, SandboxNetwork

_REFERENCES = {
    "targetedLocations": "geoTargets",
    "excludedLocations": "geoTargets",
    "bandwidthGroups": "bandwidthGroups",
    "browsers": "browsers",
    "browserLanguages": "browserLanguages",
    "targetedDeviceCapabilities": "deviceCapabilities",
    "excludedDeviceCapabilities": "deviceCapabilities",
    "targetedDeviceCategories": "deviceCategories",
    "excludedDeviceCategories": "deviceCategories",
    "deviceManufacturers": "deviceManufacturers",
    "mobileCarriers": "mobileCarriers",
    "targetedMobileDevices": "mobileDevices",
    "excludedMobileDevices": "mobileDevices",
    "targetedMobileDeviceSubmodels": "mobileDeviceSubmodels",
    "excludedMobileDeviceSubmodels": "mobileDeviceSubmodels",
    "operatingSystems": "operatingSystems",
    "targetedOperatingSystemVersions": "operatingSystemVersions",
    "excludedOperatingSystemVersions": "operatingSystemVersions",
    "targetedContentIds": "content",
    "excludedContentIds": "content",
    "targetedVideoContentBundleIds": "contentBundles",
    "excludedVideoContentBundleIds": "contentBundles",
    "mobileApplicationIds": "applications",
    "targetedPlacementIds": "placements",
    "adUnitId": "adUnits",
    "keyId": "customTargetingKeys",
    "valueIds": "customTargetingValues",
    "audienceSegmentIds": "audienceSegments",
    "cmsMetadataValueIds": "cmsMetadataValues",
}
"""The collection of what a field of a targeting names."""
_FIELDS = {
    "targetedGeos": "targetedLocations",
    "excludedGeos": "excludedLocations",
    "adUnit": "adUnitId",
    "targetedPlacements": "targetedPlacementIds",
    "customTargetingClauses": "children",
    "customTargetingLiterals": "children",
    "audienceSegmentTargetings": "children",
    "customTargetingKey": "keyId",
    "customTargetingValues": "valueIds",
    "audienceSegments": "audienceSegmentIds",
    "customField": "customFieldId",
}
"""What SOAP calls a field of REST's."""
_VALUES = {"TextValue": "stringValue", "NumberValue": "numberValue", "BooleanValue": "toggleValue"}


def check_targeting(network: SandboxNetwork, targeting: Mapping[str, Any], at: str) -> None:
    for collection, number, field in _references(targeting, at):
        if not number.isdecimal() or network.store.get(collection, int(number)) is None:
            raise dangling(number, field=field, collection=collection)
    with _in_soap_terms():
        rest.check_targeting(network, rest_targeting(network, targeting), at)


def check_applied_labels(
    network: SandboxNetwork, labels: Sequence[Mapping[str, Any]], at: str
) -> None:
    for label in labels:
        if "labelId" not in label:
            raise required_error(f"{at}.labelId")
    applied = [
        {
            "label": network.name("labels", entry["labelId"]),
            "negated": entry.get("isNegated", False),
        }
        for entry in labels
    ]
    with _in_soap_terms():
        check_labels(network, applied, at)


def check_teams(network: SandboxNetwork, numbers: Sequence[int], at: str) -> None:
    for number in numbers:
        if network.store.get("teams", number) is None:
            raise dangling(str(number), field=at)


def check_field_values(
    network: SandboxNetwork, entity: Mapping[str, Any], at: str, on: Entity
) -> None:
    entries = entity.get("customFieldValues", [])
    for number, value in enumerate(entries):
        if "customFieldId" not in value:
            raise required_error(f"{at}.customFieldValues[{number}].customFieldId")
    values = [_field_value(network, value) for value in entries]
    with _in_soap_terms():
        check_custom_fields(network, {"customFieldValues": values}, at, on)


def rest_targeting(network: SandboxNetwork, soap: Mapping[str, Any]) -> GamObject:
    """Inventory, geo, keys and segments; other targeting stays with the proposal only."""
    targeting: GamObject = {
        "inventoryTargeting": _inventory(network, soap.get("inventoryTargeting", {}))
    }
    if geo := soap.get("geoTargeting"):
        targeting["geoTargeting"] = {
            f"{kind}Geos": [
                network.name("geoTargets", path.get("id", ""))
                for path in geo.get(f"{kind}Locations", [])
            ]
            for kind in ("targeted", "excluded")
        }
    if criteria := soap.get("customTargeting"):
        clauses = [_clause(network, leaves) for leaves in _conjunctions(criteria)]
        targeting["customTargeting"] = {"customTargetingClauses": clauses}
    return targeting


def _inventory(network: SandboxNetwork, soap: Mapping[str, Any]) -> GamObject:
    inventory: GamObject = {}
    for member in ("targetedAdUnits", "excludedAdUnits"):
        inventory[member] = [
            {
                "adUnit": network.name("adUnits", unit.get("adUnitId", "")),
                "includeDescendants": unit.get("includeDescendants", True),
            }
            for unit in soap.get(member, [])
        ]
    inventory["targetedPlacements"] = [
        network.name("placements", number) for number in soap.get("targetedPlacementIds", [])
    ]
    return {name: value for name, value in inventory.items() if value}


def _conjunctions(criteria: Mapping[str, Any]) -> Iterator[list[Mapping[str, Any]]]:
    """The leaves of each set that has any; a set of sets is a disjunction."""
    children = criteria.get("children", [])
    if leaves := [child for child in children if "children" not in child]:
        yield leaves
    for child in children:
        if "children" in child:
            yield from _conjunctions(child)


def _clause(network: SandboxNetwork, leaves: Sequence[Mapping[str, Any]]) -> GamObject:
    clause: GamObject = {}
    for leaf in leaves:
        negative = leaf.get("operator") in ("IS_NOT", "NOT_EQUALS")
        if "keyId" in leaf:
            literal = {
                "customTargetingKey": network.name("customTargetingKeys", leaf["keyId"]),
                "customTargetingValues": _names(network, leaf, "valueIds"),
                "negative": negative,
            }
            clause.setdefault("customTargetingLiterals", []).append(literal)
        elif "audienceSegmentIds" in leaf:
            segments = {"audienceSegments": _names(network, leaf, "audienceSegmentIds")}
            clause.setdefault("audienceSegmentTargetings", []).append(
                {**segments, "negative": negative}
            )
    return clause


def _names(network: SandboxNetwork, leaf: Mapping[str, Any], field: str) -> list[str]:
    return [network.name(_REFERENCES[field], number) for number in leaf.get(field, [])]


def _field_value(network: SandboxNetwork, entry: Mapping[str, Any]) -> GamObject:
    name = network.name("customFields", entry["customFieldId"])
    if "customFieldOptionId" in entry:
        return {"customField": name, "value": {"dropdownValue": entry["customFieldOptionId"]}}
    value = entry.get("value", {})
    kind = _VALUES.get(value.get("_type", ""), "stringValue")
    return {"customField": name, "value": {kind: value.get("value")}}


def _references(value: Mapping[str, Any], at: str) -> Iterator[tuple[str, str, str]]:
    """(collection, id, field) of each reference."""
    for name, inner in value.items():
        path = f"{at}.{name}"
        for entry in inner if isinstance(inner, list) else [inner]:
            if name in _REFERENCES:
                number = entry.get("id", "") if isinstance(entry, Mapping) else entry
                yield _REFERENCES[name], str(number), path
            elif isinstance(entry, Mapping):
                yield from _references(entry, path)


@contextmanager
def _in_soap_terms() -> Iterator[None]:
    try:
        yield
    except AdManagerApiError as error:
        names = "|".join(_FIELDS)
        error.field = re.sub(rf"\b({names})\b", lambda match: _FIELDS[match[1]], error.field)
        error.trigger = error.trigger.rpartition("/")[2]
        raise
