"""Fields that requests and answers about line items of proposals have in common."""

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
    AppliedLabel,
    CreativePlaceholder,
    CustomFieldValue,
    DateTime,
    FrequencyCap,
    Goal,
    GrpSettings,
    Money,
    ThirdPartyMeasurementSettings,
)

# The words of the WSDLs.
RATE_TYPE = one_of("CPM", "CPD", "VCPM", "CPM_IN_TARGET")
LINE_ITEM_TYPE = one_of("SPONSORSHIP", "STANDARD", "PREFERRED_DEAL")
DELIVERY_RATE = one_of("EVENLY", "FRONTLOADED", "AS_FAST_AS_POSSIBLE")


class ProposalLineItemFields(Shape):
    """The fields; subclasses say which are required."""

    proposal_id: Annotated[Id | None, about("The proposal.", 3100000000)] = None
    name: Annotated[Name | None, about("Its name.", "Homepage MREC")] = None
    start_date_time: Annotated[DateTime | None, about("When it starts.", AT)] = None
    end_date_time: Annotated[DateTime | None, about("When it ends.", AT)] = None
    internal_notes: Annotated[Text | None, about("Notes that the buyer does not see.", "-")] = None
    goal: Annotated[
        Goal | None,
        about("The goal.", GOAL),
    ] = None
    secondary_goals: Annotated[list[Goal] | None, entries(SEVERAL), about("Further goals.", [])] = (
        None
    )
    contracted_units_bought: Annotated[Long | None, about("Units sold.", 100_000)] = None
    delivery_rate_type: Annotated[
        str | None, DELIVERY_RATE, about("How delivery is spread.", "EVENLY")
    ] = None
    roadblocking_type: Annotated[
        str | None,
        one_of("ONLY_ONE", "ONE_OR_MORE", "AS_MANY_AS_POSSIBLE", "ALL_ROADBLOCK", "CREATIVE_SET"),
        about("How many creatives a page shows.", "ONE_OR_MORE"),
    ] = None
    companion_delivery_option: Annotated[
        str | None, one_of("OPTIONAL", "AT_LEAST_ONE", "ALL"), about("Companions.", "OPTIONAL")
    ] = None
    video_max_duration: Annotated[Count | None, about("Milliseconds.", 30_000)] = None
    video_creative_skippable_ad_type: Annotated[
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
    line_item_priority: Annotated[Int | None, about("1 is first.", 8)] = None
    rate_type: Annotated[str | None, RATE_TYPE, about("What a unit is.", "CPM")] = None
    creative_placeholders: Annotated[
        list[CreativePlaceholder] | None,
        entries(CREATIVES),
        about("Creatives expected.", PLACEHOLDERS),
    ] = None
    targeting: Annotated[Targeting | None, about("Whom, where and when.", TARGETING)] = None
    custom_field_values: Annotated[
        list[CustomFieldValue] | None,
        entries(SEVERAL),
        about("Custom fields.", [{"customFieldId": 4400015, "value": {"value": "Q4 brand"}}]),
    ] = None
    applied_labels: Annotated[
        list[AppliedLabel] | None, entries(SEVERAL), about("Labels.", [{"labelId": 8200001}])
    ] = None
    disable_same_advertiser_competitive_exclusion: Annotated[
        bool | None, about("Beside others of the advertiser.", example=False)
    ] = None
    net_rate: Annotated[Money | None, about("What a unit costs.", PRICE)] = None
    net_cost: Annotated[Money | None, about("What it costs in all.", PRICE)] = None
    environment_type: Annotated[
        str | None, one_of("BROWSER", "VIDEO_PLAYER"), about("Where it is shown.", "BROWSER")
    ] = None
    allowed_formats: Annotated[
        list[Annotated[str, one_of("AUDIO")]] | None,
        entries(SEVERAL),
        about("Formats.", ["AUDIO"]),
    ] = None
    additional_terms: Annotated[Text | None, about("Terms.", "None")] = None
    programmatic_creative_source: Annotated[
        str | None, one_of("PUBLISHER", "ADVERTISER"), about("Whose creatives.", "ADVERTISER")
    ] = None
    grp_settings: Annotated[GrpSettings | None, about("Whom a GRP goal is for.")] = None
    estimated_minimum_impressions: Annotated[
        Count | None, about("Impressions, for sponsorships.", 50_000)
    ] = None
    third_party_measurement_settings: Annotated[
        ThirdPartyMeasurementSettings | None, about("Who measures.")
    ] = None
