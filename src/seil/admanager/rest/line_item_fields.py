"""Maps a line item's fields to the REST API's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seil.admanager.rest.codecs import (
    AS_IS,
    CUSTOM_FIELDS,
    LABELS,
    LONG,
    MILLISECONDS,
    MONEY,
    TIME,
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
from seil.admanager.rest.targeting import TARGETING

_GOAL = shape(
    [
        MappedField("goalType", "goalType", enum()),
        MappedField("unitType", "unitType", enum()),
        MappedField("units", "units", LONG),
    ]
)
_CAPS = list_of(
    shape(
        [
            MappedField("maxImpressions", "maxImpressions", LONG),
            MappedField("numTimeUnits", "timeAmount", LONG),
            MappedField("timeUnit", "timeUnit", enum()),
        ]
    )
)
_PACING = shape(
    [
        MappedField("customPacingGoalUnit", "customPacingGoalUnit", enum()),
        MappedField(
            "customPacingGoals",
            "customPacingGoals",
            list_of(
                shape(
                    [
                        MappedField("startDateTime", "startTime", TIME),
                        MappedField("useLineItemStartDateTime", "useLineItemStartTime", AS_IS),
                        MappedField("amount", "amount", LONG),
                    ]
                )
            ),
        ),
    ]
)
_GRP = shape(
    [
        MappedField("minTargetAge", "minTargetAge", LONG),
        MappedField("maxTargetAge", "maxTargetAge", LONG),
        MappedField("targetGender", "targetGender", enum()),
        MappedField("provider", "provider", enum()),
        MappedField("inTargetRatioEstimateMilliPercent", "inTargetRatioEstimateMilliPercent", LONG),
        MappedField("nielsenCtvPacingType", "nielsenCtvPacingType", enum()),
        MappedField("pacingDeviceCategorizationType", "pacingDeviceCategorizationType", enum()),
        MappedField("applyTrueCoview", "applyTrueCoview", AS_IS),
    ]
)
_MEASUREMENT = shape(
    [
        field
        for start in ("viewability", "publisherViewability", "brandLift", "reach", "publisherReach")
        for field in (
            MappedField(f"{start}Partner", f"{start}Partner", enum()),
            MappedField(f"{start}ClientId", f"{start}ClientId", AS_IS),
            MappedField(f"{start}ReportingId", f"{start}ReportingId", AS_IS),
        )
    ]
)


def _write_size(value: Mapping[str, Json], kind: str | None, path: str) -> Json:
    size, ratio = value["size"], value["size"].get("isAspectRatio")
    if ratio and kind not in (None, "ASPECT_RATIO"):
        raise not_supported(f"{path}.size.isAspectRatio", f"a size of type {kind} is not a ratio")
    kind = kind or ("ASPECT_RATIO" if ratio else "PIXEL")
    return {"width": size["width"], "height": size["height"], "sizeType": kind}


def _read_size(size: Mapping[str, Json]) -> tuple[Json, str]:
    kind = str(size.get("sizeType", "PIXEL"))
    return {
        "width": size.get("width", 0),
        "height": size.get("height", 0),
        "isAspectRatio": kind == "ASPECT_RATIO",
    }, kind


_PLACEHOLDER = (
    MappedField("appliedLabels", "appliedLabels", LABELS),
    MappedField("expectedCreativeCount", "expectedCreativeCount", AS_IS),
    MappedField("targetingName", "creativeTargetingDisplayName", AS_IS),
    MappedField("isAmpOnly", "ampOnly", AS_IS),
)
_COMPANION_MISSING = ("creativeTemplateId", "companions", *(f.name for f in _PLACEHOLDER))


def _write_placeholder(value: Json, to: Network, path: str) -> Json:
    reject_missing(value, ["creativeTemplateId"], path)
    result = encode_fields(_PLACEHOLDER, value, to, path)
    result["size"] = _write_size(value, value.get("creativeSizeType"), path)
    if companions := value.get("companions"):
        result["companions"] = [
            _write_companion(companion, f"{path}.companions[{at}]")
            for at, companion in enumerate(companions)
        ]
    return result


def _write_companion(value: Json, path: str) -> Json:
    reject_missing(value, _COMPANION_MISSING, path)
    return {"size": _write_size(value, value.get("creativeSizeType"), path)}


def _read_placeholder(value: Json, of: Network) -> Json:
    size, kind = _read_size(value.get("size", {}))
    result = {"size": size, "creativeSizeType": kind, **decode_fields(_PLACEHOLDER, value, of)}
    companions = [_read_size(entry.get("size", {})) for entry in value.get("companions", ())]
    if companions:
        result["companions"] = [{"size": s, "creativeSizeType": k} for s, k in companions]
    return result


PLACEHOLDERS = list_of(Codec(_write_placeholder, _read_placeholder))

_CREATIVE_TARGETINGS = list_of(
    shape(
        [
            MappedField("name", "creativeTargetingDisplayName", AS_IS),
            MappedField("targeting", "targeting", TARGETING),
        ]
    )
)

WRITABLE = (
    MappedField("orderId", "order", ref("orders")),
    MappedField("name", "displayName", AS_IS),
    MappedField("externalId", "externalLineItemId", AS_IS),
    MappedField("startDateTime", "startTime", TIME),
    MappedField("endDateTime", "targetEndTime", TIME),
    MappedField("autoExtensionDays", "autoExtensionDays", AS_IS),
    MappedField("unlimitedEndDateTime", "endTimeUnlimited", AS_IS),
    MappedField(
        "creativeRotationType",
        "creativeRotationType",
        enum({"EVEN": "EVENLY", "MANUAL": "WEIGHTED"}),
    ),
    MappedField("deliveryRateType", "deliveryRateType", enum()),
    MappedField("deliveryForecastSource", "deliveryForecastSource", enum()),
    MappedField("customPacingCurve", "customPacingCurve", _PACING),
    MappedField("roadblockingType", "roadblockingType", enum()),
    MappedField("skippableAdType", "skippableAdType", enum()),
    MappedField("frequencyCaps", "frequencyCaps", _CAPS),
    MappedField("lineItemType", "lineItemType", enum()),
    MappedField("priority", "priority", AS_IS),
    MappedField("costPerUnit", "rate", MONEY),
    MappedField("valueCostPerUnit", "valueCpm", MONEY),
    MappedField("costType", "costType", enum()),
    MappedField("contractedUnitsBought", "contractedUnitsBought", LONG),
    MappedField("creativePlaceholders", "creativePlaceholders", PLACEHOLDERS),
    MappedField("environmentType", "environmentType", enum()),
    MappedField("allowedFormats", "allowedFormats", list_of(enum())),
    MappedField("companionDeliveryOption", "companionDeliveryOption", enum()),
    MappedField("allowOverbook", "allowOverbook", AS_IS),
    MappedField("skipInventoryCheck", "skipInventoryCheck", AS_IS),
    MappedField("skipCrossSellingRuleWarningChecks", "skipCrossSellingRuleWarningChecks", AS_IS),
    MappedField("reserveAtCreation", "reserveOnCreation", AS_IS),
    MappedField("webPropertyCode", "webPropertyCode", AS_IS),
    MappedField("appliedLabels", "appliedLabels", LABELS),
    MappedField(
        "disableSameAdvertiserCompetitiveExclusion", "sameAdvertiserExceptionEnabled", AS_IS
    ),
    MappedField("notes", "notes", AS_IS),
    MappedField("competitiveConstraintScope", "competitiveConstraintScope", enum()),
    MappedField("customFieldValues", "customFieldValues", CUSTOM_FIELDS),
    MappedField("thirdPartyMeasurementSettings", "thirdPartyMeasurementSettings", _MEASUREMENT),
    MappedField("youtubeKidsRestricted", "youtubeKidsRestricted", AS_IS),
    MappedField("videoMaxDuration", "maxVideoCreativeDuration", MILLISECONDS),
    MappedField("primaryGoal", "goal", _GOAL),
    MappedField("secondaryGoals", "secondaryGoals", list_of(_GOAL)),
    MappedField("grpSettings", "grpSettings", _GRP),
    MappedField(
        "dealInfo", "dealInfo", shape([MappedField("externalDealId", "externalDealId", LONG)])
    ),
    MappedField("viewabilityProviderCompanyIds", "viewabilityProviderCompanies", refs("companies")),
    MappedField("childContentEligibility", "childContentEligibility", enum()),
    MappedField("customVastExtension", "customVastExtension", AS_IS),
    MappedField("repeatedCreativeServingEnabled", "repeatedCreativeServingEnabled", AS_IS),
    MappedField("targeting", "targeting", TARGETING),
    MappedField("creativeTargetings", "creativeTargetings", _CREATIVE_TARGETINGS),
)
_STATS = shape(
    [
        MappedField(name, name, LONG)
        for name in (
            "impressionsDelivered",
            "clicksDelivered",
            "videoCompletionsDelivered",
            "videoStartsDelivered",
            "viewableImpressionsDelivered",
        )
    ]
)
_RESPONSE_FIELDS = (
    *WRITABLE,
    MappedField("id", "name", ref("lineItems")),
    MappedField("status", "status", enum()),
    MappedField("orderName", "orderDisplayName", AS_IS),
    MappedField("stats", "stats", _STATS),
    MappedField(
        "deliveryIndicator",
        "deliveryIndicator",
        shape(
            [
                MappedField("expectedDeliveryPercentage", "expectedDeliveryPercentage", AS_IS),
                MappedField("actualDeliveryPercentage", "actualDeliveryPercentage", AS_IS),
            ]
        ),
    ),
    MappedField("budget", "budget", MONEY),
    MappedField("reservationStatus", "reservationStatus", enum()),
    MappedField("isArchived", "archived", AS_IS),
    MappedField("effectiveAppliedLabels", "effectiveAppliedLabels", LABELS),
    MappedField("lastModifiedByApp", "updateSource", AS_IS),
    MappedField("lastModifiedDateTime", "updateTime", TIME),
    MappedField("creationDateTime", "createTime", TIME),
    MappedField("isMissingCreatives", "missingCreatives", AS_IS),
)
_DISCOUNT = ("discount", "discountType")
# REST requires it, and the contract does not.
_ROTATION = "OPTIMIZED"
_DISCOUNT_TYPE = "PERCENTAGE"


def to_rest(values: Mapping[str, Any], network: Network, path: str) -> dict[str, Any]:
    """The fields that are set. Raises RequestRejectedError for what REST cannot express."""
    reject_missing(values, ["programmaticCreativeSource"], path)
    if values.get("startDateTimeType") not in (None, "USE_START_DATE_TIME"):
        reason = "Ad Manager's REST API starts line items at startDateTime only"
        raise not_supported(f"{path}.startDateTimeType", reason)
    result: dict[str, Any] = encode_fields(WRITABLE, values, network, path)
    if values.get("discount") is not None or values.get("discountType") is not None:
        result["discount"] = {
            "discount": values.get("discount") or 0.0,
            "discountType": values.get("discountType") or _DISCOUNT_TYPE,
        }
    return result


def new_to_rest(values: Mapping[str, Any], network: Network, path: str) -> dict[str, Any]:
    return {"creativeRotationType": _ROTATION, **to_rest(values, network, path)}


def mask(names: set[str]) -> list[str]:
    """The update mask's paths for the contract's fields."""
    paths = [field.rest for field in WRITABLE if field.name in names]
    paths += ["discount"] if names & set(_DISCOUNT) else []
    return ["".join(f"_{c.lower()}" if c.isupper() else c for c in path) for path in paths]


def of_rest(values: Mapping[str, Any], network: Network) -> dict[str, Any]:
    result: dict[str, Any] = decode_fields(_RESPONSE_FIELDS, values, network)
    if "endDateTime" not in result and "endTime" in values:
        result["endDateTime"] = TIME.read(values["endTime"], network)
    discount = values.get("discount", {})
    if "discount" in discount:
        result["discount"] = discount["discount"]
    if kind := enum().read(discount.get("discountType", "_UNSPECIFIED"), network):
        result["discountType"] = kind
    if units := values.get("stats", {}).get("deliveryData"):
        result["deliveryData"] = {"units": [int(unit) for unit in units]}
    return result
