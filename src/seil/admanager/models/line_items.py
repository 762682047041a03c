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
    CreativePlaceholder,
    CustomFieldValue,
    DateTime,
    DeliveryData,
    DeliveryIndicator,
    FrequencyCap,
    Goal,
    GrpSettings,
    Money,
    Stats,
    ThirdPartyMeasurementSettings,
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

    start_date_time: Annotated[DateTime | None, about("From then on.", AT)] = None
    use_line_item_start_date_time: Annotated[
        bool | None, about("From the line item's start on.", example=False)
    ] = None
    amount: Annotated[Long | None, about("How much.", 50_000)] = None


class CustomPacingCurve(Shape):
    """How delivery is spread by hand."""

    custom_pacing_goal_unit: Annotated[
        str | None, one_of("ABSOLUTE", "MILLI_PERCENT"), about("The amounts' unit.", "ABSOLUTE")
    ] = None
    custom_pacing_goals: Annotated[
        list[CustomPacingGoal] | None, entries(SEVERAL), about("The points.", [{"amount": 50_000}])
    ] = None


class DealInfo(Shape):
    """A programmatic deal."""

    external_deal_id: Annotated[Id | None, about("The deal.", 1900001)] = None


class LineItemFields(Shape):
    """What of a line item can be given."""

    order_id: Annotated[Id | None, about("The order that it belongs to.", 3100000000)] = None
    name: Annotated[Name | None, about("Its name.", "Homepage MREC")] = None
    external_id: Annotated[Text | None, about("Its number elsewhere.", "802A1")] = None
    start_date_time: Annotated[DateTime | None, about("When it starts.", AT)] = None
    start_date_time_type: Annotated[
        str | None,
        one_of("USE_START_DATE_TIME", "IMMEDIATELY", "ONE_HOUR_FROM_NOW"),
        about("REST knows USE_START_DATE_TIME only.", "USE_START_DATE_TIME"),
    ] = None
    end_date_time: Annotated[DateTime | None, about("When it ends.", AT)] = None
    auto_extension_days: Annotated[
        Int | None, between(0, 7), about("Days it may run over, 7 at most.", 0)
    ] = None
    unlimited_end_date_time: Annotated[bool | None, about("It has no end.", example=False)] = None
    creative_rotation_type: Annotated[
        str | None,
        one_of("EVEN", "OPTIMIZED", "MANUAL", "SEQUENTIAL"),
        about("Which creative is shown.", "OPTIMIZED"),
    ] = None
    delivery_rate_type: Annotated[
        str | None,
        one_of("EVENLY", "FRONTLOADED", "AS_FAST_AS_POSSIBLE"),
        about("How delivery is spread.", "EVENLY"),
    ] = None
    delivery_forecast_source: Annotated[
        str | None,
        one_of("HISTORICAL", "FORECASTING", "CUSTOM_PACING_CURVE"),
        about("What pacing goes by.", "FORECASTING"),
    ] = None
    custom_pacing_curve: Annotated[CustomPacingCurve | None, about("Pacing by hand.")] = None
    roadblocking_type: Annotated[
        str | None,
        one_of("ONLY_ONE", "ONE_OR_MORE", "AS_MANY_AS_POSSIBLE", "ALL_ROADBLOCK", "CREATIVE_SET"),
        about("How many creatives a page shows.", "ONE_OR_MORE"),
    ] = None
    skippable_ad_type: Annotated[
        str | None,
        one_of("DISABLED", "ENABLED", "INSTREAM_SELECT", "ANY"),
        about("Whether a video can be skipped.", "DISABLED"),
    ] = None
    frequency_caps: Annotated[
        list[FrequencyCap] | None,
        entries(SEVERAL),
        about(
            "How often one sees it.", [{"maxImpressions": 3, "numTimeUnits": 1, "timeUnit": "DAY"}]
        ),
    ] = None
    line_item_type: Annotated[str | None, LINE_ITEM_TYPE, about("Its kind.", "STANDARD")] = None
    priority: Annotated[
        Int | None, between(1, 16), about("1 is first, 16 last; each type has a range.", 8)
    ] = None
    cost_per_unit: Annotated[Money | None, about("What a unit costs.", PRICE)] = None
    value_cost_per_unit: Annotated[Money | None, about("What a unit is worth.", PRICE)] = None
    cost_type: Annotated[str | None, _COST_TYPE, about("What a unit is.", "CPM")] = None
    discount_type: Annotated[
        str | None, one_of("ABSOLUTE_VALUE", "PERCENTAGE"), about("What it is of.", "PERCENTAGE")
    ] = None
    discount: Annotated[
        float | None, at_least(0), about("A whole percentage or an amount.", 10.0)
    ] = None
    contracted_units_bought: Annotated[Long | None, at_least(0), about("Units sold.", 100_000)] = (
        None
    )
    creative_placeholders: Annotated[
        list[CreativePlaceholder] | None,
        entries(CREATIVES),
        about("Creatives expected.", PLACEHOLDERS),
    ] = None
    environment_type: Annotated[
        str | None, one_of("BROWSER", "VIDEO_PLAYER"), about("Where it is shown.", "BROWSER")
    ] = None
    allowed_formats: Annotated[
        list[Annotated[str, one_of("AUDIO", "VIDEO", "DISPLAY")]] | None,
        entries(SEVERAL),
        about("Formats.", ["VIDEO"]),
    ] = None
    companion_delivery_option: Annotated[
        str | None, one_of("OPTIONAL", "AT_LEAST_ONE", "ALL"), about("Companions.", "OPTIONAL")
    ] = None
    allow_overbook: Annotated[bool | None, about("More than is free.", example=False)] = None
    skip_inventory_check: Annotated[bool | None, about("Unchecked.", example=False)] = None
    skip_cross_selling_rule_warning_checks: Annotated[
        bool | None, about("Without the warnings of cross-selling rules.", example=False)
    ] = None
    reserve_at_creation: Annotated[bool | None, about("Reserve at once.", example=False)] = None
    web_property_code: Annotated[Text | None, about("AdSense's code.", "ca-pub-1")] = None
    applied_labels: Annotated[
        list[AppliedLabel] | None, entries(SEVERAL), about("Labels.", [{"labelId": 8200001}])
    ] = None
    disable_same_advertiser_competitive_exclusion: Annotated[
        bool | None, about("Beside others of the advertiser.", example=False)
    ] = None
    notes: Annotated[Text | None, about("Notes.", "Booked from Salesforce")] = None
    competitive_constraint_scope: Annotated[
        str | None, one_of("POD", "STREAM", "PAGE"), about("Competitors are kept off.", "PAGE")
    ] = None
    custom_field_values: Annotated[
        list[CustomFieldValue] | None,
        entries(SEVERAL),
        about("Custom fields.", [{"customFieldId": 4400002, "value": {"value": "Q4 brand"}}]),
    ] = None
    programmatic_creative_source: Annotated[
        str | None,
        one_of("PUBLISHER", "ADVERTISER"),
        about("Whose creatives. REST does not have it.", "PUBLISHER"),
    ] = None
    third_party_measurement_settings: Annotated[
        ThirdPartyMeasurementSettings | None, about("Who measures.")
    ] = None
    youtube_kids_restricted: Annotated[bool | None, about("Not for children.", example=False)] = (
        None
    )
    video_max_duration: Annotated[Count | None, about("Milliseconds.", 30_000)] = None
    primary_goal: Annotated[
        Goal | None,
        about("The goal.", GOAL),
    ] = None
    secondary_goals: Annotated[list[Goal] | None, entries(SEVERAL), about("Further goals.", [])] = (
        None
    )
    grp_settings: Annotated[GrpSettings | None, about("Whom a GRP goal is for.")] = None
    deal_info: Annotated[DealInfo | None, about("A programmatic deal.")] = None
    viewability_provider_company_ids: Annotated[
        list[Id] | None, entries(SEVERAL), about("Who measures viewability.", [5110030])
    ] = None
    child_content_eligibility: Annotated[
        str | None, one_of("DISALLOWED", "ALLOWED"), about("Among children's.", "DISALLOWED")
    ] = None
    custom_vast_extension: Annotated[Text | None, about("VAST XML.", "<x/>")] = None
    repeated_creative_serving_enabled: Annotated[
        bool | None, about("A creative may come again.", example=False)
    ] = None
    targeting: Annotated[Targeting | None, about("Whom, where and when.", TARGETING)] = None
    creative_targetings: Annotated[
        list[CreativeTargeting] | None, entries(CREATIVES), about("Of some of the creatives.", [])
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
    """A line item to be created."""

    name: Annotated[Name, about("Its name.", "Homepage MREC")]
    start_date_time: Annotated[DateTime, about("When it starts.", AT)]
    line_item_type: Annotated[str, LINE_ITEM_TYPE, about("Its kind.", "STANDARD")]
    cost_per_unit: Annotated[Money, about("What a unit costs.", PRICE)]
    cost_type: Annotated[str, _COST_TYPE, about("What a unit is.", "CPM")]
    creative_placeholders: Annotated[
        list[CreativePlaceholder], entries(CREATIVES), about("Creatives expected.", PLACEHOLDERS)
    ]
    targeting: Annotated[Targeting, about("Whom, where and when.", TARGETING)]


class LineItemChanges(LineItemFields):
    """A line item's changes: only what is given changes, what is null is taken away."""

    id: Annotated[Id, about("The line item.", 3100000000)]
    order_id: Annotated[Id, about("Its order.", 3100000000)]


class LineItem(LineItemFields):
    """A line item, whole."""

    id: Annotated[Id, about("Its id.", 3100000000)]
    status: Annotated[str | None, about("DRAFT, READY, DELIVERING, ...", "DELIVERING")] = None
    order_name: Annotated[str | None, about("Its order's name.", "Acme summer 2030")] = None
    stats: Annotated[Stats | None, about("What was delivered.")] = None
    delivery_indicator: Annotated[DeliveryIndicator | None, about("How it stands.")] = None
    delivery_data: Annotated[DeliveryData | None, about("The last days.")] = None
    budget: Annotated[Money | None, about("What it costs in all.", PRICE)] = None
    reservation_status: Annotated[str | None, about("Whether reserved.", "RESERVED")] = None
    is_archived: Annotated[bool | None, about("It is archived.", example=False)] = None
    effective_applied_labels: Annotated[
        list[AppliedLabel] | None, about("Labels, inherited ones too.", [])
    ] = None
    last_modified_by_app: Annotated[str | None, about("What changed it last.", "SEIL")] = None
    last_modified_date_time: Annotated[DateTime | None, about("When.", AT)] = None
    creation_date_time: Annotated[DateTime | None, about("When it was created.", AT)] = None
    is_missing_creatives: Annotated[bool | None, about("Creatives miss.", example=False)] = None


class CreateLineItems(Shape):
    """Creates line items: all of them or none."""

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

    id: Annotated[Id, about("Its id.", 3100000000)]
    order_id: Annotated[Id, about("Its order.", 3100000000)]
    name: Annotated[str, about("Its name.", "Homepage MREC")]
    status: Annotated[str, about("Its status.", "DRAFT")]


class CreatedLineItems(Shape):
    """The line items that were created, in the order given."""

    line_items: Annotated[list[CreatedLineItem], about("The line items.")]


class UpdateLineItems(Shape):
    """Changes line items; archived ones are left alone."""

    line_items: Annotated[
        list[LineItemChanges],
        Field(min_length=1),
        entries(BATCH),
        about("Changes of each.", [{"id": 3100000000, "orderId": 3100000000, "priority": 6}]),
    ]

    @model_validator(mode="after")
    def _once_each(self) -> Self:
        check_once_each(changes.id for changes in self.line_items)
        return self


class NumUpdated(Shape):
    """How many were updated."""

    num_updated: Annotated[Count, about("Line items changed; archived ones are not.", 1)]


class GetLineItems(Shape):
    """One line item, or all of an order: exactly one of the two ids."""

    line_item_id: Annotated[Id | None, about("The line item.", 3100000000)] = None
    order_id: Annotated[Id | None, about("The order.", 3100000000)] = None

    @model_validator(mode="after")
    def _one(self) -> Self:
        if (self.line_item_id is None) == (self.order_id is None):
            raise ValueError("give exactly one of lineitemid and orderid")
        return self


class LineItems(Shape):
    """Line items, whole."""

    line_items: Annotated[list[LineItem], about("The line items.")]


class ActOnLineItems(Shape):
    """What shall be done to line items."""

    ids: Annotated[
        list[Id], Field(min_length=1), entries(IDS), about("The line items.", [3100000000])
    ]
    action: Annotated[LineItemAction, about("What to do.", "archive")]
