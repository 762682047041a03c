"""What a seller does with proposals: sends them, edits them again, archives them.

The way of a negotiation: https://developers.google.com/ad-manager/api/programmatic; its states and
the actions: NegotiationStatus and ProposalAction in
https://developers.google.com/ad-manager/api/reference/v202608/ProposalService.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from seil.sandbox.admanager.errors import ApiError, not_applicable, required
from seil.sandbox.admanager.line_items import LineItems
from seil.sandbox.admanager.network import Network, Thing
from seil.sandbox.admanager.orders import Orders
from seil.sandbox.admanager.soap.deal import Deals
from seil.sandbox.admanager.soap.proposal_checks import check_line
from seil.sandbox.admanager.soap.proposals import Proposals
from seil.sandbox.admanager.soap.states import LINE_ACTIONS, PROPOSAL_ACTIONS, is_open

_FIRST_MARKETPLACE = 9_000_000


class Negotiation:
    def __init__(
        self, network: Network, proposals: Proposals, orders: Orders, line_items: LineItems
    ) -> None:
        self._network = network
        self._proposals = proposals
        self._deals = Deals(network, orders, line_items)

    def act(self, action: Mapping[str, Any], chosen: Sequence[Thing]) -> int:
        """How many proposals it changed: all that were chosen, or none."""
        kind = action.get("_type", "")
        for proposal in [self._proposals.get(one["id"]) for one in chosen]:
            allowed = PROPOSAL_ACTIONS[kind]
            if proposal["isArchived"] != (kind == "UnarchiveProposals"):
                reason = "NOT_APPLICABLE" if kind == "UnarchiveProposals" else "IS_ARCHIVED"
                raise _action_refused("ProposalActionError", reason, proposal)
            if not allowed(proposal):
                raise _action_refused("ProposalActionError", "NOT_APPLICABLE", proposal)
            self._perform(kind, proposal)
        return len(chosen)

    def _perform(self, kind: str, proposal: Thing) -> None:
        info = proposal["marketplaceInfo"]
        match kind:
            case "RequestBuyerAcceptance" | "RequestBuyerReview":
                self._send(proposal, accepted=kind == "RequestBuyerAcceptance")
            case "EditProposalsForNegotiation":
                self._publish(proposal)
                info["hasLocalVersionEdits"], proposal["status"] = True, "DRAFT"
            case "DiscardLocalVersionEdits":
                proposal = self._restored(proposal)
            case "TerminateNegotiations":
                info |= {"negotiationStatus": "CANCELLED", "hasLocalVersionEdits": False}
            case "ArchiveProposals" | "UnarchiveProposals":
                proposal["isArchived"] = kind == "ArchiveProposals"
            case _:
                self._perform_on_deal(kind, proposal)
        self._proposals.save(proposal)

    def _perform_on_deal(self, kind: str, proposal: Thing) -> None:
        lines = self._proposals.lines(proposal)
        match kind:
            case "PauseProposals" | "ResumeProposals":
                self._deals.pause(lines, paused=kind == "PauseProposals")
            case "ReserveProposals":
                for line in lines:
                    self._proposals.save_line({**line, "reservationStatus": "RESERVED"})
            case "UpdateOrderWithSellerData":
                self._deals.rename(proposal, lines)

    def act_on_lines(self, action: Mapping[str, Any], chosen: Sequence[Thing]) -> int:
        """How many line items it changed: all that were chosen, or none."""
        kind = action.get("_type", "")
        for shown in chosen:
            line = self._proposals.line(shown["id"])
            error = "ProposalLineItemActionError"
            if line["isArchived"] != (kind == "UnarchiveProposalLineItems"):
                raise _action_refused(error, "NOT_APPLICABLE", line)
            needs_editing, allowed = LINE_ACTIONS[kind]
            if needs_editing and not is_open(self._proposals.get(line["proposalId"])):
                raise _action_refused(error, "PROPOSAL_NOT_EDITABLE", line)
            if not allowed(shown):
                raise _action_refused(error, "NOT_APPLICABLE", line)
            self._perform_on_line(kind, line, action)
        return len(chosen)

    def _perform_on_line(self, kind: str, line: Thing, action: Mapping[str, Any]) -> None:
        match kind.removesuffix("ProposalLineItems"):
            case "Archive":
                line["isArchived"] = True
            case "Unarchive":
                line["isArchived"] = False
            case "Reserve":
                line["reservationStatus"] = "RESERVED"
                line["lastReservationDateTime"] = self._proposals.now()
            case "Release":
                line["reservationStatus"] = "RELEASED"
            case "Pause":
                self._deals.pause([line], paused=True)
                line["pauseRole"], line["pauseReason"] = "SELLER", action.get("reason")
            case "Resume":
                self._deals.pause([line], paused=False)
                line.pop("pauseRole", None)
                line.pop("pauseReason", None)
        self._proposals.save_line(line)

    def _send(self, proposal: Thing, *, accepted: bool) -> None:
        """To the buyer, as the programmatic guide says it must be by then."""
        info = proposal["marketplaceInfo"]
        if info["isNewVersionFromBuyer"]:
            message = "NEW_VERSION_FROM_BUYER: discard the local edits, then make them again"
            raise not_applicable("ProposalActionError", message)
        for field in (
            "advertiser",
            "primarySalesperson",
            "primaryTraffickerId",
            "sellerContactIds",
        ):
            if not proposal.get(field):
                raise required(f"proposals.{field}")
        lines = [line for line in self._proposals.lines(proposal) if not line["isArchived"]]
        if not lines:
            reason = "HAS_NO_UNARCHIVED_PROPOSAL_LINEITEMS"
            raise _action_refused("ProposalError", reason, proposal)
        for line in lines:
            check_line(self._network, line, "proposalLineItems", new=not line["isSold"])
        if "marketplaceId" not in info:
            number = self._network.store.next_id("marketplace", _FIRST_MARKETPLACE)
            info["marketplaceId"] = f"MP{number}"
        buyer_agreed = proposal.pop("_agreed", False) and not info["hasLocalVersionEdits"]
        info["hasLocalVersionEdits"] = False
        proposal["status"] = "PENDING_APPROVAL"
        info["negotiationStatus"] = "ONLY_SELLER_ACCEPTED" if accepted else "AWAITING_BUYER_REVIEW"
        self._publish(proposal)
        if accepted and buyer_agreed:
            self.finalise(proposal)

    def finalise(self, proposal: Thing) -> None:
        """Both have accepted: the order and its line items are there now."""
        lines = [line for line in self._proposals.lines(proposal) if not line["isArchived"]]
        self._deals.book(proposal, lines)
        for line in lines:
            self._proposals.save_line(line)
        proposal["status"], proposal["isSold"] = "APPROVED", True
        proposal["marketplaceInfo"] |= {
            "negotiationStatus": "FINALIZED",
            "hasLocalVersionEdits": False,
        }
        self._publish(proposal)

    def _publish(self, proposal: Thing) -> None:
        """Keeps what both sides know, for when local edits are thrown away."""
        known = {name: value for name, value in proposal.items() if name != "_published"}
        kept = {"proposal": known, "lines": self._proposals.lines(proposal)}
        proposal["_published"] = copy.deepcopy(kept)

    def _restored(self, proposal: Thing) -> Thing:
        """The version of the buyer where that is newer, else the one before the edits."""
        kept = proposal["_published"]
        newest = proposal.pop("_from_buyer", None)
        known = {line["id"] for line in kept["lines"]}
        for line in self._proposals.lines(proposal):
            if line["id"] not in known:
                self._proposals.remove_line(line["id"])
        for line in kept["lines"]:
            self._proposals.save_line(line)
        restored: Thing = {**kept["proposal"], "_published": kept}
        if newest is not None:
            self.apply(restored, newest)
        return restored

    def apply(self, proposal: Thing, counter: Mapping[str, Any]) -> None:
        """What a buyer asks for: another rate or other units for every line item."""
        for line in self._proposals.lines(proposal):
            if line["isArchived"]:
                continue
            if "netRate" in counter:
                line["netRate"] = {**line["netRate"], "microAmount": counter["netRate"]}
            if "units" in counter:
                line["goal"] = {**line.get("goal", {}), "units": counter["units"]}
            self._proposals.save_line(line)
        info = proposal["marketplaceInfo"]
        if comment := counter.get("comment"):
            info["marketplaceComment"] = comment
        info |= {
            "negotiationStatus": "AWAITING_SELLER_REVIEW",
            "hasLocalVersionEdits": False,
            "isNewVersionFromBuyer": False,
        }
        proposal["status"] = "DRAFT"
        self._publish(proposal)


def _action_refused(kind: str, reason: str, thing: Mapping[str, Any]) -> ApiError:
    message = f"{thing.get('name')} ({thing.get('id')}): {reason.lower().replace('_', ' ')}"
    return not_applicable(kind, message, reason=reason)
