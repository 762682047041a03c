"""Programmatic guaranteed proposals."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from seil.admanager.models.actions import PauseReason, ProposalAction, check_reason
from seil.admanager.models.base import Id, Name, Shape, Text, about, check_once_each, one_of
from seil.admanager.models.line_items import AT
from seil.admanager.models.lists import SEVERAL, entries
from seil.admanager.models.targeting import Targeting
from seil.admanager.models.values import (
    AppliedLabel,
    AppliedLabels,
    CreativePlaceholder,
    CustomFieldValue,
    DateTime,
    Money,
    TeamIds,
)

# https://developers.google.com/ad-manager/api/reference/v202608/ProposalService.Proposal: at most.
_PLANNERS = 8
_BUYER = "Buyer id: a BuyerAccountId, or a PartnerClientId of the network's buyers."


class CompanyAssociation(Shape):
    """A company's role in a proposal."""

    company_id: Annotated[Id, about("Company id.", 4500000001)]
    type: Annotated[Text | None, about("Role of the company.", "ADVERTISER")] = None
    contact_ids: Annotated[list[Id] | None, about("Ids of the company's contacts.", [9100001])] = (
        None
    )


class Advertiser(Shape):
    """The advertiser of a proposal. Programmatic proposals list no advertiser contacts."""

    company_id: Annotated[Id, about("Company id.", 4500000001)]
    type: Annotated[Literal["ADVERTISER"], about("Role of the company.", "ADVERTISER")]


class Agency(Shape):
    """An agency of a proposal."""

    company_id: Annotated[Id, about("Company id.", 4500000001)]
    type: Annotated[
        str,
        one_of("PRIMARY_AGENCY", "BILLING_AGENCY", "BRANDING_AGENCY", "OTHER_AGENCY"),
        about("Role of the company.", "PRIMARY_AGENCY"),
    ]
    contact_ids: Annotated[
        list[Id] | None, entries(SEVERAL), about("Ids of the company's contacts.", [9100001])
    ] = None


class SalespersonSplit(Shape):
    """A salesperson of a proposal."""

    user_id: Annotated[Id, about("User id.", 240000001)]


class NewMarketplaceInfo(Shape):
    """The buyer's side of a new deal."""

    buyer_account_id: Annotated[Id, about(_BUYER, 550001)]
    marketplace_comment: Annotated[Text | None, about("Comment to the buyer.", "As discussed")] = (
        None
    )


class MarketplaceChanges(Shape):
    """Changes to the buyer's side of a deal."""

    buyer_account_id: Annotated[Id | None, about(_BUYER, 550001)] = None
    marketplace_comment: Annotated[Text | None, about("Comment to the buyer.", "As discussed")] = (
        None
    )

    @field_validator("buyer_account_id")
    @classmethod
    def _buyer(cls, value: int | None) -> int | None:
        if value is None:
            raise ValueError("a proposal's buyer cannot be taken away")
        return value


class MarketplaceInfo(Shape):
    """The buyer's side of a deal, and the state of the negotiation."""

    buyer_account_id: Annotated[Id | None, about("Buyer account id.", 550001)] = None
    partner_client_id: Annotated[str | None, about("Partner client id of the buyer.", "777123")] = (
        None
    )
    marketplace_id: Annotated[
        str | None, about("Id of the proposal in the marketplace.", "MP123")
    ] = None
    has_local_version_edits: Annotated[
        bool | None, about("Whether there are edits that were not sent to the buyer.", example=True)
    ] = None
    negotiation_status: Annotated[str | None, about("Negotiation status.", "SELLER_INITIATED")] = (
        None
    )
    marketplace_comment: Annotated[str | None, about("Last comment.", "As discussed")] = None
    is_new_version_from_buyer: Annotated[
        bool | None, about("Whether the latest version is the buyer's.", example=False)
    ] = None


