"""Converts between the contract's JSON and the SOAP client's values."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from googleads.ad_manager import StatementBuilder
from zeep.xsd import CompoundValue

from seil.admanager.rest.names import check_id
from seil.time_zones import canonical_name

Json = Any

PAGE = 500
_OVERBOOK = "-and-overbook"


def action_of(kinds: Mapping[str, str], word: str, reason: str | None) -> dict[str, Any]:
    """The SOAP action for the contract's action."""
    action: dict[str, Any] = {"xsi_type": kinds[word.removesuffix(_OVERBOOK)]}
    if word.endswith(_OVERBOOK):
        action["allowOverbook"] = True
    if reason is not None:
        action["reason"] = reason
    return action


def to_soap(value: Json, zone: str) -> Json:
    """Marks subtypes with `xsi_type`.

    The network's zone is renamed to `zone`, Google's name for it, which deals' times require.
    """
    if isinstance(value, list):
        return [to_soap(part, zone) for part in value]
    if not isinstance(value, dict):
        return value
    if "customFieldId" in value and "value" in value:
        return _custom_field(value)
    parts = {name: to_soap(part, zone) for name, part in value.items()}
    if parts.get("timeZoneId") == canonical_name(zone):
        parts["timeZoneId"] = zone
    if "adUnitId" in parts:  # A string in SOAP.
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


def from_soap(value: Any) -> Json:
    """JSON of the SOAP client's value, without unset fields."""
    if isinstance(value, CompoundValue):
        fields = {name: from_soap(value[name]) for name in dir(value)}
        values = {name: part for name, part in fields.items() if part is not None}
        if _type_name(value) == "NumberValue" and "value" in values:
            values["value"] = float(values["value"])
        return values
    if isinstance(value, list):
        return [from_soap(part) for part in value] or None
    return value


def _type_name(value: CompoundValue) -> str:
    return str(value._xsd_type.name)  # noqa: SLF001  (zeep gives it no public name)


def statement(version: str, field: str, *identities: int, offset: int = 0) -> Json:
    """PQL: `field` is one of the ids, as bind variables."""
    builder = StatementBuilder(version=version)
    names = [f"id{at}" for at in range(len(identities))]
    builder.Where(" OR ".join(f"{field} = :{name}" for name in names))
    for name, identity in zip(names, identities, strict=True):
        builder.WithBindVariable(name, check_id(identity))
    return builder.OrderBy("id").Limit(PAGE).Offset(offset).ToStatement()
