"""Whom, where and when: the targeting of line items and proposal line items."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from seil.admanager.models.base import Id, Int, Shape, Text, about, one_of
from seil.admanager.models.lists import CRITERIA, entries
from seil.admanager.models.values import DateTime, Size

_TARGETED = "True: only these; false: all but these."


class Location(Shape):
    """A place of Ad Manager's geography."""

    id: Annotated[Id, about("The place.", 2036)]
    type: Annotated[Text | None, about("What kind of place; read only.", "COUNTRY")] = None
    canonical_parent_id: Annotated[Int | None, about("What it is in; read only.", 2036)] = None
    display_name: Annotated[Text | None, about("Its name; read only.", "Australia")] = None


class GeoTargeting(Shape):
    """Places."""

    targeted_locations: Annotated[
        list[Location] | None, entries(CRITERIA), about("In these.", [{"id": 2036}])
    ] = None
    excluded_locations: Annotated[
        list[Location] | None, entries(CRITERIA), about("Not in these.", [])
    ] = None


class AdUnitTargeting(Shape):
    """An ad unit."""

    ad_unit_id: Annotated[Id, about("The ad unit.", 21700000003)]
    include_descendants: Annotated[bool | None, about("With those below it.", example=True)] = None


class InventoryTargeting(Shape):
    """Ad units and placements."""

    targeted_ad_units: Annotated[
        list[AdUnitTargeting] | None,
        entries(CRITERIA),
        about("On these.", [{"adUnitId": 21700000003, "includeDescendants": True}]),
    ] = None
    excluded_ad_units: Annotated[
        list[AdUnitTargeting] | None, entries(CRITERIA), about("Not on these.", [])
    ] = None
    targeted_placement_ids: Annotated[
        list[Id] | None, entries(CRITERIA), about("In these placements.", [31000001])
    ] = None


class TimeOfDay(Shape):
    """A quarter of an hour."""

    hour: Annotated[int, Field(ge=0, le=24), about("The hour, 0 to 24.", 9)]
    minute: Annotated[
        str, one_of("ZERO", "FIFTEEN", "THIRTY", "FORTY_FIVE"), about("The minute.", "ZERO")
    ]


class DayPart(Shape):
    """A time on a day of the week."""

    day_of_week: Annotated[
        str,
        one_of("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"),
        about("The day.", "MONDAY"),
    ]
    start_time: Annotated[TimeOfDay, about("From.", {"hour": 9, "minute": "ZERO"})]
    end_time: Annotated[TimeOfDay, about("Until.", {"hour": 17, "minute": "ZERO"})]


class DayPartTargeting(Shape):
    """Times of the week. REST does not have it: line items cannot be booked with it."""

    day_parts: Annotated[list[DayPart] | None, entries(CRITERIA), about("The times.", [])] = None
    time_zone: Annotated[
        str | None, one_of("PUBLISHER", "BROWSER"), about("Whose clock.", "PUBLISHER")
    ] = None


class DateTimeRange(Shape):
    """From when to when."""

    start_date_time: Annotated[DateTime | None, about("From.")] = None
    end_date_time: Annotated[DateTime | None, about("Until.")] = None


class DateTimeRangeTargeting(Shape):
    """Times of the calendar. REST does not have it."""

    targeted_date_time_ranges: Annotated[
        list[DateTimeRange] | None, entries(CRITERIA), about("The times.", [])
    ] = None


class Technology(Shape):
    """A browser, device, system or the like, by its id."""

    id: Annotated[Id, about("The technology.", 30000)]
    name: Annotated[Text | None, about("Its name; read only.", "Desktop")] = None
    major_version: Annotated[Text | Int | None, about("Read only.", "17")] = None
    minor_version: Annotated[Text | Int | None, about("Read only.", "2")] = None
    micro_version: Annotated[Int | None, about("Read only.", 0)] = None
    manufacturer_criterion_id: Annotated[Id | None, about("Read only.", 40001)] = None
    mobile_device_criterion_id: Annotated[Id | None, about("Read only.", 640001)] = None
    device_manufacturer_criterion_id: Annotated[Id | None, about("Read only.", 40001)] = None


_Technologies = Annotated[
    list[Technology] | None, entries(CRITERIA), about("The technologies.", [{"id": 30000}])
]
_Targeted = Annotated[bool | None, about(_TARGETED, example=True)]


class BandwidthGroupTargeting(Shape):
    """Speed of the connection."""

    is_targeted: _Targeted = None
    bandwidth_groups: _Technologies = None


class BrowserTargeting(Shape):
    """Browsers."""

    is_targeted: _Targeted = None
    browsers: _Technologies = None


class BrowserLanguageTargeting(Shape):
    """Languages of the browser."""

    is_targeted: _Targeted = None
    browser_languages: _Technologies = None


