"""What both the contract and REST can express survives the way there and back."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seil.admanager.models import CreateLineItems, CreateOrder, LineItem
from seil.admanager.models.line_items import NewLineItem
from seil.admanager.rest.codecs import MILLISECONDS, MONEY, TIME, Network, date_time
from seil.admanager.rest.line_item_fields import mask, new_to_rest, of_rest, to_rest
from seil.admanager.rest.messages import as_json, message
from seil.admanager.rest.orders import order_of_rest, order_to_rest
from seil.errors import RequestRejectedError, UnexpectedAnswerError

SYDNEY = Network.of("1234567", "Australia/Sydney")

ids = st.integers(1, 10**15)
some_ids = st.lists(ids, min_size=1, max_size=3, unique=True)
words = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1)
money = st.builds(
    lambda amount: {"currencyCode": "AUD", "microAmount": amount},
    st.integers(0, 10**15),
)


def things(name: str = "id") -> st.SearchStrategy[list[dict[str, int]]]:
    return some_ids.map(lambda ids: [{name: one} for one in ids])


@st.composite
def moments(draw: st.DrawFn) -> dict[str, Any]:
    """Any second of Sydney's clocks that is not in the hour that comes twice."""
    moment = draw(st.integers(946_684_800, 4_102_444_800))
    local = datetime.fromtimestamp(moment, ZoneInfo("Australia/Sydney"))
    return date_time(local + timedelta(hours=1) if local.fold else local, "Australia/Sydney")


def optional(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields).filter(bool)


def switched(name: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"isTargeted": st.booleans(), name: things()})


operators = st.sampled_from(["IS", "IS_NOT"])
keys = st.fixed_dictionaries({"keyId": ids, "valueIds": some_ids, "operator": operators})
segments = st.fixed_dictionaries({"audienceSegmentIds": some_ids, "operator": operators})
metadata = st.fixed_dictionaries(
    {"cmsMetadataValueIds": some_ids, "operator": st.sampled_from(["EQUALS", "NOT_EQUALS"])}
)
clauses = st.builds(
    lambda first, second, third: {
        "logicalOperator": "AND",
        "children": [*first, *second, *third],
    },
    st.lists(keys, min_size=1, max_size=2),
    st.lists(segments, max_size=2),
    st.lists(metadata, max_size=1),
)
technology = optional(
    bandwidthGroupTargeting=switched("bandwidthGroups"),
    browserTargeting=switched("browsers"),
    browserLanguageTargeting=switched("browserLanguages"),
    deviceCapabilityTargeting=optional(
        targetedDeviceCapabilities=things(), excludedDeviceCapabilities=things()
    ),
    deviceCategoryTargeting=optional(
        targetedDeviceCategories=things(), excludedDeviceCategories=things()
    ),
    deviceManufacturerTargeting=switched("deviceManufacturers"),
    mobileCarrierTargeting=switched("mobileCarriers"),
    mobileDeviceTargeting=optional(targetedMobileDevices=things(), excludedMobileDevices=things()),
    mobileDeviceSubmodelTargeting=optional(targetedMobileDeviceSubmodels=things()),
    operatingSystemTargeting=switched("operatingSystems"),
    operatingSystemVersionTargeting=optional(excludedOperatingSystemVersions=things()),
)
ad_units = st.lists(
    st.fixed_dictionaries({"adUnitId": ids, "includeDescendants": st.booleans()}),
    min_size=1,
    max_size=2,
)
positions = st.fixed_dictionaries(
    {
        "videoPosition": st.fixed_dictionaries(
            {"positionType": st.just("MIDROLL")},
            optional={"midrollIndex": st.integers(-5, 5).filter(bool)},
        )
    },
    optional={
        "videoBumperType": st.sampled_from(["BEFORE", "AFTER"]),
        "videoPositionWithinPod": st.fixed_dictionaries({"index": st.integers(-1, 5)}),
    },
)
targeting = optional(
    geoTargeting=optional(targetedLocations=things(), excludedLocations=things()),
    inventoryTargeting=optional(
        targetedAdUnits=ad_units, excludedAdUnits=ad_units, targetedPlacementIds=some_ids
    ),
    technologyTargeting=technology,
    customTargeting=st.fixed_dictionaries(
        {
            "logicalOperator": st.just("OR"),
            "children": st.lists(clauses, min_size=1, max_size=2),
        }
    ),
    userDomainTargeting=st.fixed_dictionaries(
        {"targeted": st.booleans(), "domains": st.lists(words, min_size=1, max_size=2)}
    ),
    contentTargeting=optional(targetedContentIds=some_ids, excludedVideoContentBundleIds=some_ids),
    videoPositionTargeting=st.fixed_dictionaries(
        {"targetedPositions": st.lists(positions, min_size=1, max_size=2)}
    ),
    mobileApplicationTargeting=st.fixed_dictionaries(
        {"isTargeted": st.booleans(), "mobileApplicationIds": some_ids}
    ),
    requestPlatformTargeting=st.fixed_dictionaries(
        {"targetedRequestPlatforms": st.just(["BROWSER", "MOBILE_APP"])}
    ),
)
labels = st.lists(
    st.fixed_dictionaries({"labelId": ids, "isNegated": st.booleans()}), min_size=1, max_size=2
)
custom_fields = st.lists(
    st.one_of(
        st.fixed_dictionaries({"customFieldId": ids, "customFieldOptionId": ids}),
        st.fixed_dictionaries(
            {
                "customFieldId": ids,
                "value": st.fixed_dictionaries(
                    {"value": st.one_of(words, st.booleans(), st.floats(-1e6, 1e6))}
                ),
            }
        ),
    ),
    min_size=1,
    max_size=2,
)
goals = st.fixed_dictionaries(
    {
        "goalType": st.sampled_from(["NONE", "LIFETIME", "DAILY"]),
        "unitType": st.just("IMPRESSIONS"),
        "units": st.integers(-1, 10**12),
    }
)


