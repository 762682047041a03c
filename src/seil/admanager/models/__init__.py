"""The API contract of Ad Manager's operations: requests and responses."""

from seil.admanager.models.forecast import Forecast, GetForecast
from seil.admanager.models.line_items import (
    ActOnLineItems,
    CreatedLineItem,
    CreatedLineItems,
    CreateLineItems,
    GetLineItems,
    LineItem,
    LineItems,
    NumUpdated,
    UpdateLineItems,
)
from seil.admanager.models.orders import (
    ActOnOrder,
    CreatedOrder,
    CreateOrder,
    GetOrder,
    NumChanges,
    Order,
)
from seil.admanager.models.proposal_line_items import (
    ActOnProposalLineItems,
    CreateProposalLineItems,
    GetProposalLineItems,
    ProposalLineItem,
    ProposalLineItemChanges,
    ProposalLineItems,
    UpdateProposalLineItems,
)
from seil.admanager.models.proposals import (
    ActOnProposal,
    CreateProposal,
    GetProposal,
    Proposal,
    ProposalChanges,
    UpdateProposal,
)

__all__ = [
    "ActOnLineItems",
    "ActOnOrder",
    "ActOnProposal",
    "ActOnProposalLineItems",
    "CreateLineItems",
    "CreateOrder",
    "CreateProposal",
    "CreateProposalLineItems",
    "CreatedLineItem",
    "CreatedLineItems",
    "CreatedOrder",
    "Forecast",
    "GetForecast",
    "GetLineItems",
    "GetOrder",
    "GetProposal",
    "GetProposalLineItems",
    "LineItem",
    "LineItems",
    "NumChanges",
    "NumUpdated",
    "Order",
    "Proposal",
    "ProposalChanges",
    "ProposalLineItem",
    "ProposalLineItemChanges",
    "ProposalLineItems",
    "UpdateLineItems",
    "UpdateProposal",
    "UpdateProposalLineItems",
]