class DeviceCapabilityTargeting(Shape):
    """What a device can do."""

    targeted_device_capabilities: _Technologies = None
    excluded_device_capabilities: _Technologies = None


class DeviceCategoryTargeting(Shape):
    """Phones, tablets, desktops ..."""

    targeted_device_categories: _Technologies = None
    excluded_device_categories: _Technologies = None


class DeviceManufacturerTargeting(Shape):
    """Who made the device."""

    is_targeted: _Targeted = None
    device_manufacturers: _Technologies = None


class MobileCarrierTargeting(Shape):
    """Mobile networks."""

    is_targeted: _Targeted = None
    mobile_carriers: _Technologies = None


class MobileDeviceTargeting(Shape):
    """Mobile devices."""

    targeted_mobile_devices: _Technologies = None
    excluded_mobile_devices: _Technologies = None


class MobileDeviceSubmodelTargeting(Shape):
    """Models of mobile devices."""

    targeted_mobile_device_submodels: _Technologies = None
    excluded_mobile_device_submodels: _Technologies = None


class OperatingSystemTargeting(Shape):
    """Operating systems."""

    is_targeted: _Targeted = None
    operating_systems: _Technologies = None


class OperatingSystemVersionTargeting(Shape):
    """Versions of operating systems."""

    targeted_operating_system_versions: _Technologies = None
    excluded_operating_system_versions: _Technologies = None


class TechnologyTargeting(Shape):
    """What the reader uses."""

    bandwidth_group_targeting: Annotated[BandwidthGroupTargeting | None, about("Speed.")] = None
    browser_targeting: Annotated[BrowserTargeting | None, about("Browsers.")] = None
    browser_language_targeting: Annotated[BrowserLanguageTargeting | None, about("Languages.")] = (
        None
    )
    device_capability_targeting: Annotated[
        DeviceCapabilityTargeting | None, about("Capabilities.")
    ] = None
    device_category_targeting: Annotated[
        DeviceCategoryTargeting | None,
        about("Kinds of devices.", {"targetedDeviceCategories": [{"id": 30000}]}),
    ] = None
    device_manufacturer_targeting: Annotated[
        DeviceManufacturerTargeting | None, about("Makers.")
    ] = None
    mobile_carrier_targeting: Annotated[
        MobileCarrierTargeting | None, about("Mobile networks.")
    ] = None
    mobile_device_targeting: Annotated[MobileDeviceTargeting | None, about("Devices.")] = None
    mobile_device_submodel_targeting: Annotated[
        MobileDeviceSubmodelTargeting | None, about("Models.")
    ] = None
    operating_system_targeting: Annotated[OperatingSystemTargeting | None, about("Systems.")] = None
    operating_system_version_targeting: Annotated[
        OperatingSystemVersionTargeting | None, about("Versions.")
    ] = None


_XSI = "SOAP's name of the type; may be left out."


class CustomCriteria(Shape):
    """A key with values."""

    key_id: Annotated[Id, about("The key.", 9000001)]
    value_ids: Annotated[
        list[Id] | None, entries(CRITERIA), about("One of these values.", [77000001])
    ] = None
    operator: Annotated[str | None, one_of("IS", "IS_NOT"), about("Is, or is not.", "IS")] = None
    xsi_type: Annotated[
        Literal["CustomCriteria"] | None,
        Field(alias="xsi_type", exclude=True),
        about(_XSI, "CustomCriteria"),
    ] = None


class AudienceSegmentCriteria(Shape):
    """Audience segments."""

    audience_segment_ids: Annotated[
        list[Id], entries(CRITERIA), about("In one of these.", [6000001])
    ]
    operator: Annotated[str | None, one_of("IS", "IS_NOT"), about("Is, or is not.", "IS")] = None
    xsi_type: Annotated[
        Literal["AudienceSegmentCriteria"] | None,
        Field(alias="xsi_type", exclude=True),
        about(_XSI, "AudienceSegmentCriteria"),
    ] = None


class CmsMetadataCriteria(Shape):
    """Values of a content management system."""

    cms_metadata_value_ids: Annotated[list[Id], entries(CRITERIA), about("One of these.", [66001])]
    operator: Annotated[
        str | None, one_of("EQUALS", "NOT_EQUALS"), about("Is, or is not.", "EQUALS")
    ] = None
    xsi_type: Annotated[
        Literal["CmsMetadataCriteria"] | None,
        Field(alias="xsi_type", exclude=True),
        about(_XSI, "CmsMetadataCriteria"),
    ] = None