def sizes(kind: str) -> dict[str, Any]:
    ratio = kind == "ASPECT_RATIO"
    return {
        "size": {"width": 300, "height": 250, "isAspectRatio": ratio},
        "creativeSizeType": kind,
    }


placeholders = st.lists(
    st.builds(
        lambda kind, more: sizes(kind) | more,
        st.sampled_from(["PIXEL", "ASPECT_RATIO", "INTERSTITIAL", "NATIVE"]),
        st.fixed_dictionaries(
            {},
            optional={
                "expectedCreativeCount": st.integers(1, 9),
                "appliedLabels": labels,
                "targetingName": words,
                "isAmpOnly": st.booleans(),
                "companions": st.just([sizes("PIXEL")]),
            },
        ),
    ),
    min_size=1,
    max_size=2,
)
line_items = st.fixed_dictionaries(
    {
        "orderId": ids,
        "name": words.map(lambda text: text[:255]),
        "startDateTime": moments(),
        "lineItemType": st.sampled_from(["STANDARD", "SPONSORSHIP", "HOUSE"]),
        "costPerUnit": money,
        "costType": st.sampled_from(["CPM", "VCPM"]),
        "creativePlaceholders": placeholders,
        "creativeRotationType": st.sampled_from(["EVEN", "OPTIMIZED", "MANUAL", "SEQUENTIAL"]),
        "targeting": targeting,
    },
    optional={
        "endDateTime": moments(),
        "externalId": words,
        "valueCostPerUnit": money,
        "priority": st.integers(1, 16),
        "discount": st.integers(1, 100).map(float),
        "discountType": st.sampled_from(["ABSOLUTE_VALUE", "PERCENTAGE"]),
        "contractedUnitsBought": st.integers(0, 10**12),
        "primaryGoal": goals,
        "secondaryGoals": st.lists(goals, min_size=1, max_size=2),
        "frequencyCaps": st.just([{"maxImpressions": 3, "numTimeUnits": 2, "timeUnit": "WEEK"}]),
        "videoMaxDuration": st.integers(0, 10**7),
        "appliedLabels": labels,
        "customFieldValues": custom_fields,
        "disableSameAdvertiserCompetitiveExclusion": st.booleans(),
        "unlimitedEndDateTime": st.booleans(),
        "allowedFormats": st.just(["VIDEO", "AUDIO"]),
        "viewabilityProviderCompanyIds": some_ids,
        "dealInfo": st.fixed_dictionaries({"externalDealId": ids}),
        "thirdPartyMeasurementSettings": st.just(
            {"viewabilityPartner": "MOAT", "reachClientId": "c1"}
        ),
        "grpSettings": st.just({"minTargetAge": 18, "targetGender": "BOTH"}),
        "customPacingCurve": st.fixed_dictionaries(
            {
                "customPacingGoalUnit": st.just("ABSOLUTE"),
                "customPacingGoals": st.just([{"useLineItemStartDateTime": True, "amount": 5}]),
            }
        ),
    },
)


