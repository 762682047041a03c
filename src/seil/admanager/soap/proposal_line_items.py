"""Proposal line items over SOAP."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from seil.admanager.calls import SERVICE, after_conflicts, before_write
from seil.admanager.models import (
    ActOnProposalLineItems,
    CreateProposalLineItems,
    GetProposal,
    GetProposalLineItems,
    NumChanges,
    ProposalLineItems,
    UpdateProposalLineItems,
)
from seil.admanager.models.proposal_line_items import ProposalLineItemChanges
from seil.admanager.rest.messages import parse_answer
from seil.admanager.soap.pages import Finder, exactly, overlay
from seil.admanager.soap.proposals import Proposals
from seil.admanager.soap.transport import Soap
from seil.admanager.soap.values import action_of, from_soap, statement, to_soap
from seil.errors import RequestRejectedError

_SERVICE = "ProposalLineItem"
_IDENTITY = {"id", "proposal_id"}
_ACTIONS = {
    "archive": "ArchiveProposalLineItems",
    "unarchive": "UnarchiveProposalLineItems",
    "pause": "PauseProposalLineItems",
    "resume": "ResumeProposalLineItems",
    "reserve": "ReserveProposalLineItems",
    "release": "ReleaseProposalLineItems",
}


class ProposalLineItemsService:
    def __init__(self, soap: Soap, proposals: Proposals, attempts: int) -> None:
        self._soap = soap
        self._proposals = proposals
        self._attempts = attempts
        self._finder = Finder(soap, _SERVICE, "getProposalLineItemsByStatement")

    def create(self, request: CreateProposalLineItems) -> ProposalLineItems:
        items = [to_soap(item.wire(), self._soap.zone) for item in request.proposal_lineitems]
        results = self._soap.write(_SERVICE, "createProposalLineItems", items)
        return _response(exactly(results, len(items)))

    def get(self, request: GetProposalLineItems) -> ProposalLineItems:
        """Empty for a proposal without line items; 404 for an unknown proposal."""
        line_items = list(self._finder.where("proposalId", request.proposal_id))
        if not line_items:
            self._proposals.get(GetProposal(proposal_id=request.proposal_id))
        return _response(line_items)

    def update(self, request: UpdateProposalLineItems) -> ProposalLineItems:
        """Changes the given fields, and retries concurrent changes."""
        for at, changes in enumerate(request.proposal_lineitems):
            if not changes.model_fields_set - _IDENTITY:
                reason = f"proposalLineitems[{at}]: no change is given"
                raise RequestRejectedError(SERVICE, "NO_CHANGE", reason, status=400)

        def once() -> ProposalLineItems:
            by_id = self._by_id(item.id for item in request.proposal_lineitems)
            _check_proposals(request.proposal_lineitems, by_id)
            for changes in request.proposal_lineitems:
                overlay(by_id[changes.id], changes, self._soap.zone, but={"id"})
            items = [by_id[changes.id] for changes in request.proposal_lineitems]
            changed = self._soap.write(_SERVICE, "updateProposalLineItems", items)
            return _response(exactly(changed, len(items)))

        return after_conflicts(self._attempts, once)

    def act(self, request: ActOnProposalLineItems) -> NumChanges:
        by_id = self._by_id(request.proposal_line_item_ids)
        action = action_of(_ACTIONS, request.action, request.reason)
        by_ids = statement(self._soap.version, "id", *by_id)
        result = self._soap.write(_SERVICE, "performProposalLineItemAction", action, by_ids)
        return parse_answer(NumChanges, from_soap(result))

    def _by_id(self, identities: Iterable[int]) -> dict[int, Any]:
        unique = list(dict.fromkeys(identities))
        with before_write():
            by_id = {int(item.id): item for item in self._finder.where("id", *unique)}
        if missing := [str(identity) for identity in unique if identity not in by_id]:
            reason = f"there is no proposal line item {', '.join(missing)}"
            raise RequestRejectedError(SERVICE, "NOT_FOUND", reason, status=404)
        return by_id


def _check_proposals(items: Iterable[ProposalLineItemChanges], by_id: dict[int, Any]) -> None:
    """Refuses to move a line item to another proposal, which Ad Manager ignores silently."""
    for at, item in enumerate(items):
        if "proposal_id" in item.model_fields_set and item.proposal_id != by_id[item.id].proposalId:
            reason = (
                f"proposalLineitems[{at}].proposalId: proposal line item {item.id} is in another"
                " proposal"
            )
            raise RequestRejectedError(SERVICE, "WRONG_PROPOSAL", reason, status=400)


def _response(items: Iterable[Any]) -> ProposalLineItems:
    return parse_answer(
        ProposalLineItems, {"proposalLineitems": [from_soap(item) for item in items]}
    )