_KINDS = {
    "logicalOperator": "set",
    "children": "set",
    "keyId": "key",
    "audienceSegmentIds": "audience",
    "cmsMetadataValueIds": "cms",
    "logical_operator": "set",
    "key_id": "key",
    "audience_segment_ids": "audience",
    "cms_metadata_value_ids": "cms",
}
_NAMED = {
    "CustomCriteriaSet": "set",
    "CustomCriteria": "key",
    "AudienceSegmentCriteria": "audience",
    "CmsMetadataCriteria": "cms",
}


def _criteria_kind(value: object) -> str | None:
    """SOAP tells the kind by xsi:type; where it is left out, the fields tell."""
    if isinstance(value, dict):
        named = value.get("xsi_type")
        if isinstance(named, str):
            return _NAMED.get(named)
        return next((kind for name, kind in _KINDS.items() if name in value), None)
    return _NAMED.get(type(value).__name__)


CriteriaNode = Annotated[
    Annotated["CustomCriteriaSet", Tag("set")]
    | Annotated[CustomCriteria, Tag("key")]
    | Annotated[AudienceSegmentCriteria, Tag("audience")]
    | Annotated[CmsMetadataCriteria, Tag("cms")],
    Discriminator(
        _criteria_kind,
        custom_error_type="criteria",
        custom_error_message=(
            "is no custom criteria: give logicalOperator and children, keyId and valueIds,"
            " audienceSegmentIds or cmsMetadataValueIds"
        ),
    ),
]


class CustomCriteriaSet(Shape):
    """Criteria, joined by AND or OR."""

    logical_operator: Annotated[
        str | None, one_of("AND", "OR"), about("How they are joined.", "OR")
    ] = None
    children: Annotated[
        list[CriteriaNode] | None,
        entries(CRITERIA),
        about(
            "Sets or criteria.",
            [
                {
                    "logicalOperator": "AND",
                    "children": [{"keyId": 9000001, "valueIds": [77000001], "operator": "IS"}],
                }
            ],
        ),
    ] = None
    xsi_type: Annotated[
        Literal["CustomCriteriaSet"] | None,
        Field(alias="xsi_type", exclude=True),
        about(_XSI, "CustomCriteriaSet"),
    ] = None


class UserDomainTargeting(Shape):
    """Domains of the reader's network."""

    domains: Annotated[
        list[Text] | None, entries(CRITERIA), about("The domains.", ["example.com"])
    ] = None
    targeted: Annotated[bool | None, about(_TARGETED, example=True)] = None


class ContentTargeting(Shape):
    """Video content."""

    targeted_content_ids: Annotated[
        list[Id] | None, entries(CRITERIA), about("These.", [55001])
    ] = None
    excluded_content_ids: Annotated[list[Id] | None, entries(CRITERIA), about("Not these.", [])] = (
        None
    )
    targeted_video_content_bundle_ids: Annotated[
        list[Id] | None, entries(CRITERIA), about("These.", [])
    ] = None
    excluded_video_content_bundle_ids: Annotated[
        list[Id] | None, entries(CRITERIA), about("Not these.", [])
    ] = None


class VideoPosition(Shape):
    """Where in a video."""

    position_type: Annotated[
        str | None, one_of("ALL", "PREROLL", "MIDROLL", "POSTROLL"), about("Where.", "PREROLL")
    ] = None
    midroll_index: Annotated[Int | None, about("Which midroll.", 1)] = None


class VideoPositionWithinPod(Shape):
    """Which of several ads in a row."""

    index: Annotated[Int | None, about("The first is 1, the last -1.", 1)] = None


class VideoPositionTarget(Shape):
    """A place in a video."""

    video_position: Annotated[
        VideoPosition | None, about("Where.", {"positionType": "PREROLL"})
    ] = None
    video_bumper_type: Annotated[
        str | None, one_of("BEFORE", "AFTER"), about("Bumper.", "BEFORE")
    ] = None
    video_position_within_pod: Annotated[
        VideoPositionWithinPod | None, about("Which in a row.", {"index": 1})
    ] = None
    ad_spot_id: Annotated[Id | None, about("An ad spot. REST does not have it.", 4)] = None


class VideoPositionTargeting(Shape):
    """Places in videos."""

    targeted_positions: Annotated[
        list[VideoPositionTarget] | None,
        entries(CRITERIA),
        about("The places.", [{"videoPosition": {"positionType": "PREROLL"}}]),
    ] = None


class MobileApplicationTargeting(Shape):
    """Mobile applications."""

    mobile_application_ids: Annotated[
        list[Id] | None, entries(CRITERIA), about("The applications.", [44001])
    ] = None
    is_targeted: _Targeted = None


class BuyerUserListTargeting(Shape):
    """Lists of the buyer. REST does not have it."""

    has_buyer_user_list_targeting: Annotated[
        bool | None, about("There are any.", example=False)
    ] = None


class InventoryUrl(Shape):
    """An inventory URL."""

    id: Annotated[Id, about("The URL.", 3301)]


