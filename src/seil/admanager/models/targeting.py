"""Targeting of line items and proposal line items."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from seil.admanager.models.base import Id, Int, Shape, Text, about, one_of
from seil.admanager.models.lists import CRITERIA, entries
from seil.admanager.models.values import DateTime, Size

_TARGETED = "True: target these; false: exclude these."


class Location(Shape):
    """A location in Ad Manager's geography."""

    id: Annotated[Id, about("Location id.", 2036)]
    type: Annotated[Text | None, about("Location type; read-only.", "COUNTRY")] = None
    canonical_parent_id: Annotated[
        Int | None, about("Id of the parent location; read-only.", 2036)
    ] = None
    display_name: Annotated[Text | None, about("Display name; read-only.", "Australia")] = None


class GeoTargeting(Shape):
    """Geographic targeting."""

    targeted_locations: Annotated[
        list[Location] | None, entries(CRITERIA), about("Targeted locations.", [{"id": 2036}])
    ] = None
    excluded_locations: Annotated[
        list[Location] | None, entries(CRITERIA), about("Excluded locations.", [])
    ] = None


class AdUnitTargeting(Shape):
    """Targeting of one ad unit."""

    ad_unit_id: Annotated[Id, about("Ad unit id.", 21700000003)]
    include_descendants: Annotated[
        bool | None, about("Whether it includes descendants.", example=True)
    ] = None


class InventoryTargeting(Shape):
    """Targeting by ad unit and placement."""

    targeted_ad_units: Annotated[
        list[AdUnitTargeting] | None,
        entries(CRITERIA),
        about("Targeted ad units.", [{"adUnitId": 21700000003, "includeDescendants": True}]),
    ] = None
    excluded_ad_units: Annotated[
        list[AdUnitTargeting] | None, entries(CRITERIA), about("Excluded ad units.", [])
    ] = None
    targeted_placement_ids: Annotated[
        list[Id] | None, entries(CRITERIA), about("Ids of targeted placements.", [31000001])
    ] = None


class TimeOfDay(Shape):
    """A time of day, in quarter hours."""

    hour: Annotated[int, Field(ge=0, le=24), about("Hour, 0 to 24.", 9)]
    minute: Annotated[
        str, one_of("ZERO", "FIFTEEN", "THIRTY", "FORTY_FIVE"), about("Minute.", "ZERO")
    ]


class DayPart(Shape):
    """A period on one day of the week."""

    day_of_week: Annotated[
        str,
        one_of("MONDAY", "TUESDAY", "WEDNESDAY", "THURSDAY", "FRIDAY", "SATURDAY", "SUNDAY"),
        about("Day of the week.", "MONDAY"),
    ]
    start_time: Annotated[TimeOfDay, about("Start time, inclusive.", {"hour": 9, "minute": "ZERO"})]
    end_time: Annotated[TimeOfDay, about("End time, exclusive.", {"hour": 17, "minute": "ZERO"})]


class DayPartTargeting(Shape):
    """Day-part targeting. Not in Google's REST API, so line items cannot be booked with it."""

    day_parts: Annotated[list[DayPart] | None, entries(CRITERIA), about("Day parts.", [])] = None
    time_zone: Annotated[
        str | None, one_of("PUBLISHER", "BROWSER"), about("Whose time zone applies.", "PUBLISHER")
    ] = None


class DateTimeRange(Shape):
    """A period."""

    start_date_time: Annotated[DateTime | None, about("Start.")] = None
    end_date_time: Annotated[DateTime | None, about("End.")] = None


class DateTimeRangeTargeting(Shape):
    """Date-range targeting. Not in Google's REST API."""

    targeted_date_time_ranges: Annotated[
        list[DateTimeRange] | None, entries(CRITERIA), about("Targeted date ranges.", [])
    ] = None


class Technology(Shape):
    """A technology criterion: a browser, device, operating system etc., by id."""

    id: Annotated[Id, about("Criterion id.", 30000)]
    name: Annotated[Text | None, about("Display name; read-only.", "Desktop")] = None
    major_version: Annotated[Text | Int | None, about("Read-only.", "17")] = None
    minor_version: Annotated[Text | Int | None, about("Read-only.", "2")] = None
    micro_version: Annotated[Int | None, about("Read-only.", 0)] = None
    manufacturer_criterion_id: Annotated[Id | None, about("Read-only.", 40001)] = None
    mobile_device_criterion_id: Annotated[Id | None, about("Read-only.", 640001)] = None
    device_manufacturer_criterion_id: Annotated[Id | None, about("Read-only.", 40001)] = None


