"""Line items of proposals."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from seil.admanager.models.actions import PauseReason, ProposalLineItemAction, check_reason
from seil.admanager.models.base import (
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
from seil.admanager.models.deal_rules import check_deal, check_names
from seil.admanager.models.line_items import (
    AT,
    GOAL,
    PLACEHOLDERS,
    PRICE,
    TARGETING,
)
from seil.admanager.models.lists import BATCH, CREATIVES, IDS, SEVERAL, entries
from seil.admanager.models.targeting import Targeting
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
    ThirdPartyMeasurementSettings,
)

# The words of the WSDLs.
_RATE_TYPE = one_of("CPM", "CPD", "VCPM", "CPM_IN_TARGET")
_TYPE = one_of("SPONSORSHIP", "STANDARD", "PREFERRED_DEAL")
_DELIVERY_RATE = one_of("EVENLY", "FRONTLOADED", "AS_FAST_AS_POSSIBLE")


class MakegoodInfo(Shape):
    """What a makegood makes good."""

    original_proposal_line_item_id: Annotated[Id | None, about("The first.", 3100000000)] = None
    reason: Annotated[str | None, about("Why.", "UNDERDELIVERY")] = None


class ProposalLineItemFields(Shape):
    """What requests and answers have in common."""

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
        str | None, _DELIVERY_RATE, about("How delivery is spread.", "EVENLY")
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
    line_item_type: Annotated[str | None, _TYPE, about("Its kind.", "STANDARD")] = None
    line_item_priority: Annotated[Int | None, about("1 is first.", 8)] = None
    rate_type: Annotated[str | None, _RATE_TYPE, about("What a unit is.", "CPM")] = None
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


class NewProposalLineItem(ProposalLineItemFields):
    """A proposal line item to be created."""

    proposal_id: Annotated[Id, about("The proposal.", 3100000000)]
    name: Annotated[Name, about("Its name.", "Homepage MREC")]
    delivery_rate_type: Annotated[str, _DELIVERY_RATE, about("How delivery is spread.", "EVENLY")]
    start_date_time: Annotated[DateTime, about("When it starts.", AT)]
    end_date_time: Annotated[DateTime, about("When it ends.", AT)]
    net_rate: Annotated[Money, about("What a unit costs.", PRICE)]
    targeting: Annotated[Targeting, about("Whom, where and when.", TARGETING)]
    creative_placeholders: Annotated[
        list[CreativePlaceholder], entries(CREATIVES), about("Creatives expected.", PLACEHOLDERS)
    ]
    rate_type: Annotated[str, _RATE_TYPE, about("What a unit is.", "CPM")]
    line_item_type: Annotated[str, _TYPE, about("Its kind.", "STANDARD")]

    @model_validator(mode="after")
    def _deal(self) -> Self:
        check_deal(self, whole=True)
        return self


class ProposalLineItemChanges(ProposalLineItemFields):
    """A proposal line item's changes: only what is given changes, null takes away."""

    id: Annotated[Id, about("The proposal line item.", 3100000000)]

    @model_validator(mode="after")
    def _deal(self) -> Self:
        check_deal(self, whole=False)
        return self


class ProposalLineItem(ProposalLineItemFields):
    """A proposal line item, whole."""

    id: Annotated[Id, about("Its id.", 3100000000)]
    supply_path: Annotated[str | None, about("How it is sold.", "DIRECT")] = None
    is_archived: Annotated[bool | None, about("It is archived.", example=False)] = None
    buyer_permission_type: Annotated[str | None, about("The buyer may.", "BIDDER")] = None
    dfp_line_item_id: Annotated[Id | None, about("The line item made of it.", 3100000000)] = None
    effective_applied_labels: Annotated[
        list[AppliedLabel] | None, about("Labels, inherited ones too.", [])
    ] = None
    is_sold: Annotated[bool | None, about("It is sold.", example=False)] = None
    delivery_indicator: Annotated[DeliveryIndicator | None, about("How it stands.")] = None
    delivery_data: Annotated[DeliveryData | None, about("The last days.")] = None
    computed_status: Annotated[str | None, about("Its status.", "DRAFT")] = None
    last_modified_date_time: Annotated[DateTime | None, about("When it changed last.", AT)] = None
    reservation_status: Annotated[str | None, about("Whether reserved.", "UNRESERVED")] = None
    last_reservation_date_time: Annotated[DateTime | None, about("When reserved.", AT)] = None
    makegood_info: Annotated[MakegoodInfo | None, about("What it makes good.")] = None
    has_makegood: Annotated[bool | None, about("It was made good.", example=False)] = None
    can_create_makegood: Annotated[bool | None, about("It can be.", example=False)] = None
    pause_role: Annotated[str | None, about("Who paused it.", "SELLER")] = None
    pause_reason: Annotated[str | None, about("Why.", "Creatives are late")] = None


class CreateProposalLineItems(Shape):
    """Creates proposal line items: all of them or none."""

    proposal_lineitems: Annotated[
        list[NewProposalLineItem],
        Field(min_length=1, alias="proposalLineitems"),
        entries(BATCH),
        about(
            "The proposal line items.",
            [
                {
                    "proposalId": 3100000000,
                    "name": "Homepage MREC",
                    "lineItemType": "STANDARD",
                    "startDateTime": AT,
                    "endDateTime": {**AT, "date": {"year": 2030, "month": 12, "day": 31}},
                    "rateType": "CPM",
                    "netRate": PRICE,
                    "deliveryRateType": "EVENLY",
                    "goal": GOAL,
                    "creativePlaceholders": PLACEHOLDERS,
                    "targeting": TARGETING,
                }
            ],
        ),
    ]

    @model_validator(mode="after")
    def _names(self) -> Self:
        check_names(self.proposal_lineitems, "proposalLineitems")
        return self


class UpdateProposalLineItems(Shape):
    """Changes proposal line items."""

    proposal_lineitems: Annotated[
        list[ProposalLineItemChanges],
        Field(min_length=1, alias="proposalLineitems"),
        entries(BATCH),
        about("Changes of each.", [{"id": 3100000000, "name": "Homepage MREC, v2"}]),
    ]

    @model_validator(mode="after")
    def _once_each(self) -> Self:
        check_once_each(item.id for item in self.proposal_lineitems)
        return self


class GetProposalLineItems(Shape):
    """Of which proposal."""

    proposal_id: Annotated[Id, about("The proposal.", 3100000000)]


class ProposalLineItems(Shape):
    """Proposal line items, whole."""

    proposal_lineitems: Annotated[
        list[ProposalLineItem],
        Field(alias="proposalLineitems"),
        about("The proposal line items."),
    ]


class ActOnProposalLineItems(Shape):
    """What shall be done to proposal line items."""

    proposal_line_item_ids: Annotated[
        list[Id],
        Field(min_length=1),
        entries(IDS),
        about("The proposal line items.", [3100000000]),
    ]
    action: Annotated[ProposalLineItemAction, about("What to do.", "archive")]
    reason: PauseReason = None

    @model_validator(mode="after")
    def _reason(self) -> Self:
        check_reason(self.action, self.reason)
        return self
