"""What Ad Manager refuses in orders and line items, with its own reasons."""

from __future__ import annotations

import importlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from google.ads import admanager_v1 as gam
from google.api_core.exceptions import BadRequest
from tests.limits import HANGS
from tests.sandbox.admanager.conftest import (
    NETWORK,
    Google,
    Soap,
    Time,
    line_item,
    mask,
    proposal_line,
)

from seil.sandbox.admanager import catalog, seed
from seil.sandbox.admanager.rest import schema
from seil.sandbox.admanager.server import AdManagerServer
from seil.sandbox.admanager.store import FILE_NAME
from seil.sandbox.admanager.targeting import REFERENCES

GoogleAdsServerFault: Any = importlib.import_module("googleads.errors").GoogleAdsServerFault
Fields = dict[str, Any]

_AD_UNIT = f"{NETWORK}/adUnits/{seed.AD_UNIT_ID}"
_SECTION = f"{NETWORK}/adUnits/{seed.AD_UNIT_ID - 1}"


def _reason(error: pytest.ExceptionInfo[Any]) -> tuple[str, str]:
    cause = error.value.details[1]
    return str(cause["errorCode"]), str(cause.get("fieldPath", ""))


def _goal(kind: str, units: int = 50, unit: str = "IMPRESSIONS") -> Fields:
    return {"goal_type": kind, "unit_type": unit, "units": units}


def _typed(kind: str, goal: Fields, cost: str = "CPM", **fields: Any) -> Fields:
    return {"line_item_type": kind, "goal": goal, "cost_type": cost, **fields}


def _size(width: int, height: int, kind: str = "PIXEL", **fields: Any) -> Fields:
    size = {"width": width, "height": height, "size_type": kind}
    return {"creative_placeholders": [{"size": size, **fields}]}


def _cap(impressions: int = 3, amount: int = 1, unit: str = "DAY") -> Fields:
    return {"max_impressions": impressions, "time_amount": amount, "time_unit": unit}


def _money(units: int, currency: str = "AUD") -> Fields:
    return {"currency_code": currency, "units": units}


def _targeting(**criteria: Any) -> Fields:
    units = [{"ad_unit": _AD_UNIT, "include_descendants": True}]
    inventory = {"inventory_targeting": {"targeted_ad_units": units}}
    return {"targeting": {**inventory, **criteria}}


def _units(targeted: list[str], excluded: list[str]) -> Fields:
    def whole(names: list[str]) -> list[Fields]:
        return [{"ad_unit": name, "include_descendants": True} for name in names]

    lists = {"targeted_ad_units": whole(targeted), "excluded_ad_units": whole(excluded)}
    return _targeting(inventory_targeting=lists)


def _geo_targets(targeted: list[int], excluded: list[int]) -> Fields:
    def names(places: list[int]) -> list[str]:
        return [f"{NETWORK}/geoTargets/{place}" for place in places]

    return _targeting(
        geo_targeting={"targeted_geos": names(targeted), "excluded_geos": names(excluded)}
    )


def _key(key: int, *values: int) -> Fields:
    literal = {
        "custom_targeting_key": f"{NETWORK}/customTargetingKeys/{key}",
        "custom_targeting_values": [f"{NETWORK}/customTargetingValues/{v}" for v in values],
    }
    clauses = [{"custom_targeting_literals": [literal]}]
    return _targeting(custom_targeting={"custom_targeting_clauses": clauses})


def _segment(segment: int) -> Fields:
    targetings = [{"audience_segments": [f"{NETWORK}/audienceSegments/{segment}"]}]
    clauses = [{"audience_segment_targetings": targetings}]
    return _targeting(custom_targeting={"custom_targeting_clauses": clauses})


def _device(category: int) -> Fields:
    categories = {"targeted_categories": [f"{NETWORK}/deviceCategories/{category}"]}
    return _targeting(technology_targeting={"device_category_targeting": categories})


def _field(number: int, **value: Any) -> Fields:
    custom = {"custom_field": f"{NETWORK}/customFields/{number}", "value": value}
    return {"custom_field_values": [custom]}


def _labels(*labels: tuple[int, bool]) -> Fields:
    return {
        "applied_labels": [
            {"label": f"{NETWORK}/labels/{number}", "negated": negated}
            for number, negated in labels
        ]
    }