@settings(max_examples=40, deadline=None)
@given(line_items)
def test_line_item_survives_the_rest_types(values: dict[str, Any]) -> None:
    given_values = NewLineItem.model_validate(values).wire()
    sent = message("LineItem", new_to_rest(given_values, SYDNEY, "lineItems[0]"))
    sent.name = "networks/1234567/lineItems/7"
    wire = LineItem.of_answer(of_rest(as_json(sent), SYDNEY)).wire()
    if "discount" in values or "discountType" in values:
        given_values = {"discount": 0.0, "discountType": "PERCENTAGE", **given_values}
    assert wire == {**given_values, "id": 7}


@settings(max_examples=25, deadline=None)
@given(
    st.fixed_dictionaries(
        {"name": words.map(lambda text: text[:255]), "advertiserId": ids, "traffickerId": ids},
        optional={
            "agencyId": ids,
            "advertiserContactIds": some_ids,
            "secondarySalespersonIds": some_ids,
            "secondaryTraffickerIds": some_ids,
            "appliedTeamIds": some_ids,
            "appliedLabels": labels,
            "customFieldValues": custom_fields,
            "externalOrderId": st.integers(0, 2**31 - 1),
            "notes": words,
        },
    )
)
def test_order_survives_the_rest_types(values: dict[str, Any]) -> None:
    request = CreateOrder.model_validate({"orders": [values]})
    sent = message("Order", order_to_rest(request, SYDNEY))
    assert order_of_rest(as_json(sent), SYDNEY) == request.orders[0].wire()


@given(st.integers(-(2**62), 2**62))
def test_money_is_exact_to_the_micro(amount: int) -> None:
    value = {"currencyCode": "AUD", "microAmount": amount}
    there = MONEY.write(value, SYDNEY, "")
    assert MONEY.read(there, SYDNEY) == value
    assert int(there["units"]) * 10**9 + there["nanos"] == amount * 1000
    assert abs(there["nanos"]) < 10**9


def test_money_finer_than_a_micro_is_rounded() -> None:
    money = MONEY.read({"currencyCode": "AUD", "units": "1", "nanos": 1_600}, SYDNEY)
    assert money["microAmount"] == 1_000_002


@given(moments())
def test_moment_of_the_networks_zone_survives(value: dict[str, Any]) -> None:
    assert TIME.read(TIME.write(value, SYDNEY, ""), SYDNEY) == value


def at(day: date, hour: int, zone: str) -> dict[str, Any]:
    return date_time(datetime(day.year, day.month, day.day, hour, tzinfo=UTC), zone)


@pytest.mark.parametrize(
    ("value", "moment"),
    [
        pytest.param(at(date(2026, 4, 5), 1, "Australia/Sydney"), "2026-04-04T14", id="summer"),
        pytest.param(at(date(2026, 4, 5), 2, "Australia/Sydney"), "2026-04-04T15", id="twice"),
        pytest.param(at(date(2026, 4, 5), 3, "Australia/Sydney"), "2026-04-04T17", id="winter"),
        pytest.param(at(date(2026, 10, 4), 3, "Australia/Sydney"), "2026-10-03T16", id="spring"),
        pytest.param(at(date(2026, 7, 1), 0, "Australia/Lord_Howe"), "2026-06-30T13:30", id="half"),
        pytest.param(at(date(2026, 7, 1), 0, "Etc/UTC"), "2026-07-01T00", id="utc"),
    ],
)
def test_moment_follows_its_zones_clock(value: dict[str, Any], moment: str) -> None:
    assert TIME.write(value, SYDNEY, "").startswith(moment)


