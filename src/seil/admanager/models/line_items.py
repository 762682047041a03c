"""Line items."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, ValidationInfo, field_validator, model_validator

from seil.admanager.models.actions import LineItemAction
from seil.admanager.models.base import (
    ANSWER,
    Count,
    Id,
    Int,
    Long,
    Name,
    Shape,
    Text,
    about,
    check_once_each,
    one_of,
)
from seil.admanager.models.bounds import at_least, between
from seil.admanager.models.lists import BATCH, CREATIVES, IDS, SEVERAL, entries
from seil.admanager.models.targeting import CreativeTargeting, Targeting
from seil.admanager.models.values import (
    AppliedLabel,
    AppliedLabels,
    CompanionDelivery,
    CreativePlaceholder,
    CustomFieldValue,
    DateTime,
    DeliveryData,
    DeliveryIndicator,
    EnvironmentType,
    FrequencyCaps,
    Goal,
    GrpSettings,
    MeasurementSettings,
    Money,
    RoadblockingType,
    SkippableAdType,
    Stats,
)

AT = {
    "date": {"year": 2030, "month": 12, "day": 1},
    "hour": 0,
    "minute": 0,
    "second": 0,
    "timeZoneId": "Australia/Sydney",
}
PRICE = {"currencyCode": "AUD", "microAmount": 12_500_000}
PLACEHOLDERS = [{"size": {"width": 300, "height": 250}, "expectedCreativeCount": 1}]
TARGETING = {
    "geoTargeting": {"targetedLocations": [{"id": 2036}]},
    "inventoryTargeting": {
        "targetedAdUnits": [{"adUnitId": 21700000003, "includeDescendants": True}]
    },
}
GOAL = {"goalType": "LIFETIME", "unitType": "IMPRESSIONS", "units": 100_000}
LINE_ITEM_TYPE = one_of(
    "SPONSORSHIP",
    "STANDARD",
    "NETWORK",
    "BULK",
    "PRICE_PRIORITY",
    "HOUSE",
    "CLICK_TRACKING",
    "ADSENSE",
    "AD_EXCHANGE",
    "BUMPER",
    "PREFERRED_DEAL",
)
_WHOLE = 100  # Percent.
_COST_TYPE = one_of("CPA", "CPC", "CPD", "CPM", "VCPM", "CPM_IN_TARGET", "CPF", "CPCV")


class CustomPacingGoal(Shape):
    """A point of a pacing curve."""

    start_date_time: Annotated[DateTime | None, about("Start of this point of the curve.", AT)] = (
        None
    )
    use_line_item_start_date_time: Annotated[
        bool | None, about("Whether the point starts with the line item.", example=False)
    ] = None
    amount: Annotated[Long | None, about("Amount to deliver.", 50_000)] = None


class CustomPacingCurve(Shape):
    """A custom pacing curve."""

    custom_pacing_goal_unit: Annotated[
        str | None, one_of("ABSOLUTE", "MILLI_PERCENT"), about("Unit of the amounts.", "ABSOLUTE")
    ] = None
    custom_pacing_goals: Annotated[
        list[CustomPacingGoal] | None,
        entries(SEVERAL),
        about("Points of the curve.", [{"amount": 50_000}]),
    ] = None


class DealInfo(Shape):
    """A programmatic deal."""

    external_deal_id: Annotated[Id | None, about("External deal id.", 1900001)] = None


class LineItemFields(Shape):
    """The writable fields of a line item."""

    order_id: Annotated[Id | None, about("Order id.", 3100000000)] = None
    name: Annotated[Name | None, about("Name.", "Homepage MREC")] = None
    external_id: Annotated[Text | None, about("Id in an external system.", "802A1")] = None
    start_date_time: Annotated[DateTime | None, about("Start of delivery.", AT)] = None
    start_date_time_type: Annotated[
        str | None,
        one_of("USE_START_DATE_TIME", "IMMEDIATELY", "ONE_HOUR_FROM_NOW"),
        about("Google's REST API accepts USE_START_DATE_TIME only.", "USE_START_DATE_TIME"),
    ] = None
    end_date_time: Annotated[DateTime | None, about("End of delivery.", AT)] = None
    auto_extension_days: Annotated[
        Int | None, between(0, 7), about("Days by which delivery may be extended, 7 at most.", 0)
    ] = None
    unlimited_end_date_time: Annotated[
        bool | None, about("Whether it runs without an end date.", example=False)
    ] = None
    creative_rotation_type: Annotated[
        str | None,
        one_of("EVEN", "OPTIMIZED", "MANUAL", "SEQUENTIAL"),
        about("How creatives rotate.", "OPTIMIZED"),
    ] = None
    delivery_rate_type: Annotated[
        str | None,
        one_of("EVENLY", "FRONTLOADED", "AS_FAST_AS_POSSIBLE"),
        about("Delivery pacing.", "EVENLY"),
    ] = None
    delivery_forecast_source: Annotated[
        str | None,
        one_of("HISTORICAL", "FORECASTING", "CUSTOM_PACING_CURVE"),
        about("Source of the delivery forecast.", "FORECASTING"),
    ] = None
    custom_pacing_curve: Annotated[CustomPacingCurve | None, about("Custom pacing curve.")] = None
    roadblocking_type: RoadblockingType = None
    skippable_ad_type: SkippableAdType = None
    frequency_caps: FrequencyCaps = None
    line_item_type: Annotated[str | None, LINE_ITEM_TYPE, about("Line item type.", "STANDARD")] = (
        None
    )
    priority: Annotated[
        Int | None,
        between(1, 16),
        about("Priority, 1 (highest) to 16; each line item type has a range.", 8),
    ] = None
    cost_per_unit: Annotated[Money | None, about("Cost per unit.", PRICE)] = None
    value_cost_per_unit: Annotated[Money | None, about("Value of a unit.", PRICE)] = None
    cost_type: Annotated[str | None, _COST_TYPE, about("Pricing unit.", "CPM")] = None
    discount_type: Annotated[
        str | None,
        one_of("ABSOLUTE_VALUE", "PERCENTAGE"),
        about("Whether the discount is an amount or a percentage.", "PERCENTAGE"),
    ] = None
    discount: Annotated[
        float | None, at_least(0), about("Discount: a whole percentage or an amount.", 10.0)
    ] = None
    contracted_units_bought: Annotated[
        Long | None, at_least(0), about("Contracted units.", 100_000)
    ] = None
    creative_placeholders: Annotated[
        list[CreativePlaceholder] | None,
        entries(CREATIVES),
        about("Expected creatives.", PLACEHOLDERS),
    ] = None
    environment_type: EnvironmentType = None
    allowed_formats: Annotated[
        list[Annotated[str, one_of("AUDIO", "VIDEO", "DISPLAY")]] | None,
        entries(SEVERAL),
        about("Allowed ad formats.", ["VIDEO"]),
    ] = None
    companion_delivery_option: CompanionDelivery = None
    allow_overbook: Annotated[
        bool | None, about("Whether it may overbook inventory.", example=False)
    ] = None
    skip_inventory_check: Annotated[
        bool | None, about("Whether to skip the inventory check.", example=False)
    ] = None
    skip_cross_selling_rule_warning_checks: Annotated[
        bool | None, about("Whether to skip warnings of cross-selling rules.", example=False)
    ] = None
    reserve_at_creation: Annotated[
        bool | None, about("Whether to reserve inventory on creation.", example=False)
    ] = None
    web_property_code: Annotated[Text | None, about("AdSense web property code.", "ca-pub-1")] = (
        None
    )
    applied_labels: AppliedLabels = None
    disable_same_advertiser_competitive_exclusion: Annotated[
        bool | None, about("Allow ads of the same advertiser on the same page.", example=False)
    ] = None
    notes: Annotated[Text | None, about("Notes.", "Booked from Salesforce")] = None
    competitive_constraint_scope: Annotated[
        str | None,
        one_of("POD", "STREAM", "PAGE"),
        about("Scope of competitive exclusion.", "PAGE"),
    ] = None
    custom_field_values: Annotated[
        list[CustomFieldValue] | None,
        entries(SEVERAL),
        about("Custom field values.", [{"customFieldId": 4400002, "value": {"value": "Q4 brand"}}]),
    ] = None
    programmatic_creative_source: Annotated[
        str | None,
        one_of("PUBLISHER", "ADVERTISER"),
        about("Who provides the creatives. Not in Google's REST API.", "PUBLISHER"),
    ] = None
    third_party_measurement_settings: MeasurementSettings = None
    youtube_kids_restricted: Annotated[
        bool | None, about("Whether it is restricted from YouTube Kids.", example=False)
    ] = None
    video_max_duration: Annotated[
        Count | None, about("Maximum video duration in milliseconds.", 30_000)
    ] = None
    primary_goal: Annotated[
        Goal | None,
        about("Primary goal.", GOAL),
    ] = None
    secondary_goals: Annotated[list[Goal] | None, entries(SEVERAL), about("Further goals.", [])] = (
        None
    )
    grp_settings: Annotated[GrpSettings | None, about("Audience settings of a GRP goal.")] = None
    deal_info: Annotated[DealInfo | None, about("Programmatic deal.")] = None
    viewability_provider_company_ids: Annotated[
        list[Id] | None, entries(SEVERAL), about("Company ids of viewability providers.", [5110030])
    ] = None
    child_content_eligibility: Annotated[
        str | None,
        one_of("DISALLOWED", "ALLOWED"),
        about("Whether it may be shown with content for children.", "DISALLOWED"),
    ] = None
    custom_vast_extension: Annotated[
        Text | None, about("Custom VAST extension nodes, XML.", "<x/>")
    ] = None
    repeated_creative_serving_enabled: Annotated[
        bool | None, about("Whether a creative may be shown repeatedly.", example=False)
    ] = None
    targeting: Annotated[Targeting | None, about("Targeting criteria.", TARGETING)] = None
    creative_targetings: Annotated[
        list[CreativeTargeting] | None,
        entries(CREATIVES),
        about("Targeting of subsets of the creatives.", []),
    ] = None

    @field_validator("discount")
    @classmethod
    def _percentage(cls, value: float | None, info: ValidationInfo) -> float | None:
        """https://developers.google.com/ad-manager/api/beta/reference/rest/v1/LineItemDiscount."""
        absolute = info.data.get("discount_type") == "ABSOLUTE_VALUE"
        if value is None or absolute or info.context == ANSWER:
            return value
        if value > _WHOLE or value != int(value):
            raise ValueError("a percentage is a whole number, 0 to 100")
        return value