def _percent(discount: float, kind: str = "PERCENTAGE") -> Fields:
    return {"discount": {"discount": discount, "discount_type": kind}}


_RESERVATION = "ReservationDetailsError"
_COST = [
    ("clicks-paid-by-impression", _typed("STANDARD", _goal("LIFETIME", unit="CLICKS")),
     f"{_RESERVATION}.COST_TYPE_UNIT_TYPE_MISMATCH_NOT_ALLOWED"),
    ("impressions-paid-by-click", _typed("STANDARD", _goal("LIFETIME"), "CPC"),
     f"{_RESERVATION}.COST_TYPE_UNIT_TYPE_MISMATCH_NOT_ALLOWED"),
    ("impressions-paid-by-view", _typed("STANDARD", _goal("LIFETIME"), "VCPM"),
     f"{_RESERVATION}.COST_TYPE_UNIT_TYPE_MISMATCH_NOT_ALLOWED"),
    ("standard-by-day", _typed("STANDARD", _goal("LIFETIME"), "CPD"),
     f"{_RESERVATION}.COST_TYPE_NOT_ALLOWED"),
    ("house-by-day", _typed("HOUSE", _goal("DAILY"), "CPD"),
     f"{_RESERVATION}.COST_TYPE_NOT_ALLOWED"),
    ("by-action", _typed("STANDARD", _goal("LIFETIME"), "CPA"), f"{_RESERVATION}.CPA_DEPRECATED"),
    ("daily-standard", _typed("STANDARD", _goal("DAILY")), f"{_RESERVATION}.DURATION_NOT_ALLOWED"),
    ("lifelong-sponsorship", _typed("SPONSORSHIP", _goal("LIFETIME")),
     f"{_RESERVATION}.DURATION_NOT_ALLOWED"),
    ("daily-bulk", _typed("BULK", _goal("DAILY")), f"{_RESERVATION}.DURATION_NOT_ALLOWED"),
    ("no-goal", _typed("NETWORK", {"goal_type": "NONE"}),
     f"{_RESERVATION}.UNLIMITED_UNITS_BOUGHT_NOT_ALLOWED"),
    ("sponsored-clicks", _typed("SPONSORSHIP", _goal("DAILY", unit="CLICKS"), "CPC"),
     f"{_RESERVATION}.UNIT_TYPE_NOT_ALLOWED"),
    ("viewable-bulk", _typed("BULK", _goal("LIFETIME", unit="VIEWABLE_IMPRESSIONS")),
     f"{_RESERVATION}.UNIT_TYPE_NOT_ALLOWED"),
    ("too-much-house", _typed("HOUSE", _goal("DAILY", 101)),
     f"{_RESERVATION}.PERCENTAGE_UNITS_BOUGHT_TOO_HIGH"),
    ("no-units", _typed("STANDARD", _goal("LIFETIME", 0)), "RequiredNumberError.TOO_SMALL"),
    ("no-unit-type", _typed("BULK", {"goal_type": "LIFETIME", "units": 5}),
     "RequiredError.REQUIRED"),
    ("a-deal", _typed("PREFERRED_DEAL", {"goal_type": "NONE"}),
     "ProgrammaticError.INVALID_LINE_ITEM_TYPE"),
    ("no-property", _typed("AD_EXCHANGE", {"goal_type": "NONE"}), "RequiredError.REQUIRED"),
    ("a-property", {"web_property_code": "ca-pub-1"},
     f"{_RESERVATION}.BACKFILL_WEBPROPERTY_CODE_NOT_ALLOWED"),
    ("priority-99", {"priority": 99}, "LineItemError.INVALID_PRIORITY_FOR_LINE_ITEM_TYPE"),
    ("priority-of-a-house", {"priority": 15}, "LineItemError.INVALID_PRIORITY_FOR_LINE_ITEM_TYPE"),
    ("dollars", {"rate": _money(12, "USD")}, "LineItemError.INVALID_LINE_ITEM_CURRENCY"),
    ("no-currency", {"rate": {"units": 12}}, "RequiredError.REQUIRED"),
    ("worth-in-dollars", {"value_cpm": _money(2, "USD")},
     "LineItemError.INVALID_LINE_ITEM_CURRENCY"),
    ("negative-rate", {"rate": _money(-1)}, "RangeError.TOO_LOW"),
    ("negative-worth", {"value_cpm": _money(-1)}, "RangeError.TOO_LOW"),
    ("negative-contract", {"contracted_units_bought": -1}, "RangeError.TOO_LOW"),
    ("500-percent", _percent(500), "RangeError.TOO_HIGH"),
    ("negative-percent", _percent(-1), "RangeError.TOO_LOW"),
    ("half-a-percent", _percent(10.5), "LineItemError.FRACTIONAL_PERCENTAGE_NOT_ALLOWED"),
    ("negative-discount", _percent(-1, "ABSOLUTE_VALUE"), "RangeError.TOO_LOW"),
    ("negative-extension", {"auto_extension_days": -1}, "RangeError.TOO_LOW"),
]  # fmt: skip
_CREATIVES = [
    ("cap-of-none", {"frequency_caps": [_cap(0)]}, "FrequencyCapError.IMPRESSIONS_TOO_LOW"),
    ("cap-in-no-time", {"frequency_caps": [_cap(amount=0)]}, "FrequencyCapError.RANGE_TOO_LOW"),
    ("cap-twice", {"frequency_caps": [_cap(), _cap(9)]}, "FrequencyCapError.DUPLICATE_TIME_RANGE"),
    ("cap-of-two-days", {"frequency_caps": [_cap(), _cap(9, 2)]},
     "FrequencyCapError.DUPLICATE_TIME_UNIT"),
    ("no-width", _size(0, 250), "RequiredError.REQUIRED"),
    ("negative-height", _size(300, -1), "RequiredSizeError.REQUIRED"),
    ("wide-interstitial", _size(320, 480, "INTERSTITIAL"), "RequiredSizeError.NOT_ALLOWED"),
    ("wide-native", _size(300, 250, "NATIVE"), "LineItemError.INVALID_NATIVE_SIZE"),
    ("fewer-than-no-creatives", _size(300, 250, expected_creative_count=-1), "RangeError.TOO_LOW"),
    ("set-of-one", {"roadblocking_type": "CREATIVE_SET"}, "RequiredCollectionError.REQUIRED"),
    ("companion-of-none", _size(300, 250, companions=_size(1, 1)["creative_placeholders"]),
     "LineItemError.COMPANIONS_NOT_ALLOWED"),
    ("other-targeting", _size(300, 250, creative_targeting_display_name="none"),
     "LineItemError.INVALID_CREATIVE_TARGETING_NAME"),
    ("viewability", {"viewability_provider_companies": [f"{NETWORK}/companies/1"]},
     "LineItemError.INVALID_VIEWABILITY_PROVIDER_COMPANY"),
]  # fmt: skip
_VIDEO = {"environment_type": "VIDEO_PLAYER", "max_video_creative_duration": timedelta(seconds=30)}
_VIDEOS = [
    ("endless-video", {"environment_type": "VIDEO_PLAYER"}, "RequiredError.REQUIRED"),
    ("video-of-no-time", {**_VIDEO, "max_video_creative_duration": timedelta()},
     "LineItemError.INVALID_MAX_VIDEO_CREATIVE_DURATION"),
    ("video-roadblock", {**_VIDEO, "roadblocking_type": "ONLY_ONE"},
     "LineItemError.VIDEO_INVALID_ROADBLOCKING"),
    ("native-video", {**_VIDEO, **_size(1, 1, "NATIVE")},
     "LineItemError.INVALID_SIZE_FOR_ENVIRONMENT"),
    ("audio-banner", _size(1, 1, "AUDIO"), "LineItemError.INVALID_SIZE_FOR_ENVIRONMENT"),
    ("skippable-banner", {"skippable_ad_type": "ENABLED"},
     "LineItemError.SKIPPABLE_AD_TYPE_NOT_ALLOWED"),
    ("cap-a-pod", {"frequency_caps": [_cap(unit="POD")]}, "LineItemError.INVALID_ENVIRONMENT_TYPE"),
]  # fmt: skip
_TARGETED = [
    ("place-of-nobody", _geo_targets([99_999], []), "GeoTargetingError.UNTARGETABLE_LOCATION"),
    ("excluded-nowhere", _geo_targets([], [99_999]), "GeoTargetingError.UNTARGETABLE_LOCATION"),
    ("here-and-not", _geo_targets([2036], [2036]),
     "GeoTargetingError.TARGETED_LOCATIONS_NOT_EXCLUDABLE"),
    ("in-an-excluded-place", _geo_targets([catalog.SYDNEY_ID], [catalog.AUSTRALIA_ID]),
     "GeoTargetingError.EXCLUDED_LOCATIONS_CANNOT_HAVE_CHILDREN_TARGETED"),
    ("key-of-nobody", _key(1, catalog.VALUE_ID), "CustomTargetingError.KEY_NOT_FOUND"),
    ("value-of-nobody", _key(catalog.KEY_ID, 1), "CustomTargetingError.VALUE_NOT_FOUND"),
    ("value-of-another-key", _key(catalog.KEY_ID, catalog.VALUE_ID + 10),
     "CustomTargetingError.INVALID_VALUE_FOR_KEY"),
    ("key-without-values", _key(catalog.KEY_ID), "CustomTargetingError.KEY_WITH_MISSING_VALUES"),
    ("inactive-key", _key(catalog.INACTIVE_KEY_ID, catalog.VALUE_ID + 20),
     "CustomTargetingError.KEY_STATUS_NOT_ACTIVE"),
    ("segment-of-nobody", _segment(1), "CustomTargetingError.INVALID_AUDIENCE_SEGMENTS"),
    ("inactive-segment", _segment(catalog.INACTIVE_SEGMENT_ID),
     "CustomTargetingError.CANNOT_TARGET_INACTIVE_AUDIENCE_SEGMENT"),
    ("device-of-nobody", _device(1), "CommonError.NOT_FOUND"),
    ("content-of-nobody", _targeting(content_targeting={
        "targeted_content": [f"{NETWORK}/content/1"]}), "CommonError.NOT_FOUND"),
    ("unit-both-ways", _units([_AD_UNIT], [_AD_UNIT]),
     "InventoryTargetingError.INVENTORY_CANNOT_BE_TARGETED_AND_EXCLUDED"),
    ("unit-below-a-targeted-one", _units([_SECTION, _AD_UNIT], []),
     "InventoryTargetingError.INVENTORY_UNIT_CANNOT_BE_TARGETED_IF_ANCESTOR_IS_TARGETED"),
    ("unit-below-an-excluded-one", _units([_AD_UNIT], [_SECTION]),
     "InventoryTargetingError.INVENTORY_UNIT_CANNOT_BE_TARGETED_IF_ANCESTOR_IS_EXCLUDED"),
]  # fmt: skip
_NAMED = [
    ("label-of-nobody", _labels((1, False)), "CommonError.NOT_FOUND"),
    ("inactive-label", _labels((catalog.INACTIVE_LABEL_ID, False)),
     "LabelEntityAssociationError.INVALID_ASSOCIATION"),
    ("label-twice", _labels((catalog.LABEL_ID, False), (catalog.LABEL_ID, False)),
     "LabelEntityAssociationError.DUPLICATE_ASSOCIATION"),
    ("label-and-its-negation", _labels((catalog.LABEL_ID, False), (catalog.LABEL_ID, True)),
     "LabelEntityAssociationError.DUPLICATE_ASSOCIATION_WITH_NEGATION"),
    ("field-of-nobody", _field(1, string_value="x"),
     "CustomFieldValueError.CUSTOM_FIELD_NOT_FOUND"),
    ("inactive-field", _field(catalog.INACTIVE_FIELD_ID, string_value="x"),
     "CustomFieldValueError.CUSTOM_FIELD_INACTIVE"),
    ("field-of-orders", _field(catalog.ORDER_FIELD_ID, string_value="x"),
     "CustomFieldValueError.INVALID_ENTITY_TYPE"),
    ("option-of-nobody", _field(catalog.DROP_DOWN_FIELD_ID, dropdown_value=1),
     "CustomFieldValueError.CUSTOM_FIELD_OPTION_NOT_FOUND"),
    ("number-in-a-text", _field(catalog.LINE_ITEM_FIELD_ID, number_value=1),
     "RequestError.INVALID_INPUT"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        pytest.param(f, r, id=name)
        for name, f, r in (*_COST, *_CREATIVES, *_VIDEOS, *_TARGETED, *_NAMED)
    ],
)
def test_line_item_against_the_rules_is_refused(
    google: Google, clock: Time, fields: Fields, reason: str
) -> None:
    order = google.order().name
    with pytest.raises(BadRequest) as error:
        google.line_item(order, clock.now, **fields)
    code, field = _reason(error)
    assert code == reason
    assert field.startswith("lineItem.")