class _ProposalFields(Shape):
    start_date_time: Annotated[DateTime | None, about("Start of delivery.", AT)] = None
    end_date_time: Annotated[DateTime | None, about("End of delivery.", AT)] = None
    is_programmatic: Annotated[
        bool | None, about("Whether it is programmatic; always true.", example=True)
    ] = None
    internal_notes: Annotated[Text | None, about("Internal notes, hidden from the buyer.", "-")] = (
        None
    )
    primary_salesperson: Annotated[
        SalespersonSplit | None, about("Primary salesperson.", {"userId": 240000001})
    ] = None
    sales_planner_ids: Annotated[
        list[Id] | None, entries(_PLANNERS), about("User ids of the sales planners.", [240000002])
    ] = None
    primary_trafficker_id: Annotated[Id | None, about("User id of the trafficker.", 240000001)] = (
        None
    )
    seller_contact_ids: Annotated[
        list[Id] | None, entries(SEVERAL), about("Ids of the seller's contacts.", [9130])
    ] = None
    applied_team_ids: TeamIds = None
    custom_field_values: Annotated[
        list[CustomFieldValue] | None,
        entries(SEVERAL),
        about("Custom field values.", [{"customFieldId": 4400011, "value": {"value": "Q4 brand"}}]),
    ] = None
    applied_labels: AppliedLabels = None
    currency_code: Annotated[
        Annotated[str, Field(pattern="^[A-Z]{3}$")] | None, about("ISO 4217 currency code.", "AUD")
    ] = None
    delivery_pausing_enabled: Annotated[
        bool | None, about("Whether the buyer may pause delivery.", example=False)
    ] = None


class _ProposalRequest(_ProposalFields):
    advertiser: Annotated[Advertiser | None, about("The advertiser.")] = None
    agencies: Annotated[list[Agency] | None, entries(SEVERAL), about("The agencies.", [])] = None

    @field_validator("sales_planner_ids")
    @classmethod
    def _once_each(cls, value: list[int] | None) -> list[int] | None:
        check_once_each(value or ())
        return value


class NewProposal(_ProposalRequest):
    """A proposal to create."""

    name: Annotated[Name, about("Name.", "Acme PG summer")]
    marketplace_info: Annotated[
        NewMarketplaceInfo, about("The buyer's side of the deal.", {"buyerAccountId": 550001})
    ]
    is_programmatic: Annotated[
        Literal[True] | None, about("True only: other proposals cannot be created.", example=True)
    ] = None


class ProposalChanges(_ProposalRequest):
    """Changes to a proposal: omitted fields keep their value, null removes it."""

    id: Annotated[Id | None, about("Proposal id; has to equal the path's.", 3100000000)] = None
    name: Annotated[Name | None, about("Name.", "Acme PG summer")] = None
    marketplace_info: Annotated[
        MarketplaceChanges | None,
        about("The buyer's side of the deal.", {"marketplaceComment": "As discussed"}),
    ] = None

    @field_validator("marketplace_info")
    @classmethod
    def _deal(cls, value: MarketplaceChanges | None) -> MarketplaceChanges:
        if value is None or not value.model_fields_set:
            raise ValueError("a change of the buyer or a comment has to be given")
        return value


class BuyerRfp(Shape):
    """A buyer's request for proposal."""

    cost_per_unit: Annotated[Money | None, about("Cost per unit.")] = None
    units: Annotated[int | None, about("Requested units.", 100_000)] = None
    budget: Annotated[Money | None, about("Budget.")] = None
    currency_code: Annotated[str | None, about("ISO 4217 currency code.", "AUD")] = None
    start_date_time: Annotated[DateTime | None, about("Start of delivery.", AT)] = None
    end_date_time: Annotated[DateTime | None, about("End of delivery.", AT)] = None
    description: Annotated[str | None, about("Description.", "Homepage in summer")] = None
    creative_placeholders: Annotated[
        list[CreativePlaceholder] | None, about("Expected creatives.", [])
    ] = None
    targeting: Annotated[Targeting | None, about("Targeting criteria.")] = None
    additional_terms: Annotated[str | None, about("Additional terms.", "None")] = None
    ad_exchange_environment: Annotated[str | None, about("Ad Exchange environment.", "DISPLAY")] = (
        None
    )
    rfp_type: Annotated[str | None, about("Type of deal.", "PROGRAMMATIC_GUARANTEED")] = None