_Technologies = Annotated[
    list[Technology] | None, entries(CRITERIA), about("Criteria.", [{"id": 30000}])
]
_Targeted = Annotated[bool | None, about(_TARGETED, example=True)]


class BandwidthGroupTargeting(Shape):
    """Targeting by connection speed."""

    is_targeted: _Targeted = None
    bandwidth_groups: _Technologies = None


class BrowserTargeting(Shape):
    """Targeting by browser."""

    is_targeted: _Targeted = None
    browsers: _Technologies = None


class BrowserLanguageTargeting(Shape):
    """Targeting by browser language."""

    is_targeted: _Targeted = None
    browser_languages: _Technologies = None


class DeviceCapabilityTargeting(Shape):
    """Targeting by device capability."""

    targeted_device_capabilities: _Technologies = None
    excluded_device_capabilities: _Technologies = None


class DeviceCategoryTargeting(Shape):
    """Targeting by device category: phone, tablet, desktop etc."""

    targeted_device_categories: _Technologies = None
    excluded_device_categories: _Technologies = None


class DeviceManufacturerTargeting(Shape):
    """Targeting by device manufacturer."""

    is_targeted: _Targeted = None
    device_manufacturers: _Technologies = None


class MobileCarrierTargeting(Shape):
    """Targeting by mobile carrier."""

    is_targeted: _Targeted = None
    mobile_carriers: _Technologies = None


class MobileDeviceTargeting(Shape):
    """Targeting by mobile device."""

    targeted_mobile_devices: _Technologies = None
    excluded_mobile_devices: _Technologies = None


class MobileDeviceSubmodelTargeting(Shape):
    """Targeting by mobile device submodel."""

    targeted_mobile_device_submodels: _Technologies = None
    excluded_mobile_device_submodels: _Technologies = None


class OperatingSystemTargeting(Shape):
    """Targeting by operating system."""

    is_targeted: _Targeted = None
    operating_systems: _Technologies = None


class OperatingSystemVersionTargeting(Shape):
    """Targeting by operating system version."""

    targeted_operating_system_versions: _Technologies = None
    excluded_operating_system_versions: _Technologies = None


class TechnologyTargeting(Shape):
    """Technology."""

    bandwidth_group_targeting: Annotated[
        BandwidthGroupTargeting | None, about("Connection speed.")
    ] = None
    browser_targeting: Annotated[BrowserTargeting | None, about("Browsers.")] = None
    browser_language_targeting: Annotated[
        BrowserLanguageTargeting | None, about("Browser languages.")
    ] = None
    device_capability_targeting: Annotated[
        DeviceCapabilityTargeting | None, about("Device capabilities.")
    ] = None
    device_category_targeting: Annotated[
        DeviceCategoryTargeting | None,
        about("Device categories.", {"targetedDeviceCategories": [{"id": 30000}]}),
    ] = None
    device_manufacturer_targeting: Annotated[
        DeviceManufacturerTargeting | None, about("Device manufacturers.")
    ] = None
    mobile_carrier_targeting: Annotated[
        MobileCarrierTargeting | None, about("Mobile carriers.")
    ] = None
    mobile_device_targeting: Annotated[MobileDeviceTargeting | None, about("Mobile devices.")] = (
        None
    )
    mobile_device_submodel_targeting: Annotated[
        MobileDeviceSubmodelTargeting | None, about("Mobile device submodels.")
    ] = None
    operating_system_targeting: Annotated[
        OperatingSystemTargeting | None, about("Operating systems.")
    ] = None
    operating_system_version_targeting: Annotated[
        OperatingSystemVersionTargeting | None, about("Operating system versions.")
    ] = None


_XSI = "Type name in the SOAP API; optional."


class CustomCriteria(Shape):
    """A criterion on a custom targeting key."""

    key_id: Annotated[Id, about("Custom targeting key id.", 9000001)]
    value_ids: Annotated[
        list[Id] | None,
        entries(CRITERIA),
        about("Custom targeting value ids; one has to match.", [77000001]),
    ] = None
    operator: Annotated[str | None, one_of("IS", "IS_NOT"), about("Comparison operator.", "IS")] = (
        None
    )
    xsi_type: Annotated[
        Literal["CustomCriteria"] | None,
        Field(alias="xsi_type", exclude=True),
        about(_XSI, "CustomCriteria"),
    ] = None