_GOOD = [
    ("clicks", _typed("STANDARD", _goal("LIFETIME", unit="CLICKS"), "CPC", priority=10)),
    ("views", _typed("STANDARD", _goal("LIFETIME", unit="VIEWABLE_IMPRESSIONS"), "VCPM")),
    ("sponsorship-by-day", _typed("SPONSORSHIP", _goal("DAILY", 100), "CPD", priority=2)),
    ("sponsorship-by-click", _typed("SPONSORSHIP", _goal("DAILY"), "CPC")),
    ("bulk", _typed("BULK", _goal("LIFETIME"), priority=14)),
    ("priced", _typed("PRICE_PRIORITY", {"goal_type": "NONE"})),
    ("priced-without-a-goal", _typed("PRICE_PRIORITY", {})),
    ("priced-a-day", _typed("PRICE_PRIORITY", _goal("DAILY", 5000))),
    ("house", _typed("HOUSE", _goal("DAILY"), rate=_money(0))),
    ("exchange", _typed("AD_EXCHANGE", {"goal_type": "NONE"}, web_property_code="ca-pub-1")),
    ("caps", {"frequency_caps": [_cap(), _cap(1, 1, "HOUR"), _cap(9, 1, "LIFETIME")]}),
    ("discount", _percent(100)),
    ("absolute-discount", _percent(500.5, "ABSOLUTE_VALUE")),
    ("native", _size(1, 1, "NATIVE")),
    ("video", {**_VIDEO, "frequency_caps": [_cap(unit="POD")], "skippable_ad_type": "ENABLED"}),
    ("set", {"roadblocking_type": "CREATIVE_SET",
             **_size(300, 250, companions=_size(728, 90)["creative_placeholders"])}),
    ("places", _geo_targets([catalog.AUSTRALIA_ID, 2554], [catalog.SYDNEY_ID])),
    ("key", _key(catalog.KEY_ID, catalog.VALUE_ID, catalog.VALUE_ID + 1)),
    ("segment", _segment(catalog.SEGMENT_ID)),
    ("device", _device(30_001)),
    ("unit-but-for-one-below", _units([_SECTION], [_AD_UNIT])),
    ("labels", _labels((catalog.LABEL_ID, False), (catalog.LABEL_ID + 1, True))),
    ("option", _field(catalog.DROP_DOWN_FIELD_ID, dropdown_value=catalog.OPTION_ID)),
]  # fmt: skip