class NewLineItem(LineItemFields):
    """A line item to create."""

    name: Annotated[Name, about("Name.", "Homepage MREC")]
    start_date_time: Annotated[DateTime, about("Start of delivery.", AT)]
    line_item_type: Annotated[str, LINE_ITEM_TYPE, about("Line item type.", "STANDARD")]
    cost_per_unit: Annotated[Money, about("Cost per unit.", PRICE)]
    cost_type: Annotated[str, _COST_TYPE, about("Pricing unit.", "CPM")]
    creative_placeholders: Annotated[
        list[CreativePlaceholder], entries(CREATIVES), about("Expected creatives.", PLACEHOLDERS)
    ]
    targeting: Annotated[Targeting, about("Targeting criteria.", TARGETING)]


class LineItemChanges(LineItemFields):
    """Changes to a line item: omitted fields keep their value, null removes it."""

    id: Annotated[Id, about("Line item id.", 3100000000)]
    order_id: Annotated[Id, about("Order id.", 3100000000)]


class LineItem(LineItemFields):
    """A line item with all its fields."""

    id: Annotated[Id, about("Id.", 3100000000)]
    status: Annotated[str | None, about("DRAFT, READY, DELIVERING, ...", "DELIVERING")] = None
    order_name: Annotated[str | None, about("Name of the order.", "Acme summer 2030")] = None
    stats: Annotated[Stats | None, about("Delivery so far.")] = None
    delivery_indicator: Annotated[DeliveryIndicator | None, about("Delivery against plan.")] = None
    delivery_data: Annotated[DeliveryData | None, about("Delivery of the last days.")] = None
    budget: Annotated[Money | None, about("Budget.", PRICE)] = None
    reservation_status: Annotated[str | None, about("Reservation status.", "RESERVED")] = None
    is_archived: Annotated[bool | None, about("Whether it is archived.", example=False)] = None
    effective_applied_labels: Annotated[
        list[AppliedLabel] | None, about("Applied and inherited labels.", [])
    ] = None
    last_modified_by_app: Annotated[
        str | None, about("Application that made the last change.", "SEIL")
    ] = None
    last_modified_date_time: Annotated[DateTime | None, about("Time of the last change.", AT)] = (
        None
    )
    creation_date_time: Annotated[DateTime | None, about("Time of creation.", AT)] = None
    is_missing_creatives: Annotated[
        bool | None, about("Whether creatives are missing.", example=False)
    ] = None