class Proposal(_ProposalFields):
    """A proposal with all its fields."""

    id: Annotated[Id, about("Id.", 3100000000)]
    name: Annotated[str, about("Name.", "Acme PG summer")]
    advertiser: Annotated[CompanyAssociation | None, about("The advertiser.")] = None
    agencies: Annotated[list[CompanyAssociation] | None, about("The agencies.", [])] = None
    status: Annotated[str | None, about("DRAFT, PENDING_APPROVAL, APPROVED, ...", "DRAFT")] = None
    dfp_order_id: Annotated[Id | None, about("Id of the order created from it.", 3100000000)] = None
    is_archived: Annotated[bool | None, about("Whether it is archived.", example=False)] = None
    is_sold: Annotated[bool | None, about("Whether it is sold.", example=False)] = None
    supply_path: Annotated[str | None, about("Supply path.", "DIRECT")] = None
    effective_applied_labels: Annotated[
        list[AppliedLabel] | None, about("Applied and inherited labels.", [])
    ] = None
    last_modified_date_time: Annotated[DateTime | None, about("Time of the last change.", AT)] = (
        None
    )
    marketplace_info: Annotated[MarketplaceInfo | None, about("The buyer's side of the deal.")] = (
        None
    )
    has_buyer_rfp: Annotated[
        bool | None, about("Whether it comes from a buyer's request for proposal.", example=False)
    ] = None
    buyer_rfp: Annotated[BuyerRfp | None, about("The buyer's request for proposal.")] = None


class CreateProposal(Shape):
    """Creates one programmatic guaranteed proposal."""

    proposals: Annotated[
        list[NewProposal],
        Field(min_length=1, max_length=1),
        about(
            "Exactly one proposal.",
            [{"name": "Acme PG summer", "marketplaceInfo": {"buyerAccountId": 550001}}],
        ),
    ]


class GetProposal(Shape):
    """Reads one proposal."""

    proposal_id: Annotated[Id, about("Proposal id.", 3100000000)]


class UpdateProposal(Shape):
    """Changes one proposal: `{"proposals": [{...}]}`, or the changes alone."""

    proposal_id: Annotated[Id, about("Proposal id.", 3100000000)]
    proposals: Annotated[
        list[ProposalChanges],
        Field(min_length=1, max_length=1),
        about("The changes to exactly one proposal.", [{"name": "Acme PG summer, v2"}]),
    ]

    @model_validator(mode="before")
    @classmethod
    def _bare(cls, values: Any) -> Any:
        if not isinstance(values, dict) or "proposals" in values:
            return values
        keys = {"proposalId", "proposal_id"}
        changes = {name: value for name, value in values.items() if name not in keys}
        if not changes:
            return values
        return {name: values[name] for name in keys & set(values)} | {"proposals": [changes]}

    @model_validator(mode="after")
    def _same(self) -> Self:
        changes = self.proposals[0]
        if changes.id not in (None, self.proposal_id):
            raise ValueError(f"the body is of proposal {changes.id}, the path of another")
        if not changes.model_fields_set - {"id"}:
            raise ValueError("no change is given")
        return self


class ActOnProposal(Shape):
    """Performs an action on one proposal."""

    proposal_id: Annotated[Id, about("Proposal id.", 3100000000)]
    action: Annotated[
        ProposalAction,
        about("Action, in kebab-case, camelCase or separate words.", "request-buyer-acceptance"),
    ]
    reason: PauseReason = None

    @model_validator(mode="after")
    def _reason(self) -> Self:
        check_reason(self.action, self.reason)
        return self
