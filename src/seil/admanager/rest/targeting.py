"""Converts targeting between the contract's shapes and the REST API's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from seil.admanager.calls import SERVICE
from seil.admanager.rest.codecs import (
    AS_IS,
    Codec,
    Json,
    MappedField,
    Network,
    decode_fields,
    encode_fields,
    enum,
    list_of,
    not_supported,
    ref,
    refs,
    reject_missing,
    shape,
)
from seil.admanager.rest.names import id_of, ids_of
from seil.errors import UnexpectedAnswerError

_MISSING = (
    "dayPartTargeting",
    "dateTimeRangeTargeting",
    "buyerUserListTargeting",
    "inventoryUrlTargeting",
    "verticalTargeting",
    "contentLabelTargeting",
    "inventorySizeTargeting",
    "publisherProvidedSignalsTargeting",
)


def _by_id(collection: str) -> Codec:
    """The contract's objects with an `id`; in REST resource names."""
    return list_of(
        Codec(
            lambda value, to, _path: to.names.of(collection, value["id"]),
            lambda value, _of: {"id": id_of(value)},
        )
    )


_GEO = shape(
    [
        MappedField("targetedLocations", "targetedGeos", _by_id("geoTargets")),
        MappedField("excludedLocations", "excludedGeos", _by_id("geoTargets")),
    ]
)
_AD_UNITS = list_of(
    shape(
        [
            MappedField("adUnitId", "adUnit", ref("adUnits")),
            MappedField("includeDescendants", "includeDescendants", AS_IS),
        ]
    )
)
_INVENTORY = shape(
    [
        MappedField("targetedAdUnits", "targetedAdUnits", _AD_UNITS),
        MappedField("excludedAdUnits", "excludedAdUnits", _AD_UNITS),
        MappedField("targetedPlacementIds", "targetedPlacements", refs("placements")),
    ]
)
_CONTENT = shape(
    [
        MappedField("targetedContentIds", "targetedContent", refs("content")),
        MappedField("excludedContentIds", "excludedContent", refs("content")),
        MappedField(
            "targetedVideoContentBundleIds", "targetedContentBundles", refs("contentBundles")
        ),
        MappedField(
            "excludedVideoContentBundleIds", "excludedContentBundles", refs("contentBundles")
        ),
    ]
)
_PLATFORMS = shape([MappedField("targetedRequestPlatforms", "requestPlatforms", AS_IS)])


def _either(names: tuple[str, str], rest_names: tuple[str, str], codec: Codec) -> Codec:
    """`names` are the contract's list and its switch between targeting and excluding the list;
    `rest_names` are REST's targeted and its excluded list.
    """
    values, switch = names
    targeted, excluded = rest_names

    def write(value: Json, to: Network, path: str) -> Json:
        if not value.get(values):
            return {}
        name = excluded if value.get(switch) is False else targeted
        return {name: codec.write(value[values], to, f"{path}.{values}")}

    def decode(value: Json, of: Network) -> Json:
        present = [name for name in rest_names if value.get(name)]
        if not present:
            return None
        if len(present) > 1:
            raise UnexpectedAnswerError(SERVICE, f"both {targeted} and {excluded}")
        return {switch: present[0] == targeted, values: codec.read(value[present[0]], of)}

    return Codec(write, decode)


_DOMAINS = _either(("domains", "targeted"), ("targetedUserDomains", "excludedUserDomains"), AS_IS)


def _write_applications(value: Json, to: Network, path: str) -> Json:
    return {"firstPartyTargeting": _APPLICATIONS.write(value, to, path)}


def _read_applications(value: Json, of: Network) -> Json:
    return _APPLICATIONS.read(value.get("firstPartyTargeting", {}), of)


_APPLICATIONS = _either(
    ("mobileApplicationIds", "isTargeted"),
    ("targetedApplications", "excludedApplications"),
    refs("applications"),
)


@dataclass(frozen=True)
class _Technology:
    """A kind of technology targeting: its contract field, and its part of REST's."""

    name: str
    fields: tuple[str, str]
    part: str
    rest_fields: tuple[str, str]
    collection: str
    has_switch: bool

    @property
    def codec(self) -> Codec:
        ids = _by_id(self.collection)
        if self.has_switch:
            return _either(self.fields, self.rest_fields, ids)
        pairs = zip(self.fields, self.rest_fields, strict=True)
        return shape([MappedField(name, rest_name, ids) for name, rest_name in pairs])


def _with_switch(name: str, part: str, plural: str, *, collection: str = "") -> _Technology:
    capital = plural[0].upper() + plural[1:]
    rest_fields = (f"targeted{capital}", f"excluded{capital}")
    return _Technology(
        name, (plural, "isTargeted"), part, rest_fields, collection or plural, has_switch=True
    )


