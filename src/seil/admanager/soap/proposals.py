"""Proposals over SOAP."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from seil.admanager.calls import SERVICE, after_conflicts, before_write
from seil.admanager.models import (
    ActOnProposal,
    CreateProposal,
    GetProposal,
    NumChanges,
    Proposal,
    UpdateProposal,
)
from seil.admanager.rest.buyers import Buyers
from seil.admanager.rest.messages import parse_answer
from seil.admanager.soap.pages import Finder, exactly, overlay
from seil.admanager.soap.transport import Soap
from seil.admanager.soap.values import action_of, from_soap, statement, to_soap
from seil.errors import RequestRejectedError

_SERVICE = "Proposal"
_ACTIONS = {
    "request-buyer-acceptance": "RequestBuyerAcceptance",
    "request-acceptance": "RequestBuyerAcceptance",
    "request-buyer-review": "RequestBuyerReview",
    "retract": "EditProposalsForNegotiation",
    "pause": "PauseProposals",
    "resume": "ResumeProposals",
    "archive": "ArchiveProposals",
    "unarchive": "UnarchiveProposals",
    "reserve": "ReserveProposals",
    "edit-for-negotiation": "EditProposalsForNegotiation",
    "terminate-negotiations": "TerminateNegotiations",
    "discard-local-version-edits": "DiscardLocalVersionEdits",
    "update-order-with-seller-data": "UpdateOrderWithSellerData",
}
_IDS_PER_STATEMENT = 100
_WITH_BUYER = ("AWAITING_BUYER_REVIEW", "ONLY_SELLER_ACCEPTED")


class Proposals:
    def __init__(self, soap: Soap, buyers: Buyers, attempts: int) -> None:
        self._soap = soap
        self._buyers = buyers
        self._attempts = attempts
        self._finder = Finder(soap, _SERVICE, "getProposalsByStatement")

    def create(self, request: CreateProposal) -> Proposal:
        new = request.proposals[0]
        values = {"isProgrammatic": True, **new.wire()}
        values["marketplaceInfo"]["buyerAccountId"] = self._buyers.account(
            new.marketplace_info.buyer_account_id
        )
        results = self._soap.write(_SERVICE, "createProposals", [to_soap(values, self._soap.zone)])
        return parse_answer(Proposal, from_soap(exactly(results, 1)[0]))

    def get(self, request: GetProposal) -> Proposal:
        return parse_answer(Proposal, from_soap(self._proposal(request.proposal_id)))

    def statuses(self, ids: Iterable[int]) -> dict[int, str]:
        """By id; ids that the network does not have are missing."""
        distinct = list(dict.fromkeys(ids))
        return {
            int(proposal.id): str(proposal.status)
            for at in range(0, len(distinct), _IDS_PER_STATEMENT)
            for proposal in self._finder.where("id", *distinct[at : at + _IDS_PER_STATEMENT])
        }

    def update(self, request: UpdateProposal) -> Proposal:
        """Changes the given fields, and retries concurrent changes."""
        changes = request.proposals[0]
        marketplace = changes.marketplace_info
        buyer = marketplace.buyer_account_id if marketplace else None
        account = None if buyer is None else self._buyers.account(buyer)

        def once() -> Proposal:
            proposal = self._proposal(request.proposal_id)
            overlay(proposal, changes, self._soap.zone, but={"id", "marketplace_info"})
            if marketplace is not None:
                info = proposal.marketplaceInfo
                if info is None:
                    proposal.marketplaceInfo = to_soap(marketplace.wire(), self._soap.zone)
                else:
                    overlay(info, marketplace, self._soap.zone)
                if account is not None:
                    _set(proposal, "marketplaceInfo", "buyerAccountId", account)
            changed = self._soap.write(_SERVICE, "updateProposals", [proposal])
            return parse_answer(Proposal, from_soap(exactly(changed, 1)[0]))

        return after_conflicts(self._attempts, once)

    def act(self, request: ActOnProposal) -> NumChanges:
        """Performs Google's action for the contract's.

        Google has no retraction any more
        (https://developers.google.com/ad-manager/api/reference/v202608/ProposalService.ProposalAction):
        `retract` reopens a proposal that is with the buyer for edit. A rejection names the
        proposal's state, which Google's reasons do not.
        """
        proposal = self._proposal(request.proposal_id)
        if request.action == "retract":
            _check_with_buyer(proposal)
        action = action_of(_ACTIONS, request.action, request.reason)
        by_id = statement(self._soap.version, "id", request.proposal_id)
        try:
            result = self._soap.write(_SERVICE, "performProposalAction", action, by_id)
        except RequestRejectedError as error:
            reason = f"{error.reason}; {_state(proposal)}"
            raise RequestRejectedError(SERVICE, error.code, reason, status=error.status) from error
        return parse_answer(NumChanges, from_soap(result))

    def _proposal(self, identity: int) -> Any:
        with before_write():
            match = next(self._finder.where("id", identity), None)
        if match is None:
            reason = f"there is no proposal {identity}"
            raise RequestRejectedError(SERVICE, "NOT_FOUND", reason, status=404)
        return match


def _check_with_buyer(proposal: Any) -> None:
    info = proposal.marketplaceInfo
    is_open = bool(info and info.hasLocalVersionEdits)
    if info and info.negotiationStatus in _WITH_BUYER and not is_open:
        return
    cure = "" if is_open else "; edit-for-negotiation opens what the buyer has answered or accepted"
    reason = f"the buyer does not have it: {_state(proposal)}{cure}"
    raise RequestRejectedError(SERVICE, "NOT_WITH_BUYER", reason, status=400)


def _state(proposal: Any) -> str:
    info = proposal.marketplaceInfo
    negotiation = info.negotiationStatus if info else None
    edit = "open" if info and info.hasLocalVersionEdits else "not open"
    state = f"{proposal.status}, its negotiation {negotiation}, {edit} for edit"
    return f"proposal {proposal.id} is {'archived' if proposal.isArchived else state}"


def _set(target: Any, part: str, name: str, value: Any) -> None:
    """On a SOAP object, or on a dictionary that becomes one."""
    inner = target[part]
    if isinstance(inner, dict):
        inner[name] = value
    else:
        setattr(inner, name, value)
