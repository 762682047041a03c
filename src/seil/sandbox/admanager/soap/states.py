"""In which state a proposal or one of its line items allows what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

Rule: TypeAlias = Callable[[Mapping[str, Any]], bool]

READ_ONLY = frozenset(
    {
        "id",
        "isProgrammatic",
        "dfpOrderId",
        "startDateTime",
        "endDateTime",
        "status",
        "isArchived",
        "effectiveAppliedLabels",
        "isSold",
        "lastModifiedDateTime",
        "buyerRfp",
        "hasBuyerRfp",
    }
)
READ_ONLY_LINE = frozenset(
    {
        "id",
        "isArchived",
        "dfpLineItemId",
        "effectiveAppliedLabels",
        "isSold",
        "deliveryIndicator",
        "deliveryData",
        "computedStatus",
        "lastModifiedDateTime",
        "reservationStatus",
        "lastReservationDateTime",
        "hasMakegood",
        "canCreateMakegood",
        "pauseRole",
        "pauseReason",
    }
)
FREE_FIELDS = frozenset(
    {
        "name",
        "internalNotes",
        "primarySalesperson",
        "salesPlannerIds",
        "primaryTraffickerId",
        "appliedTeamIds",
        "appliedLabels",
        "customFieldValues",
        "sellerContactIds",
    }
)
"""Fields of a proposal that can be changed without opening it for edit."""

_WITH_BUYER = ("AWAITING_BUYER_REVIEW", "ONLY_SELLER_ACCEPTED")
_RUNNING = ("READY", "DELIVERING", "DELIVERY_EXTENDED")
_PAUSED = ("PAUSED", "PAUSED_INVENTORY_RELEASED")


def is_open(proposal: Mapping[str, Any]) -> bool:
    """Open for edit: what is served can be changed."""
    return bool(proposal["marketplaceInfo"]["hasLocalVersionEdits"])


def _negotiation(proposal: Mapping[str, Any]) -> str:
    return str(proposal["marketplaceInfo"]["negotiationStatus"])


def _sendable(proposal: Mapping[str, Any]) -> bool:
    """Open for edit, or just back from the buyer and agreed to as it is."""
    return is_open(proposal) or _negotiation(proposal) == "AWAITING_SELLER_REVIEW"


def _is_sold(proposal: Mapping[str, Any]) -> bool:
    return proposal["status"] == "APPROVED" and _negotiation(proposal) == "FINALIZED"


def _any(_thing: Mapping[str, Any]) -> bool:
    return True


PROPOSAL_ACTIONS: Mapping[str, Rule] = {
    "RequestBuyerReview": lambda p: is_open(p) and _negotiation(p) != "CANCELLED",
    "RequestBuyerAcceptance": lambda p: _sendable(p) and _negotiation(p) != "CANCELLED",
    "EditProposalsForNegotiation": lambda p: (
        not is_open(p) and _negotiation(p) not in ("CANCELLED", "SELLER_INITIATED")
    ),
    "DiscardLocalVersionEdits": lambda p: is_open(p) and "_published" in p,
    "PauseProposals": _is_sold,
    "ResumeProposals": _is_sold,
    "TerminateNegotiations": lambda p: (
        _negotiation(p) not in ("CANCELLED", "FINALIZED", "SELLER_INITIATED")
    ),
    "ReserveProposals": lambda p: is_open(p) or _negotiation(p) in _WITH_BUYER,
    "UpdateOrderWithSellerData": _is_sold,
    "ArchiveProposals": lambda p: _negotiation(p) not in _WITH_BUYER,
    "UnarchiveProposals": _any,
}

LINE_ACTIONS: Mapping[str, tuple[bool, Rule]] = {
    "ArchiveProposalLineItems": (True, lambda line: not line["isSold"]),
    "UnarchiveProposalLineItems": (True, _any),
    "ReserveProposalLineItems": (False, lambda line: line["reservationStatus"] != "RESERVED"),
    "ReleaseProposalLineItems": (
        False,
        lambda line: line["reservationStatus"] == "RESERVED" and not line["isSold"],
    ),
    "PauseProposalLineItems": (False, lambda line: line.get("computedStatus") in _RUNNING),
    "ResumeProposalLineItems": (False, lambda line: line.get("computedStatus") in _PAUSED),
}
"""Whether the proposal has to be open for edit, and what the line item has to be."""
