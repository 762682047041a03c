"""The seller's actions on proposals: send, reopen, archive.

The way of a negotiation: https://developers.google.com/ad-manager/api/programmatic; its states and
the actions: NegotiationStatus and ProposalAction in
https://developers.google.com/ad-manager/api/reference/v202608/ProposalService.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from seil.sandbox.admanager.errors import required_error
from seil.sandbox.admanager.line_items import SandboxLineItems
from seil.sandbox.admanager.network import GamObject, SandboxNetwork
from seil.sandbox.admanager.orders import SandboxOrders
from seil.sandbox.admanager.soap.deal import Deals
from seil.sandbox.admanager.soap.line_checks import check_line, check_start
from seil.sandbox.admanager.soap.proposals import SandboxProposals
from seil.sandbox.admanager.soap.states import (
    allows,
    check_action,
    check_line_action,
    is_open,
    is_reserved,
    rejection,
)
from seil.sandbox.admanager.soap.versions import Versions

_FIRST_MARKETPLACE = 9_000_000
_LINES = "proposalLineItems"
_NEEDED_TO_SEND = ("advertiser", "primarySalesperson", "primaryTraffickerId", "sellerContactIds")


class Negotiation:
    def __init__(
        self,
        network: SandboxNetwork,
        proposals: SandboxProposals,
        orders: SandboxOrders,
        line_items: SandboxLineItems,
    ) -> None:
        self._network = network
        self._proposals = proposals
        self._versions = Versions(proposals)
        self._deals = Deals(network, orders, line_items)

    def act(self, action: Mapping[str, Any], chosen: Sequence[GamObject]) -> int:
        """Atomic; returns the number of changed proposals."""
        kind = action.get("_type", "")
        for proposal in [self._proposals.get(entry["id"]) for entry in chosen]:
            check_action(kind, proposal, self._render_lines(proposal))
            self._perform(kind, proposal, action)
        return len(chosen)

    def _perform(self, kind: str, proposal: GamObject, action: Mapping[str, Any]) -> None:
        info = proposal["marketplaceInfo"]
        match kind:
            case "RequestBuyerAcceptance" | "RequestBuyerReview":
                if kind == "RequestBuyerAcceptance" and not action.get("allowOverbook"):
                    self._check_available(proposal)
                self._send(proposal, accepted=kind == "RequestBuyerAcceptance")
            case "EditProposalsForNegotiation":
                self._versions.publish(proposal)
                info["hasLocalVersionEdits"], proposal["status"] = True, "DRAFT"
            case "DiscardLocalVersionEdits":
                proposal = self._discard(proposal)
            case "TerminateNegotiations":
                proposal = self.terminate(proposal)
            case "ArchiveProposals" | "UnarchiveProposals":
                proposal["isArchived"] = kind == "ArchiveProposals"
            case "PauseProposals" | "ResumeProposals" | "ReserveProposals":
                self._perform_on_deal(kind, proposal, action)
            case "UpdateOrderWithSellerData":
                self._update_order(proposal)
        self._proposals.save(proposal)

    def _perform_on_deal(self, kind: str, proposal: GamObject, action: Mapping[str, Any]) -> None:
        """Acts on the line items that the action applies to."""
        for view in self._render_lines(proposal):
            if allows(f"{kind.removesuffix('Proposals')}ProposalLineItems", view, proposal):
                line = self._proposals.line(view["id"])
                self._perform_on_line(kind.removesuffix("Proposals"), line, action)

    def _update_order(self, proposal: GamObject) -> None:
        """Pushes what needs no consent of the buyer's:
        https://support.google.com/admanager/answer/6239632.
        """
        own, both = self._versions.edits(proposal)
        if both:
            reason = "CANNOT_CHANGE_FIELD_REQUIRING_BUYER_APPROVAL"
            raise rejection("DealError", reason, {**proposal, "name": ", ".join(sorted(both))})
        if not own:
            raise rejection("DealError", "NO_PROPOSAL_CHANGES_FOUND", proposal)
        self.finalise(proposal)

    def act_on_lines(self, action: Mapping[str, Any], chosen: Sequence[GamObject]) -> int:
        """Atomic; returns the number of changed line items."""
        kind = action.get("_type", "")
        for view in chosen:
            check_line_action(kind, view, self._proposals.get(view["proposalId"]))
            line = self._proposals.line(view["id"])
            self._perform_on_line(kind.removesuffix("ProposalLineItems"), line, action)
        return len(chosen)

    def _perform_on_line(self, verb: str, line: GamObject, action: Mapping[str, Any]) -> None:
        match verb:
            case "Archive":
                line["isArchived"] = True
            case "Unarchive":
                line["isArchived"] = False
            case "Reserve":
                if not action.get("allowOverbook"):
                    self._deals.check_available(line)
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

    def _check_available(self, proposal: GamObject) -> None:
        """For line items that are not reserved yet."""
        for line in self._proposals.lines(proposal):
            if not line["isArchived"] and not is_reserved([line]):
                self._deals.check_available(line)

    def _send(self, proposal: GamObject, *, accepted: bool) -> None:
        """Sends the proposal to the buyer, with the fields that the programmatic guide requires."""
        info = proposal["marketplaceInfo"]
        for field in _NEEDED_TO_SEND:
            if not proposal.get(field):
                raise required_error(f"proposals.{field}")
        for line in self._proposals.lines(proposal):
            if not line["isArchived"]:
                check_line(self._network, line, proposal["currencyCode"], _LINES)
            if not line["isArchived"] and not line["isSold"]:
                check_start(self._network, line, _LINES)
        if "marketplaceId" not in info:
            number = self._network.store.next_id("marketplace", _FIRST_MARKETPLACE)
            info["marketplaceId"] = f"MP{number}"
        buyer_agreed = proposal.pop("_agreed", False) and not is_open(proposal)
        info["hasLocalVersionEdits"] = False
        proposal["status"] = "PENDING_APPROVAL"
        info["negotiationStatus"] = "ONLY_SELLER_ACCEPTED" if accepted else "AWAITING_BUYER_REVIEW"
        self._versions.publish(proposal)
        if accepted and buyer_agreed:
            self.finalise(proposal)

    def finalise(self, proposal: GamObject) -> None:
        """Both have accepted: creates the order and its line items as agreed."""
        lines = self._proposals.lines(proposal)
        self._deals.book(proposal, [line for line in lines if not line["isArchived"]])
        self._deals.archive([line for line in lines if line["isArchived"]])
        for line in lines:
            self._proposals.save_line(line)
        proposal["status"], proposal["isSold"] = "APPROVED", True
        proposal["marketplaceInfo"] |= {
            "negotiationStatus": "FINALIZED",
            "hasLocalVersionEdits": False,
        }
        self._versions.publish(proposal, accepted=True)

    def terminate(self, proposal: GamObject, *, status: str | None = None) -> GamObject:
        """Ends the negotiation; a sold deal returns to the version that both accepted:
        https://support.google.com/admanager/answer/7457983.
        """
        if proposal["isSold"]:
            return self._versions.of_both(proposal)
        proposal["status"] = status or proposal["status"]
        proposal["marketplaceInfo"] |= {
            "negotiationStatus": "CANCELLED",
            "hasLocalVersionEdits": False,
        }
        return proposal

    def _discard(self, proposal: GamObject) -> GamObject:
        """Restores the buyer's version if newer, else the one before the edits."""
        newest = proposal.pop("_from_buyer", None)
        restored = self._versions.of_buyer(proposal)
        if newest is not None:
            self.apply(restored, newest)
        return restored

    def apply(self, proposal: GamObject, counter: Mapping[str, Any]) -> None:
        """Applies a buyer's counter-offer: another rate or other units for every line item."""
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
        self._versions.publish(proposal)

    def _render_lines(self, proposal: GamObject) -> list[GamObject]:
        return [self._proposals.render_line(line) for line in self._proposals.lines(proposal)]