@pytest.mark.parametrize("fields", [pytest.param(f, id=name) for name, f in _GOOD])
def test_line_item_within_the_rules_is_created(google: Google, clock: Time, fields: Fields) -> None:
    item = google.line_item(google.order().name, clock.now, **fields)
    assert item.status.name == "DRAFT"
    assert item.priority


def _order_rules() -> Iterator[tuple[str, Fields, str]]:
    user = f"{NETWORK}/users"
    inactive, seller = f"{user}/{seed.INACTIVE_USER_ID}", f"{user}/{seed.SALESPERSON_ID}"
    yield "inactive-trafficker", {"trafficker": inactive}, "CommonError.NOT_FOUND"
    yield "inactive-salesperson", {"salesperson": inactive}, "CommonError.NOT_FOUND"
    yield "inactive-helper", {"secondary_traffickers": [inactive]}, "CommonError.NOT_FOUND"
    yield (
        "trafficker-twice",
        {"secondary_traffickers": [f"{user}/{seed.TRAFFICKER_ID}"]},
        "OrderError.PRIMARY_USER_CANNOT_BE_SECONDARY",
    )
    yield "helper-alone", {"secondary_salespeople": [seller]}, "OrderError.PRIMARY_USER_REQUIRED"
    yield "team-of-nobody", {"applied_teams": [f"{NETWORK}/teams/1"]}, "CommonError.NOT_FOUND"
    contact = f"{NETWORK}/contacts"
    yield "contact-of-nobody", {"advertiser_contacts": [f"{contact}/1"]}, "CommonError.NOT_FOUND"
    yield (
        "contact-of-another",
        {"advertiser_contacts": [f"{contact}/{catalog.AGENCY_CONTACT_ID}"]},
        "CommonError.NOT_FOUND",
    )
    yield "label-of-nobody", _labels((1, False)), "CommonError.NOT_FOUND"
    yield (
        "field-of-line-items",
        _field(catalog.LINE_ITEM_FIELD_ID, string_value="x"),
        "CustomFieldValueError.INVALID_ENTITY_TYPE",
    )


