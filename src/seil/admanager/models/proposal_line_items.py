"""Line items of proposals."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field, model_validator

from seil.admanager.models.actions import PauseReason, ProposalLineItemAction, check_reason
from seil.admanager.models.base import (
    Id,
    Name,
    Shape,
    about,
    check_once_each,
)
from seil.admanager.models.deal_rules import check_deal, check_names
from seil.admanager.models.line_items import (
    AT,
    GOAL,
    PLACEHOLDERS,
    PRICE,
    TARGETING,
)
from seil.admanager.models.lists import BATCH, CREATIVES, IDS, entries
from seil.admanager.models.proposal_line_item_fields import (
    DELIVERY_RATE,
    LINE_ITEM_TYPE,
    RATE_TYPE,
    ProposalLineItemFields,
)
from seil.admanager.models.targeting import Targeting
from seil.admanager.models.values import (
    AppliedLabel,
    CreativePlaceholder,
    DateTime,
    DeliveryData,
    DeliveryIndicator,
    Money,
)


class MakegoodInfo(Shape):
    """What a makegood makes good."""

    original_proposal_line_item_id: Annotated[Id | None, about("The first.", 3100000000)] = None
    reason: Annotated[str | None, about("Why.", "UNDERDELIVERY")] = None


class NewProposalLineItem(ProposalLineItemFields):
    """A proposal line item to be created."""

    proposal_id: Annotated[Id, about("The proposal.", 3100000000)]
    name: Annotated[Name, about("Its name.", "Homepage MREC")]
    delivery_rate_type: Annotated[str, DELIVERY_RATE, about("How delivery is spread.", "EVENLY")]
    start_date_time: Annotated[DateTime, about("When it starts.", AT)]
    end_date_time: Annotated[DateTime, about("When it ends.", AT)]
    net_rate: Annotated[Money, about("What a unit costs.", PRICE)]
    targeting: Annotated[Targeting, about("Whom, where and when.", TARGETING)]
    creative_placeholders: Annotated[
        list[CreativePlaceholder], entries(CREATIVES), about("Creatives expected.", PLACEHOLDERS)
    ]
    rate_type: Annotated[str, RATE_TYPE, about("What a unit is.", "CPM")]
    line_item_type: Annotated[str, LINE_ITEM_TYPE, about("Its kind.", "STANDARD")]

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
