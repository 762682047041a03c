"""Fields shared by requests and responses for proposal line items."""

from __future__ import annotations

from typing import Annotated

from seil.admanager.models.base import (
    Count,
    Id,
    Int,
    Long,
    Name,
    Shape,
    Text,
    about,
    one_of,
)
from seil.admanager.models.line_items import (
    AT,
    GOAL,
    PLACEHOLDERS,
    PRICE,
    TARGETING,
)
from seil.admanager.models.lists import CREATIVES, SEVERAL, entries
from seil.admanager.models.targeting import Targeting
from seil.admanager.models.values import (
    AppliedLabels,
    CompanionDelivery,
    CreativePlaceholder,
    CustomFieldValue,
    DateTime,
    EnvironmentType,
    FrequencyCaps,
    Goal,
    GrpSettings,
    MeasurementSettings,
    Money,
    RoadblockingType,
    SkippableAdType,
)

# The words of the WSDLs.
RATE_TYPE = one_of("CPM", "CPD", "VCPM", "CPM_IN_TARGET")
LINE_ITEM_TYPE = one_of("SPONSORSHIP", "STANDARD", "PREFERRED_DEAL")
DELIVERY_RATE = one_of("EVENLY", "FRONTLOADED", "AS_FAST_AS_POSSIBLE")


class ProposalLineItemFields(Shape):
    """The fields; subclasses say which are required."""

    proposal_id: Annotated[Id | None, about("Proposal id.", 3100000000)] = None
    name: Annotated[Name | None, about("Name.", "Homepage MREC")] = None
    start_date_time: Annotated[DateTime | None, about("Start of delivery.", AT)] = None
    end_date_time: Annotated[DateTime | None, about("End of delivery.", AT)] = None
    internal_notes: Annotated[Text | None, about("Internal notes, hidden from the buyer.", "-")] = (
        None
    )
    goal: Annotated[
        Goal | None,
        about("Primary goal.", GOAL),
    ] = None
    secondary_goals: Annotated[list[Goal] | None, entries(SEVERAL), about("Further goals.", [])] = (
        None
    )
    contracted_units_bought: Annotated[Long | None, about("Contracted units.", 100_000)] = None
    delivery_rate_type: Annotated[
        str | None, DELIVERY_RATE, about("Delivery pacing.", "EVENLY")
    ] = None
    roadblocking_type: RoadblockingType = None
    companion_delivery_option: CompanionDelivery = None
    video_max_duration: Annotated[
        Count | None, about("Maximum video duration in milliseconds.", 30_000)
    ] = None
    video_creative_skippable_ad_type: SkippableAdType = None
    frequency_caps: FrequencyCaps = None
    line_item_type: Annotated[str | None, LINE_ITEM_TYPE, about("Line item type.", "STANDARD")] = (
        None
    )
    line_item_priority: Annotated[Int | None, about("Priority; 1 is the highest.", 8)] = None
    rate_type: Annotated[str | None, RATE_TYPE, about("Pricing unit.", "CPM")] = None
    creative_placeholders: Annotated[
        list[CreativePlaceholder] | None,
        entries(CREATIVES),
        about("Expected creatives.", PLACEHOLDERS),
    ] = None
    targeting: Annotated[Targeting | None, about("Targeting criteria.", TARGETING)] = None
    custom_field_values: Annotated[
        list[CustomFieldValue] | None,
        entries(SEVERAL),
        about("Custom field values.", [{"customFieldId": 4400015, "value": {"value": "Q4 brand"}}]),
    ] = None
    applied_labels: AppliedLabels = None
    disable_same_advertiser_competitive_exclusion: Annotated[
        bool | None, about("Allow ads of the same advertiser on the same page.", example=False)
    ] = None
    net_rate: Annotated[Money | None, about("Cost per unit.", PRICE)] = None
    net_cost: Annotated[Money | None, about("Total cost.", PRICE)] = None
    environment_type: EnvironmentType = None
    allowed_formats: Annotated[
        list[Annotated[str, one_of("AUDIO")]] | None,
        entries(SEVERAL),
        about("Allowed ad formats.", ["AUDIO"]),
    ] = None
    additional_terms: Annotated[Text | None, about("Additional terms.", "None")] = None
    programmatic_creative_source: Annotated[
        str | None,
        one_of("PUBLISHER", "ADVERTISER"),
        about("Who provides the creatives.", "ADVERTISER"),
    ] = None
    grp_settings: Annotated[GrpSettings | None, about("Audience settings of a GRP goal.")] = None
    estimated_minimum_impressions: Annotated[
        Count | None, about("Estimated minimum impressions; required for preferred deals.", 50_000)
    ] = None
    third_party_measurement_settings: MeasurementSettings = None