class AudienceSegmentCriteria(Shape):
    """A criterion on audience segments."""

    audience_segment_ids: Annotated[
        list[Id], entries(CRITERIA), about("Audience segment ids; one has to match.", [6000001])
    ]
    operator: Annotated[str | None, one_of("IS", "IS_NOT"), about("Comparison operator.", "IS")] = (
        None
    )
    xsi_type: Annotated[
        Literal["AudienceSegmentCriteria"] | None,
        Field(alias="xsi_type", exclude=True),
        about(_XSI, "AudienceSegmentCriteria"),
    ] = None


class CmsMetadataCriteria(Shape):
    """A criterion on CMS metadata."""

    cms_metadata_value_ids: Annotated[
        list[Id], entries(CRITERIA), about("CMS metadata value ids.", [66001])
    ]
    operator: Annotated[
        str | None, one_of("EQUALS", "NOT_EQUALS"), about("Comparison operator.", "EQUALS")
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
    """By SOAP's xsi:type if given, else by the fields."""
    if isinstance(value, dict):
        type_name = value.get("xsi_type")
        if isinstance(type_name, str):
            return _NAMED.get(type_name)
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
    """Custom criteria combined by AND or OR."""

    logical_operator: Annotated[
        str | None, one_of("AND", "OR"), about("How the children are combined.", "OR")
    ] = None
    children: Annotated[
        list[CriteriaNode] | None,
        entries(CRITERIA),
        about(
            "Nested sets or criteria.",
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
    """Targeting by the domain of the user's network."""

    domains: Annotated[
        list[Text] | None, entries(CRITERIA), about("Domain names.", ["example.com"])
    ] = None
    targeted: Annotated[bool | None, about(_TARGETED, example=True)] = None


class ContentTargeting(Shape):
    """Targeting by video content."""

    targeted_content_ids: Annotated[
        list[Id] | None, entries(CRITERIA), about("Ids of targeted content.", [55001])
    ] = None
    excluded_content_ids: Annotated[
        list[Id] | None, entries(CRITERIA), about("Ids of excluded content.", [])
    ] = None
    targeted_video_content_bundle_ids: Annotated[
        list[Id] | None, entries(CRITERIA), about("Ids of targeted video content bundles.", [])
    ] = None
    excluded_video_content_bundle_ids: Annotated[
        list[Id] | None, entries(CRITERIA), about("Ids of excluded video content bundles.", [])
    ] = None


class VideoPosition(Shape):
    """A position in a video."""

    position_type: Annotated[
        str | None,
        one_of("ALL", "PREROLL", "MIDROLL", "POSTROLL"),
        about("Position type.", "PREROLL"),
    ] = None
    midroll_index: Annotated[Int | None, about("Index of the midroll.", 1)] = None


class VideoPositionWithinPod(Shape):
    """A position in a pod, a series of consecutive ads."""

    index: Annotated[Int | None, about("1 is the first position, -1 the last.", 1)] = None


class VideoPositionTarget(Shape):
    """A targeted video position."""

    video_position: Annotated[
        VideoPosition | None, about("Position in the video.", {"positionType": "PREROLL"})
    ] = None
    video_bumper_type: Annotated[
        str | None,
        one_of("BEFORE", "AFTER"),
        about("Bumper before or after the position.", "BEFORE"),
    ] = None
    video_position_within_pod: Annotated[
        VideoPositionWithinPod | None, about("Position in the pod.", {"index": 1})
    ] = None
    ad_spot_id: Annotated[Id | None, about("Ad spot id. Not in Google's REST API.", 4)] = None


class VideoPositionTargeting(Shape):
    """Targeting by video position."""

    targeted_positions: Annotated[
        list[VideoPositionTarget] | None,
        entries(CRITERIA),
        about("Targeted positions.", [{"videoPosition": {"positionType": "PREROLL"}}]),
    ] = None


class MobileApplicationTargeting(Shape):
    """Targeting by mobile application."""

    mobile_application_ids: Annotated[
        list[Id] | None, entries(CRITERIA), about("Mobile application ids.", [44001])
    ] = None
    is_targeted: _Targeted = None


class BuyerUserListTargeting(Shape):
    """Buyer user list targeting. Not in Google's REST API."""

    has_buyer_user_list_targeting: Annotated[
        bool | None, about("Whether there is any.", example=False)
    ] = None


class InventoryUrl(Shape):
    """An inventory URL."""

    id: Annotated[Id, about("Inventory URL id.", 3301)]


class InventoryUrlTargeting(Shape):
    """Targeting by inventory URL. Not in Google's REST API."""

    targeted_urls: Annotated[
        list[InventoryUrl] | None, entries(CRITERIA), about("Targeted URLs.", [])
    ] = None
    excluded_urls: Annotated[
        list[InventoryUrl] | None, entries(CRITERIA), about("Excluded URLs.", [])
    ] = None


class VerticalTargeting(Shape):
    """Targeting by content vertical. Not in Google's REST API."""

    targeted_vertical_ids: Annotated[
        list[Id] | None, entries(CRITERIA), about("Ids of targeted verticals.", [])
    ] = None
    excluded_vertical_ids: Annotated[
        list[Id] | None, entries(CRITERIA), about("Ids of excluded verticals.", [])
    ] = None


class ContentLabelTargeting(Shape):
    """Targeting by content label. Not in Google's REST API."""

    excluded_content_label_ids: Annotated[
        list[Id] | None, entries(CRITERIA), about("Ids of excluded content labels.", [])
    ] = None


class RequestPlatformTargeting(Shape):
    """Targeting by the platform of the ad request."""

    targeted_request_platforms: Annotated[
        list[Annotated[str, one_of("BROWSER", "MOBILE_APP", "VIDEO_PLAYER")]] | None,
        entries(CRITERIA),
        about("Targeted request platforms.", ["BROWSER"]),
    ] = None


class TargetedSize(Shape):
    """A targeted inventory size."""

    size: Annotated[Size, about("Size.", {"width": 300, "height": 250})]


class InventorySizeTargeting(Shape):
    """Targeting by inventory size. Not in Google's REST API."""

    is_targeted: _Targeted = None
    targeted_sizes: Annotated[
        list[TargetedSize] | None, entries(CRITERIA), about("Targeted sizes.", [])
    ] = None


class PublisherProvidedSignalsTargeting(Shape):
    """Targeting by publisher provided signals. Not in Google's REST API."""

    targeted_taxonomy_category_ids: Annotated[
        list[Id] | None, entries(CRITERIA), about("Ids of targeted taxonomy categories.", [])
    ] = None
    excluded_taxonomy_category_ids: Annotated[
        list[Id] | None, entries(CRITERIA), about("Ids of excluded taxonomy categories.", [])
    ] = None


class Targeting(Shape):
    """Targeting criteria; an ad is shown where all of them match."""

    geo_targeting: Annotated[
        GeoTargeting | None, about("Geographic targeting.", {"targetedLocations": [{"id": 2036}]})
    ] = None
    inventory_targeting: Annotated[
        InventoryTargeting | None,
        about(
            "Targeting by ad unit and placement.",
            {"targetedAdUnits": [{"adUnitId": 21700000003, "includeDescendants": True}]},
        ),
    ] = None
    day_part_targeting: Annotated[DayPartTargeting | None, about("Day parts.")] = None
    date_time_range_targeting: Annotated[DateTimeRangeTargeting | None, about("Date ranges.")] = (
        None
    )
    technology_targeting: Annotated[TechnologyTargeting | None, about("Technology.")] = None
    custom_targeting: Annotated[
        CustomCriteriaSet | None,
        about(
            "Custom targeting keys, audience segments and CMS metadata.",
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
    user_domain_targeting: Annotated[UserDomainTargeting | None, about("User domains.")] = None
    content_targeting: Annotated[ContentTargeting | None, about("Video content.")] = None
    video_position_targeting: Annotated[
        VideoPositionTargeting | None, about("Video positions.")
    ] = None
    mobile_application_targeting: Annotated[
        MobileApplicationTargeting | None, about("Mobile applications.")
    ] = None
    buyer_user_list_targeting: Annotated[
        BuyerUserListTargeting | None, about("Buyer user lists; read-only.")
    ] = None
    inventory_url_targeting: Annotated[InventoryUrlTargeting | None, about("Inventory URLs.")] = (
        None
    )
    vertical_targeting: Annotated[VerticalTargeting | None, about("Content verticals.")] = None
    content_label_targeting: Annotated[ContentLabelTargeting | None, about("Content labels.")] = (
        None
    )
    request_platform_targeting: Annotated[
        RequestPlatformTargeting | None,
        about("Request platforms.", {"targetedRequestPlatforms": ["BROWSER"]}),
    ] = None
    inventory_size_targeting: Annotated[
        InventorySizeTargeting | None, about("Inventory sizes.")
    ] = None
    publisher_provided_signals_targeting: Annotated[
        PublisherProvidedSignalsTargeting | None, about("Publisher provided signals.")
    ] = None


class CreativeTargeting(Shape):
    """Targeting of a subset of a line item's creatives."""

    name: Annotated[Text, about("Name that creative placeholders refer to.", "mobile")]
    targeting: Annotated[Targeting | None, about("Targeting criteria of these creatives.")] = None
