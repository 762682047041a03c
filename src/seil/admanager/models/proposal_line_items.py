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
    """What a makegood compensates for."""

    original_proposal_line_item_id: Annotated[
        Id | None, about("Id of the original proposal line item.", 3100000000)
    ] = None
    reason: Annotated[str | None, about("Reason of the makegood.", "UNDERDELIVERY")] = None


class NewProposalLineItem(ProposalLineItemFields):
    """A proposal line item to create."""

    proposal_id: Annotated[Id, about("Proposal id.", 3100000000)]
    name: Annotated[Name, about("Name.", "Homepage MREC")]
    delivery_rate_type: Annotated[str, DELIVERY_RATE, about("Delivery pacing.", "EVENLY")]
    start_date_time: Annotated[DateTime, about("Start of delivery.", AT)]
    end_date_time: Annotated[DateTime, about("End of delivery.", AT)]
    net_rate: Annotated[Money, about("Cost per unit.", PRICE)]
    targeting: Annotated[Targeting, about("Targeting criteria.", TARGETING)]
    creative_placeholders: Annotated[
        list[CreativePlaceholder], entries(CREATIVES), about("Expected creatives.", PLACEHOLDERS)
    ]
    rate_type: Annotated[str, RATE_TYPE, about("Pricing unit.", "CPM")]
    line_item_type: Annotated[str, LINE_ITEM_TYPE, about("Line item type.", "STANDARD")]

    @model_validator(mode="after")
    def _deal(self) -> Self:
        check_deal(self, whole=True)
        return self


class ProposalLineItemChanges(ProposalLineItemFields):
    """Changes to a proposal line item: omitted fields keep their value, null removes it."""

    id: Annotated[Id, about("Proposal line item id.", 3100000000)]

    @model_validator(mode="after")
    def _deal(self) -> Self:
        check_deal(self, whole=False)
        return self


class ProposalLineItem(ProposalLineItemFields):
    """A proposal line item with all its fields."""

    id: Annotated[Id, about("Id.", 3100000000)]
    supply_path: Annotated[str | None, about("Supply path.", "DIRECT")] = None
    is_archived: Annotated[bool | None, about("Whether it is archived.", example=False)] = None
    buyer_permission_type: Annotated[str | None, about("Permission of the buyer.", "BIDDER")] = None
    dfp_line_item_id: Annotated[
        Id | None, about("Id of the line item created from it.", 3100000000)
    ] = None
    effective_applied_labels: Annotated[
        list[AppliedLabel] | None, about("Applied and inherited labels.", [])
    ] = None
    is_sold: Annotated[bool | None, about("Whether it is sold.", example=False)] = None
    delivery_indicator: Annotated[DeliveryIndicator | None, about("Delivery against plan.")] = None
    delivery_data: Annotated[DeliveryData | None, about("Delivery of the last days.")] = None
    computed_status: Annotated[str | None, about("Status.", "DRAFT")] = None
    last_modified_date_time: Annotated[DateTime | None, about("Time of the last change.", AT)] = (
        None
    )
    reservation_status: Annotated[str | None, about("Reservation status.", "UNRESERVED")] = None
    last_reservation_date_time: Annotated[
        DateTime | None, about("Time of the last reservation.", AT)
    ] = None
    makegood_info: Annotated[
        MakegoodInfo | None, about("The compensated line item, if this is a makegood.")
    ] = None
    has_makegood: Annotated[bool | None, about("Whether it has a makegood.", example=False)] = None
    can_create_makegood: Annotated[
        bool | None, about("Whether a makegood can be created.", example=False)
    ] = None
    pause_role: Annotated[str | None, about("Which side paused it.", "SELLER")] = None
    pause_reason: Annotated[str | None, about("Reason of the pause.", "Creatives are late")] = None


class CreateProposalLineItems(Shape):
    """Creates proposal line items, all or none."""

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
        about(
            "Changes, one entry per line item.", [{"id": 3100000000, "name": "Homepage MREC, v2"}]
        ),
    ]

    @model_validator(mode="after")
    def _once_each(self) -> Self:
        check_once_each(item.id for item in self.proposal_lineitems)
        return self


class GetProposalLineItems(Shape):
    """Reads the line items of one proposal."""

    proposal_id: Annotated[Id, about("Proposal id.", 3100000000)]


class ProposalLineItems(Shape):
    """Proposal line items with all their fields."""

    proposal_lineitems: Annotated[
        list[ProposalLineItem],
        Field(alias="proposalLineitems"),
        about("The proposal line items."),
    ]


class ActOnProposalLineItems(Shape):
    """Performs an action on proposal line items."""

    proposal_line_item_ids: Annotated[
        list[Id],
        Field(min_length=1),
        entries(IDS),
        about("Proposal line item ids.", [3100000000]),
    ]
    action: Annotated[ProposalLineItemAction, about("Action.", "archive")]
    reason: PauseReason = None

    @model_validator(mode="after")
    def _reason(self) -> Self:
        check_reason(self.action, self.reason)
        return self