def _with_lists(
    name: str, part: str, plural: str, rest_plural: str, *, collection: str
) -> _Technology:
    fields = (f"targeted{plural}", f"excluded{plural}")
    rest_fields = (f"targeted{rest_plural}", f"excluded{rest_plural}")
    return _Technology(name, fields, part, rest_fields, collection, has_switch=False)


_MANUFACTURER = "deviceManufacturerTargeting"
_SYSTEM = "operatingSystemTargeting"
_TECHNOLOGIES = (
    _with_switch("bandwidthGroupTargeting", "bandwidthTargeting", "bandwidthGroups"),
    _with_switch("browserTargeting", "browserTargeting", "browsers"),
    _with_switch("browserLanguageTargeting", "browserLanguageTargeting", "browserLanguages"),
    _with_lists(
        "deviceCapabilityTargeting",
        "deviceCapabilityTargeting",
        "DeviceCapabilities",
        "Capabilities",
        collection="deviceCapabilities",
    ),
    _with_lists(
        "deviceCategoryTargeting",
        "deviceCategoryTargeting",
        "DeviceCategories",
        "Categories",
        collection="deviceCategories",
    ),
    _with_switch(_MANUFACTURER, _MANUFACTURER, "deviceManufacturers"),
    _with_lists(
        "mobileDeviceTargeting",
        _MANUFACTURER,
        "MobileDevices",
        "MobileDevices",
        collection="mobileDevices",
    ),
    _with_lists(
        "mobileDeviceSubmodelTargeting",
        _MANUFACTURER,
        "MobileDeviceSubmodels",
        "MobileDeviceSubmodels",
        collection="mobileDeviceSubmodels",
    ),
    _with_switch("mobileCarrierTargeting", "mobileCarrierTargeting", "mobileCarriers"),
    _with_switch(_SYSTEM, _SYSTEM, "operatingSystems"),
    _with_lists(
        "operatingSystemVersionTargeting",
        _SYSTEM,
        "OperatingSystemVersions",
        "OperatingSystemVersions",
        collection="operatingSystemVersions",
    ),
)


def _write_technology(value: Json, to: Network, path: str) -> Json:
    """One of REST's parts can hold several of the contract's."""
    by_part: dict[str, dict[str, Json]] = {}
    for kind in _TECHNOLOGIES:
        if value.get(kind.name) is not None:
            part = kind.codec.write(value[kind.name], to, f"{path}.{kind.name}")
            by_part.setdefault(kind.part, {}).update(part)
    return by_part


def _read_technology(value: Json, of: Network) -> Json:
    by_part = {
        kind.name: kind.codec.read(value[kind.part], of)
        for kind in _TECHNOLOGIES
        if kind.part in value
    }
    return {name: part for name, part in by_part.items() if part} or None


_NEGATIVE = {"IS_NOT", "NOT_EQUALS"}


def _leaf(value: Json, to: Network, path: str) -> tuple[str, Json]:
    """(the clause's list that holds the criteria, its REST value)"""
    negative = value.get("operator") in _NEGATIVE
    if "keyId" in value:
        key = to.names.of("customTargetingKeys", value["keyId"])
        values = to.names.all_of("customTargetingValues", value.get("valueIds", ()))
        return "customTargetingLiterals", {
            "negative": negative,
            "customTargetingKey": key,
            "customTargetingValues": values,
        }
    if "audienceSegmentIds" in value:
        segments = to.names.all_of("audienceSegments", value["audienceSegmentIds"])
        return "audienceSegmentTargetings", {"negative": negative, "audienceSegments": segments}
    if "cmsMetadataValueIds" in value:
        metadata = to.names.all_of("cmsMetadataValues", value["cmsMetadataValueIds"])
        return "cmsMetadataTargetings", {"negative": negative, "cmsMetadataValues": metadata}
    raise not_supported(path, "Ad Manager has criteria in two levels only: OR of AND")


def _is_set(value: Json) -> bool:
    return "children" in value or "logicalOperator" in value


def _clause(children: Sequence[Json], to: Network, path: str) -> Json:
    clause: dict[str, list[Json]] = {}
    for at, child in enumerate(children):
        kind, leaf = _leaf({} if _is_set(child) else child, to, f"{path}.children[{at}]")
        clause.setdefault(kind, []).append(leaf)
    return clause


