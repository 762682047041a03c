"""What proposals and their line items must be, through the official SOAP client."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from tests.sandbox.admanager.conftest import NETWORK, Google, Soap, Time, refused, soap_time

from seil.sandbox.admanager import catalog
from seil.sandbox.admanager.seed import (
    AD_UNIT_ID,
    ADVERTISER_ID,
    AGENCY_ID,
    INACTIVE_USER_ID,
    SALESPERSON_ID,
)

# The official client logs every fault with a function that is on its way out.
pytestmark = pytest.mark.filterwarnings("ignore:The 'warn' method:DeprecationWarning")


def _company(number: int, kind: str = "ADVERTISER", **more: Any) -> dict[str, Any]:
    return {"companyId": number, "type": kind, **more}


def _agency(number: int = AGENCY_ID, **more: Any) -> dict[str, Any]:
    return _company(number, "PRIMARY_AGENCY", **more)


_UNSUPPORTED_COMPANY = (
    "ProposalError.UNSUPPORTED_COMPANY_ASSOCIATION_TYPE_FOR_PROGRAMMATIC_PROPOSAL"
)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"name": None}, "RequiredError.REQUIRED"),
        ({"name": "x" * 256}, "StringLengthError.TOO_LONG"),
        ({"marketplaceInfo": None}, "RequiredError.REQUIRED"),
        ({"marketplaceInfo": {"buyerAccountId": 1}}, "ProgrammaticError.INVALID_BUYER"),
        ({"marketplaceInfo": {"buyerAccountId": 550_009}}, "ProgrammaticError.INVALID_BUYER"),
        ({"primaryTraffickerId": 1}, "CommonError.NOT_FOUND"),
        ({"sellerContactIds": [1]}, "CommonError.NOT_FOUND"),
        ({"primaryTraffickerId": INACTIVE_USER_ID}, "CommonError.NOT_FOUND"),
        ({"primarySalesperson": {"userId": INACTIVE_USER_ID}}, "CommonError.NOT_FOUND"),
        ({"salesPlannerIds": [INACTIVE_USER_ID]}, "CommonError.NOT_FOUND"),
        ({"salesPlannerIds": [SALESPERSON_ID] * 9}, "CollectionSizeError.TOO_LARGE"),
        ({"salesPlannerIds": [SALESPERSON_ID] * 2}, "ProposalError.DUPLICATED_SALES_PLANNER"),
        ({"internalNotes": "x" * 65_536}, "StringLengthError.TOO_LONG"),
        ({"currencyCode": "USD"}, "ProposalError.UNSUPPORTED_PROPOSAL_CURRENCY_CODE"),
        ({"currencyCode": "dollars"}, "CurrencyCodeError.INVALID"),
        ({"advertiser": _company(1)}, "CommonError.NOT_FOUND"),
        ({"advertiser": {"type": "ADVERTISER"}}, "RequiredError.REQUIRED"),
        ({"advertiser": {"companyId": ADVERTISER_ID}}, "RequiredError.REQUIRED"),
        ({"advertiser": _company(AGENCY_ID)}, "CompanyError.INVALID_COMPANY_TYPE"),
        (
            {"advertiser": _company(ADVERTISER_ID, contactIds=[1])},
            "ProposalError.CONTACT_UNSUPPORTED_FOR_ADVERTISER",
        ),
        ({"advertiser": _company(ADVERTISER_ID, "OTHER_AGENCY")}, _UNSUPPORTED_COMPANY),
        ({"agencies": [_company(AGENCY_ID, "BILLING_AGENCY")]}, _UNSUPPORTED_COMPANY),
        ({"appliedTeamIds": [1]}, "CommonError.NOT_FOUND"),
        ({"appliedLabels": [{"labelId": 1}]}, "CommonError.NOT_FOUND"),
        ({"agencies": [_agency(1)]}, "CommonError.NOT_FOUND"),
        ({"agencies": [_agency(ADVERTISER_ID)]}, "CompanyError.INVALID_COMPANY_TYPE"),
        ({"agencies": [_agency(contactIds=[1])]}, "ProposalError.INVALID_CONTACT"),
        ({"agencies": [_agency(), _agency()]}, "ProposalError.DUPLICATED_COMPANY_ASSOCIATION"),
        (
            {"agencies": [_agency(), _agency(AGENCY_ID + 1)]},
            "ProposalError.PRIMARY_AGENCY_NOT_UNIQUE",
        ),
    ],
    ids=str,
)
def test_bad_proposal_is_refused(soap: Soap, fields: dict[str, Any], reason: str) -> None:
    with refused(reason):
        soap.proposal(**fields)


_AHEAD = datetime(2026, 3, 20, 9, tzinfo=UTC)
_LINE, _DEAL = "ProposalLineItemError", "ProposalLineItemProgrammaticError"
_TERMS, _PREFERRED_ERROR = "ReservationDetailsError", "PreferredDealError"
_SPONSORED = {
    "lineItemType": "SPONSORSHIP",
    "goal": {"goalType": "DAILY", "unitType": "IMPRESSIONS", "units": 50},
}
_CAPPED = [{"goalType": "LIFETIME", "unitType": "IMPRESSIONS", "units": 1_000}]
_PREFERRED = {
    "lineItemType": "PREFERRED_DEAL",
    "goal": {"goalType": "NONE"},
    "deliveryRateType": "FRONTLOADED",
    "estimatedMinimumImpressions": 1_000,
}


def _goal(**members: Any) -> dict[str, Any]:
    return {"goal": {"goalType": "LIFETIME", "unitType": "IMPRESSIONS", "units": 5, **members}}


def _rate(amount: int, currency: str = "AUD", *, field: str = "netRate") -> dict[str, Any]:
    return {field: {"currencyCode": currency, "microAmount": amount}}


def _placed(*sizes: tuple[int, int], **members: Any) -> dict[str, Any]:
    placeholders = [{"size": {"width": w, "height": h}, **members} for w, h in sizes]
    return {"creativePlaceholders": placeholders}


def _targeted(**inventory: Any) -> dict[str, Any]:
    return {"targeting": {"inventoryTargeting": inventory}}


_BAD_LINES: dict[str, tuple[dict[str, Any], str]] = {
    "nobody's proposal": ({"proposalId": 1}, "CommonError.NOT_FOUND"),
    "no rate": ({"netRate": None}, "RequiredError.REQUIRED"),
    "no amount": ({"netRate": {"currencyCode": "AUD"}}, "RequiredError.REQUIRED"),
    "no delivery": ({"deliveryRateType": None}, "RequiredError.REQUIRED"),
    "long name": ({"name": "x" * 256}, "StringLengthError.TOO_LONG"),
    "rate 0": (_rate(0), f"{_DEAL}.ZERO_COST_PER_UNIT_NOT_SUPPORTED"),
    "rate below 0": (_rate(-100), "RangeError.TOO_LOW"),
    "rate too exact": (_rate(12_500_001), "PrecisionError.WRONG_PRECISION"),
    "cost too exact": (_rate(100, field="netCost"), "PrecisionError.WRONG_PRECISION"),
    "other currency": (_rate(100, "USD"), "CurrencyCodeError.UNSUPPORTED"),
    "start past": (
        {"startDateTime": soap_time(datetime(2026, 3, 3, tzinfo=UTC))},
        f"{_LINE}.START_DATE_TIME_IS_IN_PAST",
    ),
    "end before start": (
        {"endDateTime": soap_time(datetime(2026, 3, 4, 2, tzinfo=UTC))},
        f"{_LINE}.END_DATE_TIME_NOT_AFTER_START_TIME",
    ),
    "end too late": (
        {"endDateTime": soap_time(datetime(2037, 1, 2, tzinfo=UTC))},
        f"{_LINE}.END_DATE_TIME_TOO_LATE",
    ),
    "other zone": (
        {"startDateTime": soap_time(_AHEAD, "UTC")},
        f"{_LINE}.INVALID_TIME_ZONE_FOR_DEALS",
    ),
    "no zone": (
        {"startDateTime": {**soap_time(_AHEAD), "timeZoneId": "Mars/Base"}},
        "TimeZoneError.INVALID_TIMEZONE_ID",
    ),
    "type": ({"lineItemType": "HOUSE"}, f"{_DEAL}.INVALID_PROPOSAL_LINE_ITEM_TYPE"),
    "rate of standard": ({"rateType": "CPD"}, f"{_DEAL}.INVALID_RATE_TYPE"),
    "viewable": ({"rateType": "VCPM"}, f"{_DEAL}.INVALID_RATE_TYPE"),
    "goal of standard": (_goal(goalType="DAILY"), f"{_TERMS}.DURATION_NOT_ALLOWED"),
    "goal without units": ({"goal": {"goalType": "LIFETIME"}}, "RequiredError.REQUIRED"),
    "clicks": (_goal(unitType="CLICKS"), f"{_TERMS}.UNIT_TYPE_NOT_ALLOWED"),
    "units of a rate": (
        _goal(unitType="IN_TARGET_IMPRESSIONS"),
        f"{_TERMS}.COST_TYPE_UNIT_TYPE_MISMATCH_NOT_ALLOWED",
    ),
    "no units": (_goal(units=0), f"{_DEAL}.INVALID_NUM_UNITS"),
    "cap of standard": ({"secondaryGoals": _CAPPED}, "CommonError.NOT_APPLICABLE"),
    "sponsorship over 100": (
        {**_SPONSORED, "goal": {**_SPONSORED["goal"], "units": 101}},  # type: ignore[dict-item]
        f"{_TERMS}.PERCENTAGE_UNITS_BOUGHT_TOO_HIGH",
    ),
    "sponsorship for life": (
        {**_SPONSORED, **_goal()},
        f"{_TERMS}.DURATION_NOT_ALLOWED",
    ),
    "sponsorship by day": (
        {**_SPONSORED, "rateType": "CPD"},
        f"{_DEAL}.INVALID_SPONSORSHIP_CONTRACTED_UNITS_BOUGHT",
    ),
    "sponsorship without cap": (_SPONSORED, "RequiredError.REQUIRED"),
    "preferred by day": (
        {**_PREFERRED, "rateType": "CPD"},
        f"{_PREFERRED_ERROR}.INVALID_RATE_TYPE",
    ),
    "preferred with a goal": ({**_PREFERRED, **_goal()}, f"{_TERMS}.DURATION_NOT_ALLOWED"),
    "preferred evenly": (
        {**_PREFERRED, "deliveryRateType": "EVENLY"},
        f"{_PREFERRED_ERROR}.INVALID_DELIVERY_RATE_TYPE",
    ),
    "preferred capped": (
        {
            **_PREFERRED,
            "frequencyCaps": [{"maxImpressions": 1, "numTimeUnits": 1, "timeUnit": "DAY"}],
        },
        f"{_PREFERRED_ERROR}.INVALID_FREQUENCY_CAPS",
    ),
    "preferred together": (
        {**_PREFERRED, "roadblockingType": "ONLY_ONE"},
        f"{_PREFERRED_ERROR}.INVALID_ROADBLOCKING_TYPE",
    ),
    "preferred without an estimate": (
        {**_PREFERRED, "estimatedMinimumImpressions": None},
        "RequiredError.REQUIRED",
    ),
    "priority": ({"lineItemPriority": 4}, f"{_LINE}.INVALID_PRIORITY_FOR_LINE_ITEM_TYPE"),
    "creative set": ({"roadblockingType": "CREATIVE_SET"}, f"{_DEAL}.ROADBLOCKING_NOT_SUPPORTED"),
    "companions": (
        {"companionDeliveryOption": "ALL"},
        f"{_LINE}.INVALID_COMPANION_DELIVERY_OPTION_FOR_ROADBLOCKING_TYPE",
    ),
    "no size": ({"creativePlaceholders": [{"isAmpOnly": True}]}, f"{_LINE}.SIZE_REQUIRED"),
    "odd size": (_placed((301, 251)), "ProgrammaticError.SIZE_NOT_SUPPORTED"),
    "ratio": (
        _placed((4, 1), creativeSizeType="ASPECT_RATIO"),
        "ProgrammaticError.SIZE_NOT_SUPPORTED",
    ),
    "any size": (
        _placed((1, 1), creativeSizeType="IGNORED"),
        "ProgrammaticError.SIZE_NOT_SUPPORTED",
    ),
    "size of a native": (
        _placed((300, 250), creativeSizeType="NATIVE", creativeTemplateId=1),
        "ProgrammaticError.SIZE_NOT_SUPPORTED",
    ),
    "native without template": (
        _placed((1, 1), creativeSizeType="NATIVE"),
        f"{_LINE}.CANNOT_INCLUDE_NATIVE_PLACEHOLDER_WITHOUT_TEMPLATE_ID",
    ),
    "banner with template": (
        _placed((300, 250), creativeTemplateId=1),
        f"{_LINE}.CANNOT_HAVE_CREATIVE_TEMPLATE",
    ),
    "size twice": (_placed((300, 250), (300, 250)), f"{_LINE}.DUPLICATED_MASTER_SIZE"),
    "companion size": (
        _placed((300, 250), companions=[{"size": {"width": 88, "height": 31}}]),
        f"{_LINE}.COMPANION_NOT_ALLOWED",
    ),
    "no creatives": (
        _placed((300, 250), expectedCreativeCount=0),
        f"{_LINE}.INVALID_EXPECTED_CREATIVE_COUNT",
    ),
    "duration of a banner": (
        {"videoMaxDuration": 30_000},
        f"{_LINE}.CANNOT_SET_VIDEO_DURATION_ON_NON_VIDEO_DEAL",
    ),
    "skippable banner": (
        {"videoCreativeSkippableAdType": "ANY"},
        f"{_LINE}.SKIPPABLE_AD_TYPE_NOT_ALLOWED",
    ),
    "video together": (
        {"environmentType": "VIDEO_PLAYER", "roadblockingType": "ONLY_ONE"},
        f"{_LINE}.VIDEO_INVALID_ROADBLOCKING",
    ),
    "nobody's ad unit": (_targeted(targetedAdUnits=[{"adUnitId": "1"}]), "CommonError.NOT_FOUND"),
    "nobody's placement": (_targeted(targetedPlacementIds=[1]), "CommonError.NOT_FOUND"),
    "no inventory": (
        {"targeting": {"userDomainTargeting": {"domains": ["a.example"], "targeted": True}}},
        "InventoryTargetingError.AT_LEAST_ONE_PLACEMENT_OR_INVENTORY_UNIT_REQUIRED",
    ),
}


_INVENTORY = {"targetedAdUnits": [{"adUnitId": str(AD_UNIT_ID)}]}


def _for(**targeting: Any) -> dict[str, Any]:
    return {"targeting": {"inventoryTargeting": _INVENTORY, **targeting}}


def _geo_targets(targeted: int, *excluded: int) -> dict[str, Any]:
    lists = {
        "targetedLocations": [{"id": targeted}],
        "excludedLocations": [{"id": number} for number in excluded],
    }
    return _for(geoTargeting=lists)


def _criteria(kind: str, **fields: Any) -> dict[str, Any]:
    leaf = {"xsi_type": kind, "operator": "IS", **fields}
    inner = {"xsi_type": "CustomCriteriaSet", "logicalOperator": "AND", "children": [leaf]}
    return _for(customTargeting={"logicalOperator": "OR", "children": [inner]})


def _key(key: int, *values: int) -> dict[str, Any]:
    return _criteria("CustomCriteria", keyId=key, valueIds=list(values))


def _segment(number: int) -> dict[str, Any]:
    return _criteria("AudienceSegmentCriteria", audienceSegmentIds=[number])


def _field(number: int) -> dict[str, Any]:
    value = {"xsi_type": "TextValue", "value": "x"}
    fields = [{"xsi_type": "CustomFieldValue", "customFieldId": number, "value": value}]
    return {"customFieldValues": fields}


def _caps(*caps: tuple[int, int, str]) -> dict[str, Any]:
    names = ("maxImpressions", "numTimeUnits", "timeUnit")
    return {"frequencyCaps": [dict(zip(names, cap, strict=True)) for cap in caps]}


_KEYS = "CustomTargetingError"
_BAD_LINES |= {
    "cap 0": (_caps((0, 1, "DAY")), "FrequencyCapError.IMPRESSIONS_TOO_LOW"),
    "cap of no time": (_caps((1, 0, "DAY")), "FrequencyCapError.RANGE_TOO_LOW"),
    "cap twice": (_caps((1, 1, "DAY"), (2, 2, "DAY")), "FrequencyCapError.DUPLICATE_TIME_UNIT"),
    "nobody's place": (_geo_targets(1), "GeoTargetingError.UNTARGETABLE_LOCATION"),
    "place twice": (
        _geo_targets(catalog.AUSTRALIA_ID, catalog.AUSTRALIA_ID),
        "GeoTargetingError.TARGETED_LOCATIONS_NOT_EXCLUDABLE",
    ),
    "nobody's key": (_key(1, catalog.VALUE_ID), f"{_KEYS}.KEY_NOT_FOUND"),
    "nobody's value": (_key(catalog.KEY_ID, 1), f"{_KEYS}.VALUE_NOT_FOUND"),
    "inactive key": (
        _key(catalog.INACTIVE_KEY_ID, catalog.VALUE_ID),
        f"{_KEYS}.KEY_STATUS_NOT_ACTIVE",
    ),
    "nobody's segment": (_segment(1), f"{_KEYS}.INVALID_AUDIENCE_SEGMENTS"),
    "inactive segment": (
        _segment(catalog.INACTIVE_SEGMENT_ID),
        f"{_KEYS}.CANNOT_TARGET_INACTIVE_AUDIENCE_SEGMENT",
    ),
    "nobody's device": (
        _for(
            technologyTargeting={
                "deviceCategoryTargeting": {"targetedDeviceCategories": [{"id": 1}]}
            }
        ),
        "CommonError.NOT_FOUND",
    ),
    "nobody's label": ({"appliedLabels": [{"labelId": 1}]}, "CommonError.NOT_FOUND"),
    "label twice": (
        {"appliedLabels": [{"labelId": catalog.LABEL_ID}] * 2},
        "LabelEntityAssociationError.DUPLICATE_ASSOCIATION",
    ),
    "nobody's label of a size": (
        _placed((300, 250), appliedLabels=[{"labelId": 1}]),
        "CommonError.NOT_FOUND",
    ),
    "nobody's field": (_field(1), "CustomFieldValueError.CUSTOM_FIELD_NOT_FOUND"),
    "field of orders": (
        _field(catalog.ORDER_FIELD_ID),
        "CustomFieldValueError.INVALID_ENTITY_TYPE",
    ),
}


def test_deal_names_what_is_there(
    soap: Soap, google: Google, http: httpx.Client, clock: Time
) -> None:
    number = soap.proposal(
        appliedTeamIds=[catalog.TEAM_ID],
        appliedLabels=[{"labelId": catalog.LABEL_ID}],
        agencies=[_agency(contactIds=[catalog.AGENCY_CONTACT_ID])],
        **_field(catalog.PROPOSAL_FIELD_ID),
    )["id"]
    line = _key(catalog.KEY_ID, catalog.VALUE_ID) | _field(catalog.PROPOSAL_LINE_FIELD_ID)
    soap.line(number, clock.now, **line)
    soap.act("RequestBuyerAcceptance", number)
    http.post(f"/sandbox/proposals/{number}/accept").raise_for_status()
    sold = soap.lines_of(number)[0]["dfpLineItemId"]
    item = google.line_items.get_line_item(name=f"{NETWORK}/lineItems/{sold}")
    (clause,) = item.targeting.custom_targeting.custom_targeting_clauses
    (literal,) = clause.custom_targeting_literals
    assert literal.custom_targeting_values == [
        f"{NETWORK}/customTargetingValues/{catalog.VALUE_ID}"
    ]


@pytest.mark.parametrize(("fields", "reason"), _BAD_LINES.values(), ids=_BAD_LINES)
def test_bad_proposal_line_item_is_refused(
    soap: Soap, clock: Time, fields: dict[str, Any], reason: str
) -> None:
    number = soap.proposal()["id"]
    with refused(reason):
        soap.line(number, clock.now, **fields)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {**_SPONSORED, "secondaryGoals": _CAPPED},
        {**_SPONSORED, "rateType": "CPD", "contractedUnitsBought": 1_000},
        _PREFERRED,
        {"lineItemPriority": 6, "roadblockingType": "ONLY_ONE"},
        _placed((300, 250), (728, 90)),
        {**_placed((1, 1), creativeSizeType="NATIVE", creativeTemplateId=1)},
        {"environmentType": "VIDEO_PLAYER", "videoMaxDuration": 30_000, **_placed((640, 361))},
    ],
    ids=["standard", "share", "days", "preferred", "priority", "sizes", "native", "video"],
)
def test_good_proposal_line_item_is_made(soap: Soap, clock: Time, fields: dict[str, Any]) -> None:
    assert soap.line(soap.proposal()["id"], clock.now, **fields)["reservationStatus"]


def test_line_items_of_a_proposal_go_together(soap: Soap, clock: Time) -> None:
    number = soap.proposal()["id"]
    soap.line(number, clock.now)
    with refused("UniqueError"):
        soap.line(number, clock.now)
    with refused(f"{_DEAL}.MIX_GUARANTEED_AND_PREFERRED_DEAL_NOT_ALLOWED"):
        soap.line(number, clock.now, name="Other", **_PREFERRED)


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        (
            {"programmaticCreativeSource": "ADVERTISER"},
            "CANNOT_UPDATE_PROGRAMMATIC_CREATIVE_SOURCE",
        ),
        (_placed((728, 90)), "CANNOT_UPDATE_SIZES"),
    ],
    ids=["source", "sizes"],
)
def test_what_the_buyer_has_seen_is_not_changed(
    soap: Soap, clock: Time, fields: dict[str, Any], reason: str
) -> None:
    number = soap.proposal()["id"]
    soap.line(number, clock.now, programmaticCreativeSource="PUBLISHER")
    soap.act("RequestBuyerReview", number)
    soap.act("EditProposalsForNegotiation", number)
    line = soap.lines_of(number)[0]
    for name, value in fields.items():
        line[name] = value
    with refused(f"{_DEAL}.{reason}"):
        soap.lines.updateProposalLineItems([line])


def test_advertiser_stays_once_inventory_is_reserved(soap: Soap, clock: Time) -> None:
    number = soap.proposal()["id"]
    soap.line(number, clock.now)
    soap.act("ReserveProposals", number)
    proposal = soap.read(number)
    proposal["advertiser"]["companyId"] = ADVERTISER_ID + 1
    with refused("ProposalError.UPDATE_ADVERTISER_NOT_ALLOWED"):
        soap.proposals.updateProposals([proposal])