def test_moment_of_another_zone_is_given_out_in_the_networks() -> None:
    there = TIME.write(at(date(2026, 7, 1), 9, "Australia/Perth"), SYDNEY, "")
    assert TIME.read(there, SYDNEY) == at(date(2026, 7, 1), 11, "Australia/Sydney")


def test_moment_outside_of_protobufs_range_is_refused() -> None:
    with pytest.raises(RequestRejectedError, match=r"lineItems\[0\]\.startDateTime"):
        TIME.write(at(date(1, 1, 1), 0, "Australia/Sydney"), SYDNEY, "lineItems[0].startDateTime")


def test_fraction_of_a_second_is_dropped() -> None:
    assert TIME.read("2026-07-01T00:00:00.123456789Z", SYDNEY)["hour"] == 10


def test_time_that_is_none_is_unexpected() -> None:
    with pytest.raises(UnexpectedAnswerError, match="a time cannot be read"):
        TIME.read("soon", SYDNEY)


@given(st.integers(0, 10**9))
def test_milliseconds_survive(value: int) -> None:
    assert MILLISECONDS.read(MILLISECONDS.write(value, SYDNEY, ""), SYDNEY) == value


NOT_IN_REST: list[tuple[dict[str, Any], str]] = [
    (
        {"targeting": {"dayPartTargeting": {"timeZone": "PUBLISHER"}}},
        r"lineItems\[0\]\.targeting\.dayPartTargeting: Ad Manager's REST API does not have it",
    ),
    (
        {"targeting": {"inventorySizeTargeting": {"isTargeted": True}}},
        "inventorySizeTargeting",
    ),
    (
        {"creativeTargetings": [{"name": "x", "targeting": {"verticalTargeting": {"a": 1}}}]},
        r"creativeTargetings\[0\]\.targeting\.verticalTargeting",
    ),
    ({"startDateTimeType": "IMMEDIATELY"}, r"lineItems\[0\]\.startDateTimeType"),
    ({"programmaticCreativeSource": "PUBLISHER"}, "programmaticCreativeSource"),
    (
        {"creativePlaceholders": [{"size": {"width": 1, "height": 1}, "creativeTemplateId": 5}]},
        r"creativePlaceholders\[0\]\.creativeTemplateId",
    ),
    (
        {
            "creativePlaceholders": [
                {
                    "size": {"width": 1, "height": 1},
                    "companions": [{"size": {"width": 1, "height": 1}, "expectedCreativeCount": 2}],
                }
            ]
        },
        r"creativePlaceholders\[0\]\.companions\[0\]\.expectedCreativeCount",
    ),
    (
        {
            "creativePlaceholders": [
                {
                    "size": {"width": 1, "height": 1, "isAspectRatio": True},
                    "creativeSizeType": "PIXEL",
                }
            ]
        },
        "is not a ratio",
    ),
    (
        {
            "targeting": {
                "customTargeting": {
                    "logicalOperator": "AND",
                    "children": [
                        {"logicalOperator": "OR", "children": [{"keyId": 1}]},
                        {"logicalOperator": "OR", "children": [{"keyId": 2}]},
                    ],
                }
            }
        },
        "two levels only",
    ),
    (
        {
            "targeting": {
                "customTargeting": {
                    "logicalOperator": "OR",
                    "children": [
                        {
                            "logicalOperator": "AND",
                            "children": [{"logicalOperator": "OR", "children": [{"keyId": 2}]}],
                        }
                    ],
                }
            }
        },
        r"children\[0\]\.children\[0\]: Ad Manager has criteria in two levels",
    ),
    (
        {"targeting": {"videoPositionTargeting": {"targetedPositions": [{"adSpotId": 1}]}}},
        r"targetedPositions\[0\]\.adSpotId",
    ),
    ({"customFieldValues": [{"customFieldId": 1}]}, r"customFieldValues\[0\]"),
]