class InventoryUrlTargeting(Shape):
    """Inventory URLs. REST does not have it."""

    targeted_urls: Annotated[list[InventoryUrl] | None, entries(CRITERIA), about("These.", [])] = (
        None
    )
    excluded_urls: Annotated[
        list[InventoryUrl] | None, entries(CRITERIA), about("Not these.", [])
    ] = None


class VerticalTargeting(Shape):
    """Subjects. REST does not have it."""

    targeted_vertical_ids: Annotated[list[Id] | None, entries(CRITERIA), about("These.", [])] = None
    excluded_vertical_ids: Annotated[
        list[Id] | None, entries(CRITERIA), about("Not these.", [])
    ] = None


class ContentLabelTargeting(Shape):
    """Labels of content. REST does not have it."""

    excluded_content_label_ids: Annotated[
        list[Id] | None, entries(CRITERIA), about("Not these.", [])
    ] = None


class RequestPlatformTargeting(Shape):
    """Where the request comes from."""

    targeted_request_platforms: Annotated[
        list[Annotated[str, one_of("BROWSER", "MOBILE_APP", "VIDEO_PLAYER")]] | None,
        entries(CRITERIA),
        about("From these.", ["BROWSER"]),
    ] = None


class TargetedSize(Shape):
    """A size."""

    size: Annotated[Size, about("The size.", {"width": 300, "height": 250})]


class InventorySizeTargeting(Shape):
    """Sizes. REST does not have it."""

    is_targeted: _Targeted = None
    targeted_sizes: Annotated[
        list[TargetedSize] | None, entries(CRITERIA), about("The sizes.", [])
    ] = None


class PublisherProvidedSignalsTargeting(Shape):
    """Signals of the publisher. REST does not have it."""

    targeted_taxonomy_category_ids: Annotated[
        list[Id] | None, entries(CRITERIA), about("These.", [])
    ] = None
    excluded_taxonomy_category_ids: Annotated[
        list[Id] | None, entries(CRITERIA), about("Not these.", [])
    ] = None


class Targeting(Shape):
    """Everything that has to hold for an ad to be shown."""

    geo_targeting: Annotated[
        GeoTargeting | None, about("Places.", {"targetedLocations": [{"id": 2036}]})
    ] = None
    inventory_targeting: Annotated[
        InventoryTargeting | None,
        about(
            "Ad units and placements.",
            {"targetedAdUnits": [{"adUnitId": 21700000003, "includeDescendants": True}]},
        ),
    ] = None
    day_part_targeting: Annotated[DayPartTargeting | None, about("Times of the week.")] = None
    date_time_range_targeting: Annotated[
        DateTimeRangeTargeting | None, about("Times of the calendar.")
    ] = None
    technology_targeting: Annotated[TechnologyTargeting | None, about("What the reader uses.")] = (
        None
    )
    custom_targeting: Annotated[
        CustomCriteriaSet | None,
        about(
            "Keys and values, audiences.",
            {
                "logicalOperator": "OR",
                "children": [
                    {
                        "logicalOperator": "AND",
                        "children": [{"keyId": 9000001, "valueIds": [77000001], "operator": "IS"}],
                    }
                ],
            },
        ),
    ] = None
    user_domain_targeting: Annotated[UserDomainTargeting | None, about("Domains.")] = None
    content_targeting: Annotated[ContentTargeting | None, about("Video content.")] = None
    video_position_targeting: Annotated[
        VideoPositionTargeting | None, about("Places in videos.")
    ] = None
    mobile_application_targeting: Annotated[
        MobileApplicationTargeting | None, about("Applications.")
    ] = None
    buyer_user_list_targeting: Annotated[
        BuyerUserListTargeting | None, about("Lists of the buyer; read only.")
    ] = None
    inventory_url_targeting: Annotated[InventoryUrlTargeting | None, about("Inventory URLs.")] = (
        None
    )
    vertical_targeting: Annotated[VerticalTargeting | None, about("Subjects.")] = None
    content_label_targeting: Annotated[
        ContentLabelTargeting | None, about("Labels of content.")
    ] = None
    request_platform_targeting: Annotated[
        RequestPlatformTargeting | None,
        about("Where requests come from.", {"targetedRequestPlatforms": ["BROWSER"]}),
    ] = None
    inventory_size_targeting: Annotated[InventorySizeTargeting | None, about("Sizes.")] = None
    publisher_provided_signals_targeting: Annotated[
        PublisherProvidedSignalsTargeting | None, about("Signals.")
    ] = None


class CreativeTargeting(Shape):
    """Targeting of some of a line item's creatives."""

    name: Annotated[Text, about("What placeholders name it by.", "mobile")]
    targeting: Annotated[Targeting | None, about("The targeting.")] = None
