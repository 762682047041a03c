"""Between the contract's JSON and what the SOAP client takes and gives."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from googleads.ad_manager import StatementBuilder
from zeep.xsd import CompoundValue

from seil.admanager.rest.names import checked
from seil.time_zones import canonical_name

Json = Any

PAGE = 500
_OVERBOOK = "-and-overbook"


def action_of(kinds: Mapping[str, str], word: str, reason: str | None) -> dict[str, Any]:
    """The action that the contract's word means, by its type's name in SOAP."""
    action: dict[str, Any] = {"xsi_type": kinds[word.removesuffix(_OVERBOOK)]}
    if word.endswith(_OVERBOOK):
        action["allowOverbook"] = True
    if reason is not None:
        action["reason"] = reason
    return action


def packed(value: Json, zone: str) -> Json:
    """For the SOAP client: where a type has kinds, each part says which it is by `xsi_type`.

    The network's own zone is called `zone`, as Google calls it: times of deals have to be in it.
    """
    if isinstance(value, list):
        return [packed(part, zone) for part in value]
    if not isinstance(value, dict):
        return value
    if "customFieldId" in value and "value" in value:
        return _custom_field(value)
    parts = {name: packed(part, zone) for name, part in value.items()}
    if parts.get("timeZoneId") == canonical_name(zone):
        parts["timeZoneId"] = zone
    if "adUnitId" in parts:  # A text in SOAP.
        parts["adUnitId"] = str(parts["adUnitId"])
    kind = _kind(value)
    return {"xsi_type": kind, **parts} if kind else parts


def _kind(value: dict[str, Json]) -> str | None:
    kinds = {
        "children": "CustomCriteriaSet",
        "logicalOperator": "CustomCriteriaSet",
        "keyId": "CustomCriteria",
        "audienceSegmentIds": "AudienceSegmentCriteria",
        "cmsMetadataValueIds": "CmsMetadataCriteria",
        "customFieldOptionId": "DropDownCustomFieldValue",
        "customFieldId": "CustomFieldValue",
    }
    return next((kind for name, kind in kinds.items() if name in value), None)


def _custom_field(value: dict[str, Json]) -> Json:
    content = value["value"]["value"]
    kind = "TextValue"
    if isinstance(content, bool):
        kind = "BooleanValue"
    elif isinstance(content, int | float):
        kind, content = "NumberValue", str(Decimal(str(content)).normalize())
    return {
        "xsi_type": "CustomFieldValue",
        "customFieldId": value["customFieldId"],
        "value": {"xsi_type": kind, "value": content},
    }


def plain(value: Any) -> Json:
    """JSON of what the SOAP client gives, without what is not there."""
    if isinstance(value, CompoundValue):
        fields = {name: plain(value[name]) for name in dir(value)}
        values = {name: part for name, part in fields.items() if part is not None}
        if _type_name(value) == "NumberValue" and "value" in values:
            values["value"] = float(values["value"])
        return values
    if isinstance(value, list):
        return [plain(part) for part in value] or None
    return value


def _type_name(value: CompoundValue) -> str:
    return str(value._xsd_type.name)  # noqa: SLF001  (zeep gives it no public name)


def statement(version: str, field: str, *identities: int, offset: int = 0) -> Json:
    """PQL: `field` is one of the ids, each of them a bound value."""
    builder = StatementBuilder(version=version)
    names = [f"id{at}" for at in range(len(identities))]
    builder.Where(" OR ".join(f"{field} = :{name}" for name in names))
    for name, identity in zip(names, identities, strict=True):
        builder.WithBindVariable(name, checked(identity))
    return builder.OrderBy("id").Limit(PAGE).Offset(offset).ToStatement()