def _write_custom(value: Json, to: Network, path: str) -> Json:
    """Clauses are joined by OR, the criteria in a clause by AND."""
    children = value.get("children") or []
    if value.get("logicalOperator") == "AND" and not any(map(_is_set, children)):
        return {"customTargetingClauses": [_clause(children, to, path)]}
    if value.get("logicalOperator") == "AND" and len(children) > 1:
        raise not_supported(path, "Ad Manager has criteria in two levels only: OR of AND")
    clauses = []
    for at, child in enumerate(children):
        inside = f"{path}.children[{at}]"
        parts = child.get("children") or [] if _is_set(child) else [child]
        if _is_set(child) and child.get("logicalOperator") == "OR" and len(parts) > 1:
            clauses += [_clause([part], to, inside) for part in parts]
        else:
            clauses.append(_clause(parts, to, inside))
    return {"customTargetingClauses": clauses}


def _read_clause(clause: Json) -> Json:
    def operator(part: Json, words: tuple[str, str] = ("IS", "IS_NOT")) -> str:
        return words[bool(part.get("negative"))]

    children: list[Json] = [
        {
            "keyId": id_of(part.get("customTargetingKey", "")),
            "valueIds": ids_of(part.get("customTargetingValues", ())),
            "operator": operator(part),
        }
        for part in clause.get("customTargetingLiterals", ())
    ]
    children += [
        {
            "audienceSegmentIds": ids_of(part.get("audienceSegments", ())),
            "operator": operator(part),
        }
        for part in clause.get("audienceSegmentTargetings", ())
    ]
    children += [
        {
            "cmsMetadataValueIds": ids_of(part.get("cmsMetadataValues", ())),
            "operator": operator(part, ("EQUALS", "NOT_EQUALS")),
        }
        for part in clause.get("cmsMetadataTargetings", ())
    ]
    return {"logicalOperator": "AND", "children": children}


def _read_custom(value: Json, _of: Network) -> Json:
    clauses = value.get("customTargetingClauses") or []
    if not clauses:
        return None
    return {"logicalOperator": "OR", "children": [_read_clause(clause) for clause in clauses]}


def _write_position(value: Json, _to: Network, path: str) -> Json:
    reject_missing(value, ["adSpotId"], path)
    where = value.get("videoPosition") or {}
    position: dict[str, Any] = {}
    if where.get("positionType"):
        position["positionType"] = where["positionType"]
    if (index := where.get("midrollIndex")) is not None:
        position["reverseMidrollIndex" if index < 0 else "midrollIndex"] = str(abs(index))
    if (pod := (value.get("videoPositionWithinPod") or {}).get("index")) is not None:
        position["podPosition"] = str(pod)
    if value.get("videoBumperType"):
        position["bumperType"] = value["videoBumperType"]
    return position


_POSITION_TYPE = MappedField("positionType", "positionType", enum())
_BUMPER_TYPE = MappedField("videoBumperType", "bumperType", enum())


def _read_position(value: Json, of: Network) -> Json:
    where: dict[str, Any] = decode_fields([_POSITION_TYPE], value, of)
    if "midrollIndex" in value:
        where["midrollIndex"] = int(value["midrollIndex"])
    if "reverseMidrollIndex" in value:
        where["midrollIndex"] = -int(value["reverseMidrollIndex"])
    position: dict[str, Any] = {"videoPosition": where} if where else {}
    if "podPosition" in value:
        position["videoPositionWithinPod"] = {"index": int(value["podPosition"])}
    return position | decode_fields([_BUMPER_TYPE], value, of)


_FIELDS = (
    MappedField("geoTargeting", "geoTargeting", _GEO),
    MappedField("inventoryTargeting", "inventoryTargeting", _INVENTORY),
    MappedField(
        "technologyTargeting", "technologyTargeting", Codec(_write_technology, _read_technology)
    ),
    MappedField("customTargeting", "customTargeting", Codec(_write_custom, _read_custom)),
    MappedField("userDomainTargeting", "userDomainTargeting", _DOMAINS),
    MappedField("contentTargeting", "contentTargeting", _CONTENT),
    MappedField(
        "videoPositionTargeting",
        "videoPositionTargeting",
        shape(
            [
                MappedField(
                    "targetedPositions",
                    "videoPositions",
                    list_of(Codec(_write_position, _read_position)),
                )
            ]
        ),
    ),
    MappedField(
        "mobileApplicationTargeting",
        "mobileApplicationTargeting",
        Codec(_write_applications, _read_applications),
    ),
    MappedField("requestPlatformTargeting", "requestPlatformTargeting", _PLATFORMS),
)


def _write(value: Json, to: Network, path: str) -> Json:
    reject_missing(value, _MISSING, path)
    return encode_fields(_FIELDS, value, to, path)


TARGETING = Codec(_write, lambda value, of: decode_fields(_FIELDS, value, of))
