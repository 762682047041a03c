"""Every operation that the edge may ask of a service: one list, for both sides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel

from seil.admanager import models as gam
from seil.techone import models as techone

System = Literal["gam", "techone"]


@dataclass(frozen=True)
class Operation:
    """`effect` is True where the far end is changed: it must not be repeated blindly."""

    name: str
    system: System
    request: type[BaseModel]
    response: type[BaseModel]
    effect: bool


def _reads(name: str, request: type[BaseModel], response: type[BaseModel]) -> Operation:
    return Operation(name, _system(name), request, response, effect=False)


def _changes(name: str, request: type[BaseModel], response: type[BaseModel]) -> Operation:
    return Operation(name, _system(name), request, response, effect=True)


def _system(name: str) -> System:
    return "gam" if name.startswith("gam.") else "techone"


OPERATIONS: dict[str, Operation] = {
    operation.name: operation
    for operation in (
        _reads("gam.forecast", gam.GetForecast, gam.Forecast),
        _changes("gam.create-order", gam.CreateOrder, gam.CreatedOrder),
        _reads("gam.get-order", gam.GetOrder, gam.Order),
        _changes("gam.order-action", gam.ActOnOrder, gam.NumChanges),
        _changes("gam.create-line-items", gam.CreateLineItems, gam.CreatedLineItems),
        _changes("gam.update-line-items", gam.UpdateLineItems, gam.NumUpdated),
        _reads("gam.get-line-items", gam.GetLineItems, gam.LineItems),
        _changes("gam.line-item-action", gam.ActOnLineItems, gam.NumChanges),
        _changes("gam.create-proposal", gam.CreateProposal, gam.Proposal),
        _reads("gam.get-proposal", gam.GetProposal, gam.Proposal),
        _changes("gam.update-proposal", gam.UpdateProposal, gam.Proposal),
        _changes("gam.proposal-action", gam.ActOnProposal, gam.NumChanges),
        _changes(
            "gam.create-proposal-line-items", gam.CreateProposalLineItems, gam.ProposalLineItems
        ),
        _changes(
            "gam.update-proposal-line-items", gam.UpdateProposalLineItems, gam.ProposalLineItems
        ),
        _changes("gam.proposal-line-item-action", gam.ActOnProposalLineItems, gam.NumChanges),
        _reads("gam.get-proposal-line-items", gam.GetProposalLineItems, gam.ProposalLineItems),
        _reads("techone.rate", techone.RateRequest, techone.Rate),
        _reads("techone.credit", techone.CreditRequest, techone.Credit),
    )
}
