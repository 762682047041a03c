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
    CreativePlaceholder,
    CustomFieldValue,
    DateTime,
    Money,
)

# https://developers.google.com/ad-manager/api/reference/v202608/ProposalService.Proposal: at most.
_PLANNERS = 8
_BUYER = "The buyer: a BuyerAccountId, or a PartnerClientId of the network's buyers."


class CompanyAssociation(Shape):
    """A company's part in a proposal."""

    company_id: Annotated[Id, about("The company.", 4500000001)]
    type: Annotated[Text | None, about("Its part.", "ADVERTISER")] = None
    contact_ids: Annotated[list[Id] | None, about("Its contacts.", [9100001])] = None


class Advertiser(Shape):
    """The advertiser of a proposal: programmatic ones name no contacts of it."""

    company_id: Annotated[Id, about("The company.", 4500000001)]
    type: Annotated[Literal["ADVERTISER"], about("Its part.", "ADVERTISER")]


class Agency(Shape):
    """An agency of a proposal."""

    company_id: Annotated[Id, about("The company.", 4500000001)]
    type: Annotated[
        str,
        one_of("PRIMARY_AGENCY", "BILLING_AGENCY", "BRANDING_AGENCY", "OTHER_AGENCY"),
        about("Its part.", "PRIMARY_AGENCY"),
    ]
    contact_ids: Annotated[list[Id] | None, entries(SEVERAL), about("Its contacts.", [9100001])] = (
        None
    )


class SalespersonSplit(Shape):
    """Who sells it."""

    user_id: Annotated[Id, about("The user.", 240000001)]


class NewMarketplaceInfo(Shape):
    """The other side of a deal."""

    buyer_account_id: Annotated[Id, about(_BUYER, 550001)]
    marketplace_comment: Annotated[
        Text | None, about("A comment to the buyer.", "As discussed")
    ] = None


class MarketplaceChanges(Shape):
    """The other side of a deal, changed."""

    buyer_account_id: Annotated[Id | None, about(_BUYER, 550001)] = None
    marketplace_comment: Annotated[
        Text | None, about("A comment to the buyer.", "As discussed")
    ] = None

    @field_validator("buyer_account_id")
    @classmethod
    def _buyer(cls, value: int | None) -> int | None:
        if value is None:
            raise ValueError("a proposal's buyer cannot be taken away")
        return value


class MarketplaceInfo(Shape):
    """The other side of a deal, and how the negotiation stands."""

    buyer_account_id: Annotated[Id | None, about("The buyer's account.", 550001)] = None
    partner_client_id: Annotated[str | None, about("The buyer's client.", "777123")] = None
    marketplace_id: Annotated[str | None, about("The deal in the marketplace.", "MP123")] = None
    has_local_version_edits: Annotated[
        bool | None, about("Edits that the buyer has not seen.", example=True)
    ] = None
    negotiation_status: Annotated[
        str | None, about("How the negotiation stands.", "SELLER_INITIATED")
    ] = None
    marketplace_comment: Annotated[str | None, about("The last comment.", "As discussed")] = None
    is_new_version_from_buyer: Annotated[
        bool | None, about("The buyer changed it.", example=False)
    ] = None


