"""The buyer's side of a negotiation, controlled by a person or a test.

https://developers.google.com/ad-manager/api/programmatic: a buyer accepts, asks for changes or ends
the negotiation. A proposal that is open for edit changes only once its edits are discarded.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from seil.sandbox.admanager.errors import AdManagerApiError, invalid, not_found
from seil.sandbox.admanager.network import GamObject
from seil.sandbox.admanager.soap.negotiation import Negotiation
from seil.sandbox.admanager.soap.proposals import SandboxProposals
from seil.sandbox.admanager.soap.states import is_open

_ANSWERABLE = ("AWAITING_BUYER_REVIEW", "ONLY_SELLER_ACCEPTED", "AWAITING_SELLER_REVIEW")
_STEP = 100
_COUNTERS = {"netRate": int, "units": int, "comment": str}


class SandboxBuyers:
    def __init__(self, proposals: SandboxProposals, negotiation: Negotiation) -> None:
        self._proposals = proposals
        self._negotiation = negotiation

    def accept(self, number: int) -> GamObject:
        """Finalises the proposal if the seller has accepted; otherwise it is the seller's turn."""
        proposal = self._proposal(number, ("AWAITING_BUYER_REVIEW", "ONLY_SELLER_ACCEPTED"))
        if is_open(proposal):
            raise _state_error(proposal)
        if proposal["marketplaceInfo"]["negotiationStatus"] == "ONLY_SELLER_ACCEPTED":
            self._negotiation.finalise(proposal)
        else:
            self._negotiation.apply(proposal, {})
            proposal["_agreed"] = True
        return self._save(proposal)

    def counter(self, number: int, wishes: Mapping[str, Any]) -> GamObject:
        if unknown := wishes.keys() - _COUNTERS.keys():
            raise invalid(f"unknown: {', '.join(sorted(unknown))}")
        try:
            terms = {name: _COUNTERS[name](value) for name, value in wishes.items()}
        except (TypeError, ValueError) as error:
            raise invalid(str(error)) from error
        if min(terms.get("netRate", _STEP), terms.get("units", 1)) < 1:
            raise invalid("netRate and units are above 0")
        if terms.get("netRate", _STEP) % _STEP:
            raise invalid(f"netRate is a multiple of {_STEP} micros")
        proposal = self._proposal(number, _ANSWERABLE)
        if is_open(proposal):
            proposal["marketplaceInfo"]["isNewVersionFromBuyer"] = True
            proposal["_from_buyer"] = terms
        else:
            self._negotiation.apply(proposal, terms)
        return self._save(proposal)

    def terminate(self, number: int) -> GamObject:
        proposal = self._proposal(number, _ANSWERABLE)
        return self._save(self._negotiation.terminate(proposal, status="REJECTED"))

    def _proposal(self, number: int, allowed: tuple[str, ...]) -> GamObject:
        try:
            proposal = self._proposals.get(number)
        except AdManagerApiError as error:
            raise not_found(f"proposal {number}") from error
        if proposal["marketplaceInfo"]["negotiationStatus"] not in allowed:
            raise _state_error(proposal)
        return proposal

    def _save(self, proposal: GamObject) -> GamObject:
        saved = self._proposals.save(proposal)
        return {
            "id": saved["id"],
            "status": saved["status"],
            "dfpOrderId": saved.get("dfpOrderId"),
            "marketplaceInfo": saved["marketplaceInfo"],
        }


def _state_error(proposal: GamObject) -> AdManagerApiError:
    state = proposal["marketplaceInfo"]["negotiationStatus"]
    message = f"The proposal is not with the buyer: it is {proposal['status']}, {state}"
    return AdManagerApiError(
        "FAILED_PRECONDITION", "ProposalActionError", "NOT_APPLICABLE", message
    )