@pytest.mark.parametrize(
    ("fields", "reason"), [pytest.param(f, r, id=name) for name, f, r in _order_rules()]
)
def test_order_against_the_rules_is_refused(google: Google, fields: Fields, reason: str) -> None:
    with pytest.raises(BadRequest) as error:
        google.order(**fields)
    code, field = _reason(error)
    assert code == reason
    assert field.startswith("requests[0].order.")


@pytest.mark.parametrize("renamed", [False, True])
def test_name_of_an_order_is_given_once(google: Google, renamed: bool) -> None:
    name = google.order("Summer").name
    google.orders.batch_archive_orders(parent=NETWORK, names=[name])
    other = google.order("Winter")
    with pytest.raises(BadRequest) as error:
        if renamed:
            change = {"name": other.name, "display_name": "Summer"}
            update = {"order": change, "update_mask": mask("display_name")}
            google.orders.batch_update_orders(request={"parent": NETWORK, "requests": [update]})
        else:
            google.order("Summer")
    assert _reason(error) == ("UniqueError", "requests[0].order.displayName")


def test_order_names_whom_and_what_there_is(google: Google) -> None:
    created = google.order(
        salesperson=f"{NETWORK}/users/{seed.SALESPERSON_ID}",
        secondary_salespeople=[f"{NETWORK}/users/{seed.SALESPERSON_ID + 1}"],
        agency=f"{NETWORK}/companies/{seed.AGENCY_ID}",
        advertiser_contacts=[f"{NETWORK}/contacts/{catalog.ADVERTISER_CONTACT_ID}"],
        agency_contacts=[f"{NETWORK}/contacts/{catalog.AGENCY_CONTACT_ID}"],
        applied_teams=[f"{NETWORK}/teams/{catalog.TEAM_ID}"],
        **_labels((catalog.LABEL_ID, False)),
        **_field(catalog.ORDER_FIELD_ID, string_value="801A"),
    )
    assert created.status.name == "DRAFT"
    assert created.custom_field_values[0].value.string_value == "801A"