class _ProposalFields(Shape):
    start_date_time: Annotated[DateTime | None, about("When it starts.", AT)] = None
    end_date_time: Annotated[DateTime | None, about("When it ends.", AT)] = None
    is_programmatic: Annotated[
        bool | None, about("Proposals of a network are programmatic.", example=True)
    ] = None
    internal_notes: Annotated[Text | None, about("Notes that the buyer does not see.", "-")] = None
    primary_salesperson: Annotated[
        SalespersonSplit | None, about("Who sells it.", {"userId": 240000001})
    ] = None
    sales_planner_ids: Annotated[
        list[Id] | None, entries(_PLANNERS), about("Who plans it.", [240000002])
    ] = None
    primary_trafficker_id: Annotated[Id | None, about("Who traffics it.", 240000001)] = None
    seller_contact_ids: Annotated[
        list[Id] | None, entries(SEVERAL), about("Our contacts.", [9130])
    ] = None
    applied_team_ids: Annotated[
        list[Id] | None, entries(SEVERAL), about("Teams that see it.", [7000001])
    ] = None
    custom_field_values: Annotated[
        list[CustomFieldValue] | None,
        entries(SEVERAL),
        about("Custom fields.", [{"customFieldId": 4400011, "value": {"value": "Q4 brand"}}]),
    ] = None
    applied_labels: Annotated[
        list[AppliedLabel] | None, entries(SEVERAL), about("Labels.", [{"labelId": 8200001}])
    ] = None
    currency_code: Annotated[
        Annotated[str, Field(pattern="^[A-Z]{3}$")] | None, about("Its currency.", "AUD")
    ] = None
    delivery_pausing_enabled: Annotated[
        bool | None, about("The buyer may pause delivery.", example=False)
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
    """A proposal to be created."""

    name: Annotated[Name, about("Its name.", "Acme PG summer")]
    marketplace_info: Annotated[NewMarketplaceInfo, about("The buyer.", {"buyerAccountId": 550001})]
    is_programmatic: Annotated[
        Literal[True] | None, about("No others can be created.", example=True)
    ] = None


class ProposalChanges(_ProposalRequest):
    """A proposal's changes: only what is given changes, what is null is taken away."""

    id: Annotated[Id | None, about("The proposal, as in the path.", 3100000000)] = None
    name: Annotated[Name | None, about("Its name.", "Acme PG summer")] = None
    marketplace_info: Annotated[
        MarketplaceChanges | None, about("The buyer.", {"marketplaceComment": "As discussed"})
    ] = None

    @field_validator("marketplace_info")
    @classmethod
    def _deal(cls, value: MarketplaceChanges | None) -> MarketplaceChanges:
        if value is None or not value.model_fields_set:
            raise ValueError("a change of the buyer or a comment has to be given")
        return value


class BuyerRfp(Shape):
    """What a buyer asked for."""

    cost_per_unit: Annotated[Money | None, about("What a unit may cost.")] = None
    units: Annotated[int | None, about("Units.", 100_000)] = None
    budget: Annotated[Money | None, about("The budget.")] = None
    currency_code: Annotated[str | None, about("The currency.", "AUD")] = None
    start_date_time: Annotated[DateTime | None, about("From.", AT)] = None
    end_date_time: Annotated[DateTime | None, about("Until.", AT)] = None
    description: Annotated[str | None, about("In words.", "Homepage in summer")] = None
    creative_placeholders: Annotated[
        list[CreativePlaceholder] | None, about("Creatives expected.", [])
    ] = None
    targeting: Annotated[Targeting | None, about("Whom, where and when.")] = None
    additional_terms: Annotated[str | None, about("Terms.", "None")] = None
    ad_exchange_environment: Annotated[str | None, about("Where.", "DISPLAY")] = None
    rfp_type: Annotated[str | None, about("What kind of deal.", "PROGRAMMATIC_GUARANTEED")] = None


class Proposal(_ProposalFields):
    """A proposal, whole."""

    id: Annotated[Id, about("Its id.", 3100000000)]
    name: Annotated[str, about("Its name.", "Acme PG summer")]
    advertiser: Annotated[CompanyAssociation | None, about("The advertiser.")] = None
    agencies: Annotated[list[CompanyAssociation] | None, about("The agencies.", [])] = None
    status: Annotated[str | None, about("DRAFT, PENDING_APPROVAL, APPROVED, ...", "DRAFT")] = None
    dfp_order_id: Annotated[Id | None, about("The order made of it.", 3100000000)] = None
    is_archived: Annotated[bool | None, about("It is archived.", example=False)] = None
    is_sold: Annotated[bool | None, about("It is sold.", example=False)] = None
    supply_path: Annotated[str | None, about("How it is sold.", "DIRECT")] = None
    effective_applied_labels: Annotated[
        list[AppliedLabel] | None, about("Labels, inherited ones too.", [])
    ] = None
    last_modified_date_time: Annotated[DateTime | None, about("When it changed last.", AT)] = None
    marketplace_info: Annotated[MarketplaceInfo | None, about("The other side.")] = None
    has_buyer_rfp: Annotated[bool | None, about("A buyer asked for it.", example=False)] = None
    buyer_rfp: Annotated[BuyerRfp | None, about("What the buyer asked for.")] = None


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
    """Which proposal."""

    proposal_id: Annotated[Id, about("The proposal.", 3100000000)]


class UpdateProposal(Shape):
    """Changes of a proposal: `{"proposals": [{...}]}`, or the changes alone."""

    proposal_id: Annotated[Id, about("The proposal.", 3100000000)]
    proposals: Annotated[
        list[ProposalChanges],
        Field(min_length=1, max_length=1),
        about("The changes of exactly one.", [{"name": "Acme PG summer, v2"}]),
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
    """What shall be done to a proposal."""

    proposal_id: Annotated[Id, about("The proposal.", 3100000000)]
    action: Annotated[
        ProposalAction,
        about("What to do; camelCase and words are understood.", "request-buyer-acceptance"),
    ]
    reason: PauseReason = None

    @model_validator(mode="after")
    def _reason(self) -> Self:
        check_reason(self.action, self.reason)
        return self