class CreateLineItems(Shape):
    """Creates line items, all or none."""

    line_items: Annotated[
        list[NewLineItem],
        Field(min_length=1),
        entries(BATCH),
        about(
            "The line items.",
            [
                {
                    "orderId": 3100000000,
                    "name": "Homepage MREC",
                    "lineItemType": "STANDARD",
                    "startDateTime": AT,
                    "endDateTime": {**AT, "date": {"year": 2030, "month": 12, "day": 31}},
                    "costPerUnit": PRICE,
                    "costType": "CPM",
                    "primaryGoal": GOAL,
                    "creativePlaceholders": PLACEHOLDERS,
                    "targeting": TARGETING,
                }
            ],
        ),
    ]


class CreatedLineItem(Shape):
    """A line item that was created."""

    id: Annotated[Id, about("Id.", 3100000000)]
    order_id: Annotated[Id, about("Order id.", 3100000000)]
    name: Annotated[str, about("Name.", "Homepage MREC")]
    status: Annotated[str, about("Status.", "DRAFT")]


class CreatedLineItems(Shape):
    """The line items that were created, in the order of the request."""

    line_items: Annotated[list[CreatedLineItem], about("The line items.")]


class UpdateLineItems(Shape):
    """Changes line items; archived ones are skipped."""

    line_items: Annotated[
        list[LineItemChanges],
        Field(min_length=1),
        entries(BATCH),
        about(
            "Changes, one entry per line item.",
            [{"id": 3100000000, "orderId": 3100000000, "priority": 6}],
        ),
    ]

    @model_validator(mode="after")
    def _once_each(self) -> Self:
        check_once_each(changes.id for changes in self.line_items)
        return self


class NumUpdated(Shape):
    """How many line items changed."""

    num_updated: Annotated[Count, about("Line items changed, without archived ones.", 1)]


class GetLineItems(Shape):
    """Reads one line item, or all of an order: give exactly one of the two ids."""

    line_item_id: Annotated[Id | None, about("Line item id.", 3100000000)] = None
    order_id: Annotated[Id | None, about("Order id.", 3100000000)] = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.line_item_id is None) == (self.order_id is None):
            raise ValueError("give exactly one of lineitemid and orderid")
        return self


class LineItems(Shape):
    """Line items with all their fields."""

    line_items: Annotated[list[LineItem], about("The line items.")]


class ActOnLineItems(Shape):
    """Performs an action on line items."""

    ids: Annotated[
        list[Id], Field(min_length=1), entries(IDS), about("Line item ids.", [3100000000])
    ]
    action: Annotated[LineItemAction, about("Action.", "archive")]