def _update(google: Google, name: str, **fields: Any) -> Any:
    item = gam.LineItem(name=name, **fields)
    return google.line_items.update_line_item(
        request={"line_item": item, "update_mask": mask(*fields)}
    )


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"priority": 99}, "LineItemError.INVALID_PRIORITY_FOR_LINE_ITEM_TYPE"),
        ({"rate": _money(9, "EUR")}, "LineItemError.INVALID_LINE_ITEM_CURRENCY"),
        ({"cost_type": "CPC"}, f"{_RESERVATION}.COST_TYPE_UNIT_TYPE_MISMATCH_NOT_ALLOWED"),
        ({"environment_type": "VIDEO_PLAYER"}, "LineItemError.UPDATE_ENVIRONMENT_TYPE_NOT_ALLOWED"),
        ({"roadblocking_type": "CREATIVE_SET",
          **_size(300, 250, companions=_size(728, 90)["creative_placeholders"])},
         "LineItemError.CANNOT_UPDATE_TO_OR_FROM_CREATIVE_SET_ROADBLOCK"),
    ],
)  # fmt: skip
def test_update_against_the_rules_is_refused(
    google: Google, clock: Time, fields: Fields, reason: str
) -> None:
    item = google.line_item(google.order().name, clock.now)
    with pytest.raises(BadRequest) as error:
        _update(google, item.name, **fields)
    assert _reason(error)[0] == reason


def test_end_cannot_move_into_the_past(google: Google, clock: Time) -> None:
    name = f"{NETWORK}/lineItems/{seed.ORDER_IDS[0] + 1}"
    with pytest.raises(BadRequest) as error:
        _update(google, name, target_end_time=clock.now - timedelta(hours=1))
    assert _reason(error)[0] == "LineItemFlightDateError.END_DATE_TIME_IS_IN_PAST"


@pytest.fixture
def sold(soap: Soap, http: httpx.Client, clock: Time, google: Google) -> Any:
    """The line item of a proposal that both sides have accepted."""
    proposal = soap.proposal()
    soap.line(proposal["id"], clock.now)
    soap.act("RequestBuyerAcceptance", proposal["id"])
    http.post(f"/sandbox/proposals/{proposal['id']}/accept").raise_for_status()
    order = f"{NETWORK}/orders/{soap.read(proposal['id'])['dfpOrderId']}"
    request = {"parent": NETWORK, "filter": f'order = "{order}"'}
    return next(iter(google.line_items.list_line_items(request=request)))