@pytest.mark.parametrize(("values", "reason"), NOT_IN_REST, ids=lambda x: str(x)[:40])
def test_what_rest_lacks_is_refused_by_name(values: dict[str, Any], reason: str) -> None:
    with pytest.raises(RequestRejectedError, match=reason) as caught:
        to_rest(values, SYDNEY, "lineItems[0]")
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("criteria", "clauses"),
    [
        pytest.param({"logicalOperator": "AND", "children": [{"keyId": 1}, {"keyId": 2}]}, 1),
        pytest.param({"logicalOperator": "OR", "children": [{"keyId": 1}, {"keyId": 2}]}, 2),
        pytest.param(
            {
                "logicalOperator": "OR",
                "children": [{"logicalOperator": "OR", "children": [{"keyId": 1}, {"keyId": 2}]}],
            },
            2,
        ),
        pytest.param(
            {
                "logicalOperator": "AND",
                "children": [{"logicalOperator": "OR", "children": [{"keyId": 1}, {"keyId": 2}]}],
            },
            2,
        ),
    ],
    ids=["and", "or", "or of or", "and of one or"],
)
def test_criteria_of_fewer_levels_mean_the_same(criteria: dict[str, Any], clauses: int) -> None:
    sent = to_rest({"targeting": {"customTargeting": criteria}}, SYDNEY, "lineItems[0]")
    sets = sent["targeting"]["customTargeting"]["customTargetingClauses"]
    assert len(sets) == clauses
    assert sum(len(clause["customTargetingLiterals"]) for clause in sets) == 2


@pytest.mark.parametrize(
    ("values", "place"),
    [
        pytest.param(
            {"targeting": {"geoTargeting": {"targetedLocations": [{"id": 2**63}]}}},
            "targeting.geoTargeting.targetedLocations",
            id="in a targeting",
        ),
        pytest.param(
            {"appliedLabels": [{"labelId": 2**63}]}, "appliedLabels[0].labelId", id="label"
        ),
        pytest.param({"orderId": 2**63}, "orderId", id="order"),
    ],
)
def test_id_beyond_all_ids_is_refused_by_its_place(values: dict[str, Any], place: str) -> None:
    with pytest.raises(RequestRejectedError) as caught:
        to_rest(values, SYDNEY, "lineItems[0]")
    assert caught.value.status == 400
    assert caught.value.reason == f"lineItems[0].{place}: there is no object with the id {2**63}"


def test_mask_names_the_fields_as_protobuf_does() -> None:
    names = {"costPerUnit", "discountType", "creativePlaceholders", "unlimitedEndDateTime"}
    assert sorted(mask(names)) == [
        "creative_placeholders",
        "discount",
        "end_time_unlimited",
        "rate",
    ]


def test_answer_with_both_targeted_and_excluded_is_unexpected() -> None:
    both = {
        "targetedBrowsers": ["networks/1/browsers/1"],
        "excludedBrowsers": ["networks/1/browsers/2"],
    }
    values = {"targeting": {"technologyTargeting": {"browserTargeting": both}}}
    with pytest.raises(UnexpectedAnswerError, match="both targetedBrowsers and excludedBrowsers"):
        of_rest(values, SYDNEY)


def test_value_that_the_type_cannot_hold_is_refused() -> None:
    with pytest.raises(RequestRejectedError, match="cannot hold it"):
        message("LineItem", {"lineItemType": "LEGACY_DFP"})


def test_request_keeps_every_line_item() -> None:
    request = CreateLineItems.model_validate(
        {
            "lineItems": [
                {
                    "name": name,
                    "startDateTime": at(date(2026, 12, 1), 0, "Australia/Sydney"),
                    "lineItemType": "STANDARD",
                    "costPerUnit": {"currencyCode": "AUD", "microAmount": 1},
                    "costType": "CPM",
                    "creativePlaceholders": [],
                    "targeting": {},
                }
                for name in ("a", "b")
            ]
        }
    )
    assert [item.name for item in request.line_items] == ["a", "b"]
