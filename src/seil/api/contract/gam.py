"""Ad Manager's operations."""

from __future__ import annotations

from seil.admanager import models
from seil.api.contract.operation import changes, reads

FORECAST = reads("gam.forecast", models.GetForecast, models.Forecast)
CREATE_ORDER = changes("gam.create-order", models.CreateOrder, models.CreatedOrder)
GET_ORDER = reads("gam.get-order", models.GetOrder, models.Order)
ORDER_ACTION = changes("gam.order-action", models.ActOnOrder, models.NumChanges)
CREATE_LINE_ITEMS = changes(
    "gam.create-line-items", models.CreateLineItems, models.CreatedLineItems
)
UPDATE_LINE_ITEMS = changes("gam.update-line-items", models.UpdateLineItems, models.NumUpdated)
GET_LINE_ITEMS = reads("gam.get-line-items", models.GetLineItems, models.LineItems)
LINE_ITEM_ACTION = changes("gam.line-item-action", models.ActOnLineItems, models.NumChanges)
CREATE_PROPOSAL = changes("gam.create-proposal", models.CreateProposal, models.Proposal)
GET_PROPOSAL = reads("gam.get-proposal", models.GetProposal, models.Proposal)
UPDATE_PROPOSAL = changes("gam.update-proposal", models.UpdateProposal, models.Proposal)
PROPOSAL_ACTION = changes("gam.proposal-action", models.ActOnProposal, models.NumChanges)
CREATE_PROPOSAL_LINE_ITEMS = changes(
    "gam.create-proposal-line-items", models.CreateProposalLineItems, models.ProposalLineItems
)
UPDATE_PROPOSAL_LINE_ITEMS = changes(
    "gam.update-proposal-line-items", models.UpdateProposalLineItems, models.ProposalLineItems
)
PROPOSAL_LINE_ITEM_ACTION = changes(
    "gam.proposal-line-item-action", models.ActOnProposalLineItems, models.NumChanges
)
GET_PROPOSAL_LINE_ITEMS = reads(
    "gam.get-proposal-line-items", models.GetProposalLineItems, models.ProposalLineItems
)