def test_sold_order_takes_no_line_item(google: Google, clock: Time, sold: Any) -> None:
    with pytest.raises(BadRequest) as error:
        google.line_items.create_line_item(
            parent=NETWORK, line_item=line_item(sold.order, clock.now)
        )
    assert _reason(error)[0] == "ProgrammaticError.CANNOT_CREATE_LINE_ITEM_FOR_APPROVED_ORDER"


@pytest.mark.parametrize(
    "fields",
    [{"rate": _money(13)}, {"goal": _goal("LIFETIME", 7)}, _geo_targets([2554], [])],
    ids=["rate", "goal", "targeting"],
)
def test_what_a_buyer_agreed_to_stays(google: Google, sold: Any, fields: Fields) -> None:
    with pytest.raises(BadRequest) as error:
        _update(google, sold.name, **fields)
    code, field = _reason(error)
    assert code == "ProgrammaticError.CANNOT_UPDATE_FIELD_FOR_APPROVED_LINE_ITEMS"
    assert field == f"lineItem.{next(iter(fields))}"


def test_notes_of_a_sold_line_item_change(google: Google, sold: Any) -> None:
    changed = _update(google, sold.name, notes="Ours alone", rate=sold.rate)
    assert changed.notes == "Ours alone"


_WISHES: list[tuple[Fields, str]] = [
    ({"costType": "CPC"}, f"{_RESERVATION}.COST_TYPE_UNIT_TYPE_MISMATCH_NOT_ALLOWED"),
    ({"priority": 99}, "LineItemError.INVALID_PRIORITY_FOR_LINE_ITEM_TYPE"),
    (
        {"costPerUnit": {"currencyCode": "USD", "microAmount": 1}},
        "LineItemError.INVALID_LINE_ITEM_CURRENCY",
    ),
    (
        {"frequencyCaps": [{"maxImpressions": 0, "numTimeUnits": 1, "timeUnit": "DAY"}]},
        "FrequencyCapError.IMPRESSIONS_TOO_LOW",
    ),
]


@pytest.mark.filterwarnings("ignore:The 'warn' method:DeprecationWarning")
@pytest.mark.parametrize(
    ("fields", "reason"), _WISHES, ids=[str(next(iter(f))) for f, _ in _WISHES]
)
def test_forecast_of_what_cannot_be_booked_is_refused(
    soap: Soap, clock: Time, fields: Fields, reason: str
) -> None:
    line = proposal_line(0, clock.now)
    common = ("lineItemType", "startDateTime", "endDateTime", "targeting", "creativePlaceholders")
    wish = {**{name: line[name] for name in common}, "primaryGoal": line["goal"], "costType": "CPM"}
    with pytest.raises(GoogleAdsServerFault) as error:
        soap.service("ForecastService").getAvailabilityForecast(
            {"lineItem": {**wish, **fields}}, {}
        )
    assert error.value.errors[0]["errorString"] == reason


def test_order_with_unreserved_line_items_is_not_approved_as_it_is(
    google: Google, clock: Time
) -> None:
    item = google.line_item(google.order().name, clock.now)
    request = {"parent": NETWORK, "names": [item.order]}
    with pytest.raises(BadRequest) as error:
        google.orders.batch_approve_orders_without_reservation(request=request)
    assert _reason(error)[0] == "OrderActionError.CANNOT_APPROVE_WITH_UNRESERVED_LINE_ITEMS"


def test_order_that_has_ended_is_not_approved_but_archived(google: Google, clock: Time) -> None:
    names = [google.line_item(google.order().name, clock.now).order]
    clock.pass_by(days=30)
    with pytest.raises(BadRequest) as error:
        google.orders.batch_approve_orders(request={"parent": NETWORK, "names": names})
    assert _reason(error)[0] == "OrderActionError.HAS_ENDED"
    google.orders.batch_archive_orders(parent=NETWORK, names=names)


