"""Targeting between the contract's shapes and the REST API's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from seil.admanager.calls import SERVICE
from seil.admanager.rest.codecs import (
    PLAIN,
    Codec,
    Json,
    MappedField,
    Network,
    enum,
    many,
    read,
    ref,
    refs,
    refused,
    reject_missing,
    shape,
    written,
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


def _things(collection: str) -> Codec:
    """Objects of the contract that are told by their ids, in REST names."""
    return many(
        Codec(
            lambda value, to, _path: to.names.of(collection, value["id"]),
            lambda value, _of: {"id": id_of(value)},
        )
    )


_GEO = shape(
    [
        MappedField("targetedLocations", "targetedGeos", _things("geoTargets")),
        MappedField("excludedLocations", "excludedGeos", _things("geoTargets")),
    ]
)
_AD_UNITS = many(
    shape(
        [
            MappedField("adUnitId", "adUnit", ref("adUnits")),
            MappedField("includeDescendants", "includeDescendants", PLAIN),
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
_PLATFORMS = shape([MappedField("targetedRequestPlatforms", "requestPlatforms", PLAIN)])


def _either(names: tuple[str, str], there: tuple[str, str], codec: Codec) -> Codec:
    """`names` are the contract's list and its switch: only these, or all but these."""
    listed, switch = names
    targeted, excluded = there

    def write(value: Json, to: Network, path: str) -> Json:
        if not value.get(listed):
            return {}
        name = excluded if value.get(switch) is False else targeted
        return {name: codec.write(value[listed], to, f"{path}.{listed}")}

    def reading(value: Json, of: Network) -> Json:
        present = [name for name in there if value.get(name)]
        if not present:
            return None
        if len(present) > 1:
            raise UnexpectedAnswerError(SERVICE, f"both {targeted} and {excluded}")
        return {switch: present[0] == targeted, listed: codec.read(value[present[0]], of)}

    return Codec(write, reading)


_DOMAINS = _either(("domains", "targeted"), ("targetedUserDomains", "excludedUserDomains"), PLAIN)


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
    """A kind of technology: where the contract has it, and where REST has it."""

    name: str
    listed: tuple[str, str]
    part: str
    there: tuple[str, str]
    collection: str
    switched: bool

    @property
    def codec(self) -> Codec:
        things = _things(self.collection)
        if self.switched:
            return _either(self.listed, self.there, things)
        return shape(
            [
                MappedField(name, rest, things)
                for name, rest in zip(self.listed, self.there, strict=True)
            ]
        )


def _switched(name: str, part: str, plural: str, *, collection: str = "") -> _Technology:
    capital = plural[0].upper() + plural[1:]
    there = (f"targeted{capital}", f"excluded{capital}")
    return _Technology(
        name, (plural, "isTargeted"), part, there, collection or plural, switched=True
    )


def _listed(name: str, part: str, plural: str, there: str, *, collection: str) -> _Technology:
    lists = (f"targeted{plural}", f"excluded{plural}")
    rest = (f"targeted{there}", f"excluded{there}")
    return _Technology(name, lists, part, rest, collection, switched=False)


_MANUFACTURER = "deviceManufacturerTargeting"
_SYSTEM = "operatingSystemTargeting"
_TECHNOLOGIES = (
    _switched("bandwidthGroupTargeting", "bandwidthTargeting", "bandwidthGroups"),
    _switched("browserTargeting", "browserTargeting", "browsers"),
    _switched("browserLanguageTargeting", "browserLanguageTargeting", "browserLanguages"),
    _listed(
        "deviceCapabilityTargeting",
        "deviceCapabilityTargeting",
        "DeviceCapabilities",
        "Capabilities",
        collection="deviceCapabilities",
    ),
    _listed(
        "deviceCategoryTargeting",
        "deviceCategoryTargeting",
        "DeviceCategories",
        "Categories",
        collection="deviceCategories",
    ),
    _switched(_MANUFACTURER, _MANUFACTURER, "deviceManufacturers"),
    _listed(
        "mobileDeviceTargeting",
        _MANUFACTURER,
        "MobileDevices",
        "MobileDevices",
        collection="mobileDevices",
    ),
    _listed(
        "mobileDeviceSubmodelTargeting",
        _MANUFACTURER,
        "MobileDeviceSubmodels",
        "MobileDeviceSubmodels",
        collection="mobileDeviceSubmodels",
    ),
    _switched("mobileCarrierTargeting", "mobileCarrierTargeting", "mobileCarriers"),
    _switched(_SYSTEM, _SYSTEM, "operatingSystems"),
    _listed(
        "operatingSystemVersionTargeting",
        _SYSTEM,
        "OperatingSystemVersions",
        "OperatingSystemVersions",
        collection="operatingSystemVersions",
    ),
)


def _write_technology(value: Json, to: Network, path: str) -> Json:
    """Several of the contract's parts can be in one of REST's."""
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
    """Which of a clause's lists a criteria belongs to, and what it is there."""
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
    raise refused(path, "Ad Manager has criteria in two levels only: OR of AND")


def _is_set(value: Json) -> bool:
    return "children" in value or "logicalOperator" in value


def _clause(children: Sequence[Json], to: Network, path: str) -> Json:
    clause: dict[str, list[Json]] = {}
    for at, child in enumerate(children):
        kind, leaf = _leaf({} if _is_set(child) else child, to, f"{path}.children[{at}]")
        clause.setdefault(kind, []).append(leaf)
    return clause


def _write_custom(value: Json, to: Network, path: str) -> Json:
    """Clauses are joined by OR, what is in a clause by AND."""
    children = value.get("children") or []
    if value.get("logicalOperator") == "AND" and not any(map(_is_set, children)):
        return {"customTargetingClauses": [_clause(children, to, path)]}
    if value.get("logicalOperator") == "AND" and len(children) > 1:
        raise refused(path, "Ad Manager has criteria in two levels only: OR of AND")
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


def _read_position(value: Json, of: Network) -> Json:
    where: dict[str, Any] = read([MappedField("positionType", "positionType", enum())], value, of)
    if "midrollIndex" in value:
        where["midrollIndex"] = int(value["midrollIndex"])
    if "reverseMidrollIndex" in value:
        where["midrollIndex"] = -int(value["reverseMidrollIndex"])
    position: dict[str, Any] = {"videoPosition": where} if where else {}
    if "podPosition" in value:
        position["videoPositionWithinPod"] = {"index": int(value["podPosition"])}
    return position | read([MappedField("videoBumperType", "bumperType", enum())], value, of)


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
                    many(Codec(_write_position, _read_position)),
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
    return written(_FIELDS, value, to, path)


TARGETING = Codec(_write, lambda value, of: read(_FIELDS, value, of))
