"""Which of the REST API's fields each field of a line item is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seil.admanager.rest.codecs import (
    CUSTOM_FIELDS,
    LABELS,
    LONG,
    MILLISECONDS,
    MONEY,
    PLAIN,
    TIME,
    Codec,
    Field,
    Json,
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
from seil.admanager.rest.targeting import TARGETING

_GOAL = shape(
    [
        Field("goalType", "goalType", enum()),
        Field("unitType", "unitType", enum()),
        Field("units", "units", LONG),
    ]
)
_CAPS = many(
    shape(
        [
            Field("maxImpressions", "maxImpressions", LONG),
            Field("numTimeUnits", "timeAmount", LONG),
            Field("timeUnit", "timeUnit", enum()),
        ]
    )
)
_PACING = shape(
    [
        Field("customPacingGoalUnit", "customPacingGoalUnit", enum()),
        Field(
            "customPacingGoals",
            "customPacingGoals",
            many(
                shape(
                    [
                        Field("startDateTime", "startTime", TIME),
                        Field("useLineItemStartDateTime", "useLineItemStartTime", PLAIN),
                        Field("amount", "amount", LONG),
                    ]
                )
            ),
        ),
    ]
)
_GRP = shape(
    [
        Field("minTargetAge", "minTargetAge", LONG),
        Field("maxTargetAge", "maxTargetAge", LONG),
        Field("targetGender", "targetGender", enum()),
        Field("provider", "provider", enum()),
        Field("inTargetRatioEstimateMilliPercent", "inTargetRatioEstimateMilliPercent", LONG),
        Field("nielsenCtvPacingType", "nielsenCtvPacingType", enum()),
        Field("pacingDeviceCategorizationType", "pacingDeviceCategorizationType", enum()),
        Field("applyTrueCoview", "applyTrueCoview", PLAIN),
    ]
)
_MEASUREMENT = shape(
    [
        field
        for start in ("viewability", "publisherViewability", "brandLift", "reach", "publisherReach")
        for field in (
            Field(f"{start}Partner", f"{start}Partner", enum()),
            Field(f"{start}ClientId", f"{start}ClientId", PLAIN),
            Field(f"{start}ReportingId", f"{start}ReportingId", PLAIN),
        )
    ]
)


def _write_size(value: Mapping[str, Json], kind: str | None, path: str) -> Json:
    size, ratio = value["size"], value["size"].get("isAspectRatio")
    if ratio and kind not in (None, "ASPECT_RATIO"):
        raise refused(f"{path}.size.isAspectRatio", f"a size of type {kind} is no ratio")
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
    Field("appliedLabels", "appliedLabels", LABELS),
    Field("expectedCreativeCount", "expectedCreativeCount", PLAIN),
    Field("targetingName", "creativeTargetingDisplayName", PLAIN),
    Field("isAmpOnly", "ampOnly", PLAIN),
)
_COMPANION_MISSING = ("creativeTemplateId", "companions", *(f.name for f in _PLACEHOLDER))


def _write_placeholder(value: Json, to: Network, path: str) -> Json:
    reject_missing(value, ["creativeTemplateId"], path)
    result = written(_PLACEHOLDER, value, to, path)
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
    result = {"size": size, "creativeSizeType": kind, **read(_PLACEHOLDER, value, of)}
    companions = [_read_size(one.get("size", {})) for one in value.get("companions", ())]
    if companions:
        result["companions"] = [{"size": s, "creativeSizeType": k} for s, k in companions]
    return result


PLACEHOLDERS = many(Codec(_write_placeholder, _read_placeholder))

_CREATIVE_TARGETINGS = many(
    shape(
        [
            Field("name", "creativeTargetingDisplayName", PLAIN),
            Field("targeting", "targeting", TARGETING),
        ]
    )
)

GIVEN = (
    Field("orderId", "order", ref("orders")),
    Field("name", "displayName", PLAIN),
    Field("externalId", "externalLineItemId", PLAIN),
    Field("startDateTime", "startTime", TIME),
    Field("endDateTime", "targetEndTime", TIME),
    Field("autoExtensionDays", "autoExtensionDays", PLAIN),
    Field("unlimitedEndDateTime", "endTimeUnlimited", PLAIN),
    Field(
        "creativeRotationType",
        "creativeRotationType",
        enum({"EVEN": "EVENLY", "MANUAL": "WEIGHTED"}),
    ),
    Field("deliveryRateType", "deliveryRateType", enum()),
    Field("deliveryForecastSource", "deliveryForecastSource", enum()),
    Field("customPacingCurve", "customPacingCurve", _PACING),
    Field("roadblockingType", "roadblockingType", enum()),
    Field("skippableAdType", "skippableAdType", enum()),
    Field("frequencyCaps", "frequencyCaps", _CAPS),
    Field("lineItemType", "lineItemType", enum()),
    Field("priority", "priority", PLAIN),
    Field("costPerUnit", "rate", MONEY),
    Field("valueCostPerUnit", "valueCpm", MONEY),
    Field("costType", "costType", enum()),
    Field("contractedUnitsBought", "contractedUnitsBought", LONG),
    Field("creativePlaceholders", "creativePlaceholders", PLACEHOLDERS),
    Field("environmentType", "environmentType", enum()),
    Field("allowedFormats", "allowedFormats", many(enum())),
    Field("companionDeliveryOption", "companionDeliveryOption", enum()),
    Field("allowOverbook", "allowOverbook", PLAIN),
    Field("skipInventoryCheck", "skipInventoryCheck", PLAIN),
    Field("skipCrossSellingRuleWarningChecks", "skipCrossSellingRuleWarningChecks", PLAIN),
    Field("reserveAtCreation", "reserveOnCreation", PLAIN),
    Field("webPropertyCode", "webPropertyCode", PLAIN),
    Field("appliedLabels", "appliedLabels", LABELS),
    Field("disableSameAdvertiserCompetitiveExclusion", "sameAdvertiserExceptionEnabled", PLAIN),
    Field("notes", "notes", PLAIN),
    Field("competitiveConstraintScope", "competitiveConstraintScope", enum()),
    Field("customFieldValues", "customFieldValues", CUSTOM_FIELDS),
    Field("thirdPartyMeasurementSettings", "thirdPartyMeasurementSettings", _MEASUREMENT),
    Field("youtubeKidsRestricted", "youtubeKidsRestricted", PLAIN),
    Field("videoMaxDuration", "maxVideoCreativeDuration", MILLISECONDS),
    Field("primaryGoal", "goal", _GOAL),
    Field("secondaryGoals", "secondaryGoals", many(_GOAL)),
    Field("grpSettings", "grpSettings", _GRP),
    Field("dealInfo", "dealInfo", shape([Field("externalDealId", "externalDealId", LONG)])),
    Field("viewabilityProviderCompanyIds", "viewabilityProviderCompanies", refs("companies")),
    Field("childContentEligibility", "childContentEligibility", enum()),
    Field("customVastExtension", "customVastExtension", PLAIN),
    Field("repeatedCreativeServingEnabled", "repeatedCreativeServingEnabled", PLAIN),
    Field("targeting", "targeting", TARGETING),
    Field("creativeTargetings", "creativeTargetings", _CREATIVE_TARGETINGS),
)
_STATS = shape(
    [
        Field(name, name, LONG)
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
    *GIVEN,
    Field("id", "name", ref("lineItems")),
    Field("status", "status", enum()),
    Field("orderName", "orderDisplayName", PLAIN),
    Field("stats", "stats", _STATS),
    Field(
        "deliveryIndicator",
        "deliveryIndicator",
        shape(
            [
                Field("expectedDeliveryPercentage", "expectedDeliveryPercentage", PLAIN),
                Field("actualDeliveryPercentage", "actualDeliveryPercentage", PLAIN),
            ]
        ),
    ),
    Field("budget", "budget", MONEY),
    Field("reservationStatus", "reservationStatus", enum()),
    Field("isArchived", "archived", PLAIN),
    Field("effectiveAppliedLabels", "effectiveAppliedLabels", LABELS),
    Field("lastModifiedByApp", "updateSource", PLAIN),
    Field("lastModifiedDateTime", "updateTime", TIME),
    Field("creationDateTime", "createTime", TIME),
    Field("isMissingCreatives", "missingCreatives", PLAIN),
)
_DISCOUNT = ("discount", "discountType")
# REST has no default for it, and the contract does not ask for it.
_ROTATION = "OPTIMIZED"
_DISCOUNT_TYPE = "PERCENTAGE"


def to_rest(values: Mapping[str, Any], network: Network, path: str) -> dict[str, Any]:
    """Of what is given of a line item. Raises RequestRejectedError for what REST cannot express."""
    reject_missing(values, ["programmaticCreativeSource"], path)
    if values.get("startDateTimeType") not in (None, "USE_START_DATE_TIME"):
        reason = "Ad Manager's REST API starts line items at startDateTime only"
        raise refused(f"{path}.startDateTimeType", reason)
    result: dict[str, Any] = written(GIVEN, values, network, path)
    if values.get("discount") is not None or values.get("discountType") is not None:
        result["discount"] = {
            "discount": values.get("discount") or 0.0,
            "discountType": values.get("discountType") or _DISCOUNT_TYPE,
        }
    return result


def new_to_rest(values: Mapping[str, Any], network: Network, path: str) -> dict[str, Any]:
    return {"creativeRotationType": _ROTATION, **to_rest(values, network, path)}


def mask(names: set[str]) -> list[str]:
    """The REST fields, as an update mask names them, of the contract's fields."""
    paths = [field.rest for field in GIVEN if field.name in names]
    paths += ["discount"] if names & set(_DISCOUNT) else []
    return ["".join(f"_{c.lower()}" if c.isupper() else c for c in path) for path in paths]


def of_rest(values: Mapping[str, Any], network: Network) -> dict[str, Any]:
    result: dict[str, Any] = read(_RESPONSE_FIELDS, values, network)
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