def test_what_was_once_ready_is_not_deleted(
    google: Google, clock: Time, http: httpx.Client
) -> None:
    item = google.line_item(google.order().name, clock.now)
    http.post(f"/sandbox/lineItems/{item.name.rpartition('/')[2]}/creatives")
    google.orders.batch_approve_orders(request={"parent": NETWORK, "names": [item.order]})
    with pytest.raises(BadRequest) as error:
        google.line_items.batch_delete_line_items(parent=NETWORK, names=[item.name])
    assert _reason(error)[0] == "LineItemOperationError.CANNOT_DELETE_DELIVERED_LINE_ITEM"
    with pytest.raises(BadRequest) as error:
        google.orders.batch_delete_orders(parent=NETWORK, names=[item.order])
    assert _reason(error)[0] == "OrderActionError.CANNOT_DELETE_ORDER_WITH_DELIVERED_LINEITEMS"


def test_pausing_an_order_pauses_its_line_items_and_resuming_resumes_them(
    google: Google, clock: Time
) -> None:
    item = google.line_item(google.order().name, clock.now)
    seen = []
    for action in ("approve", "pause", "resume"):
        method = getattr(google.orders, f"batch_{action}_orders")
        method(request={"parent": NETWORK, "names": [item.order]})
        order = google.orders.get_order(name=item.order).status.name
        seen.append((order, google.line_items.get_line_item(name=item.name).status.name))
    assert seen == [("APPROVED", "INACTIVE"), ("APPROVED", "PAUSED"), ("APPROVED", "INACTIVE")]


def test_daily_goal_of_a_priced_line_item_is_a_number_not_a_share(
    google: Google, clock: Time, http: httpx.Client
) -> None:
    fields = _typed("PRICE_PRIORITY", _goal("DAILY", 5000))
    item = google.line_item(google.order().name, clock.now, **fields)
    http.post(f"/sandbox/lineItems/{item.name.rpartition('/')[2]}/creatives")
    google.orders.batch_approve_orders(request={"parent": NETWORK, "names": [item.order]})
    clock.pass_by(days=2)
    delivered = google.line_items.get_line_item(name=item.name).stats.impressions_delivered
    assert 3000 < delivered < 7000


_CATALOG = (
    ("GeoTarget", "geo_targets", catalog.SYDNEY_ID),
    ("CustomTargetingKey", "custom_targeting_keys", catalog.KEY_ID),
    ("CustomTargetingValue", "custom_targeting_values", catalog.VALUE_ID),
    ("AudienceSegment", "audience_segments", catalog.SEGMENT_ID),
    ("CustomField", "custom_fields", catalog.DROP_DOWN_FIELD_ID),
    ("Label", "labels", catalog.LABEL_ID),
    ("Team", "teams", catalog.TEAM_ID),
    ("Contact", "contacts", catalog.ADVERTISER_CONTACT_ID),
    ("DeviceCategory", "device_categories", 30_000),
    ("Browser", "browsers", 500_072),
    ("BrowserLanguage", "browser_languages", 504_993),
    ("OperatingSystem", "operating_systems", 501_013),
    ("BandwidthGroup", "bandwidth_groups", 504_021),
)


@pytest.mark.parametrize(("service", "plural", "number"), _CATALOG)
def test_what_can_be_named_can_be_looked_up(
    google: Google, service: str, plural: str, number: int
) -> None:
    client = google.client(getattr(gam, f"{service}ServiceClient"))
    things = getattr(client, f"list_{plural}")(parent=NETWORK)
    assert str(number) in {thing.name.rpartition("/")[2] for thing in things}


def test_network_made_before_the_catalog_gets_it(folder: Path) -> None:
    with AdManagerServer(folder):
        pass
    with closing(sqlite3.connect(folder / FILE_NAME)) as db, db:
        db.execute("DELETE FROM things WHERE kind = 'labels'")
    with AdManagerServer(folder) as server:
        counts = httpx.get(f"{server.url}/sandbox/summary", timeout=HANGS).json()["counts"]
    assert counts["labels"] == 4


def test_every_resource_that_a_targeting_can_name_is_looked_up() -> None:
    """The client's own documentation says which fields hold resource names."""
    seen, todo = set(), [schema.descriptor("google.ads.admanager.v1.Targeting")]
    free = {"targetedUserDomains", "excludedUserDomains"}
    while todo:
        for field in todo.pop().fields:
            if field.message_type:
                todo.append(field.message_type)
            elif field.type == field.TYPE_STRING:
                seen.add(field.json_name)
    assert seen - free == REFERENCES.keys() - {"excludedPlacements"}
