"""The states in which proposals and their line items allow actions, and the errors otherwise.

Statuses: NegotiationStatus and ProposalStatus; reasons: ProposalActionError, ProposalError and
DealError in https://developers.google.com/ad-manager/api/reference/v202608/ProposalService,
ProposalLineItemActionError in
https://developers.google.com/ad-manager/api/reference/v202608/ProposalLineItemService.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from seil.sandbox.admanager.errors import AdManagerApiError, not_applicable
from seil.sandbox.admanager.life_cycle import RUNNING

ProposalValues: TypeAlias = Mapping[str, Any]
Rule: TypeAlias = Callable[[ProposalValues, Sequence[ProposalValues]], bool]
"""Of a proposal and its line items."""
LineRule: TypeAlias = Callable[[ProposalValues, ProposalValues], bool]
"""Of a proposal line item and its proposal."""

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
"""Fields of a proposal that can be changed without opening it for edit, and without the buyer."""
SELLER_LINE_FIELDS = frozenset(
    {
        "name",
        "internalNotes",
        "deliveryRateType",
        "lineItemPriority",
        "frequencyCaps",
        "appliedLabels",
        "customFieldValues",
        "targeting",
        "disableSameAdvertiserCompetitiveExclusion",
    }
)
"""Fields of a proposal line item that need no approval of the buyer's:
https://support.google.com/admanager/answer/6239632.
"""

WITH_BUYER = ("AWAITING_BUYER_REVIEW", "ONLY_SELLER_ACCEPTED")
_PAUSED = ("PAUSED", "PAUSED_INVENTORY_RELEASED")
_RESERVED = ("RESERVED", "CHECK_LINE_ITEM_RESERVATION_STATUS")


@dataclass(frozen=True)
class Need:
    """An action's requirement of a proposal, and the error without it."""

    holds: Rule
    reason: str = "NOT_APPLICABLE"
    kind: str = "ProposalActionError"


@dataclass(frozen=True)
class LineNeed:
    """An action's requirement of a proposal line item."""

    holds: LineRule
    reason: str = "NOT_APPLICABLE"
    kind: str = "ProposalLineItemActionError"


def is_open(proposal: ProposalValues) -> bool:
    """Whether it is open for edit."""
    return bool(proposal["marketplaceInfo"]["hasLocalVersionEdits"])


def was_sent(proposal: ProposalValues) -> bool:
    return "marketplaceId" in proposal["marketplaceInfo"]


def is_reserved(lines: Sequence[ProposalValues]) -> bool:
    return any(line["reservationStatus"] in _RESERVED for line in lines)


def check_action(action: str, proposal: ProposalValues, lines: Sequence[ProposalValues]) -> None:
    for need in PROPOSAL_ACTIONS[action]:
        if not need.holds(proposal, lines):
            raise rejection(need.kind, need.reason, proposal)


def check_line_action(action: str, line: ProposalValues, proposal: ProposalValues) -> None:
    for need in LINE_ACTIONS[action]:
        if not need.holds(line, proposal):
            raise rejection(need.kind, need.reason, line)


def allows(action: str, line: ProposalValues, proposal: ProposalValues) -> bool:
    return all(need.holds(line, proposal) for need in LINE_ACTIONS[action])


def rejection(kind: str, reason: str, entity: ProposalValues) -> AdManagerApiError:
    message = f"{entity.get('name')} ({entity.get('id')}): {reason.lower().replace('_', ' ')}"
    return not_applicable(kind, message, reason=reason)


def _negotiation(proposal: ProposalValues) -> str:
    return str(proposal["marketplaceInfo"]["negotiationStatus"])


def _open_lines(lines: Sequence[ProposalValues]) -> list[ProposalValues]:
    return [line for line in lines if not line["isArchived"]]


def _runs(line: ProposalValues) -> bool:
    return line.get("computedStatus") in RUNNING


def _is_paused(line: ProposalValues) -> bool:
    return line.get("computedStatus") in _PAUSED


_KEPT = Need(lambda p, _: not p["isArchived"], "IS_ARCHIVED")
# A terminated proposal cannot be reopened, renegotiated or edited again:
# https://support.google.com/admanager/answer/7457983.
_LIVE = Need(lambda p, _: _negotiation(p) != "CANCELLED")
_LOCAL = Need(lambda p, _: is_open(p), "CAN_ONLY_EXECUTE_IF_LOCAL_EDITS", "DealError")
# Back from the buyer as it was sent, or open for edit.
_TURN = Need(
    lambda p, _: is_open(p) or _negotiation(p) == "AWAITING_SELLER_REVIEW",
    "CAN_ONLY_EXECUTE_IF_LOCAL_EDITS",
    "DealError",
)
_CURRENT = Need(
    lambda p, _: not p["marketplaceInfo"]["isNewVersionFromBuyer"],
    "NEW_VERSION_FROM_BUYER",
    "DealError",
)
_HAS_LINES = Need(lambda _, lines: bool(lines), "MISSING_PROPOSAL_LINE_ITEMS", "DealError")
_HAS_UNARCHIVED = Need(
    lambda _, lines: bool(_open_lines(lines)),
    "HAS_NO_UNARCHIVED_PROPOSAL_LINEITEMS",
    "ProposalError",
)
_FINAL = Need(lambda p, _: p["status"] == "APPROVED" and _negotiation(p) == "FINALIZED")
_UNSOLD = Need(lambda p, _: not p["isSold"], "CANNOT_ARCHIVE_PROPOSAL_WHEN_SOLD", "DealError")

PROPOSAL_ACTIONS: Mapping[str, Sequence[Need]] = {
    "RequestBuyerReview": (_KEPT, _LIVE, _LOCAL, _CURRENT, _HAS_LINES, _HAS_UNARCHIVED),
    "RequestBuyerAcceptance": (_KEPT, _LIVE, _TURN, _CURRENT, _HAS_LINES, _HAS_UNARCHIVED),
    "EditProposalsForNegotiation": (_KEPT, _LIVE, Need(lambda p, _: not is_open(p))),
    "DiscardLocalVersionEdits": (_KEPT, _LOCAL, Need(lambda p, _: was_sent(p))),
    "PauseProposals": (_KEPT, _FINAL, Need(lambda _, lines: any(map(_runs, lines)))),
    "ResumeProposals": (_KEPT, _FINAL, Need(lambda _, lines: any(map(_is_paused, lines)))),
    # Nothing to end before it is sent; what is finalised cannot be ended:
    # https://support.google.com/admanager/answer/6239629.
    "TerminateNegotiations": (
        _KEPT,
        _LIVE,
        Need(lambda p, _: was_sent(p) and _negotiation(p) != "FINALIZED"),
    ),
    "ReserveProposals": (
        _KEPT,
        _LIVE,
        Need(lambda p, _: _negotiation(p) != "FINALIZED"),
        _HAS_LINES,
        _HAS_UNARCHIVED,
        Need(lambda _, lines: not all(is_reserved([line]) for line in _open_lines(lines))),
    ),
    "UpdateOrderWithSellerData": (
        _KEPT,
        Need(lambda p, _: p["isSold"] and _negotiation(p) == "FINALIZED"),
    ),
    "ArchiveProposals": (_KEPT, _UNSOLD, Need(lambda p, _: _negotiation(p) not in WITH_BUYER)),
    "UnarchiveProposals": (Need(lambda p, _: p["isArchived"]),),
}

_LINE_KEPT = LineNeed(lambda line, _: not line["isArchived"])
_LINE_EDITABLE = LineNeed(lambda _, proposal: is_open(proposal), "PROPOSAL_NOT_EDITABLE")

LINE_ACTIONS: Mapping[str, Sequence[LineNeed]] = {
    # A sold proposal's line items are archived once it is reopened, with the buyer's consent:
    # https://support.google.com/admanager/answer/7180073.
    "ArchiveProposalLineItems": (
        _LINE_KEPT,
        LineNeed(
            lambda _, proposal: is_open(proposal) or not proposal["isSold"],
            "CANNOT_ARCHIVE_LINE_ITEM_WHEN_SOLD",
            "DealError",
        ),
        _LINE_EDITABLE,
        LineNeed(lambda line, _: not _runs(line), "CANNOT_ARCHIVE_ONGOING_PROPOSAL_LINE_ITEM"),
    ),
    "UnarchiveProposalLineItems": (
        LineNeed(lambda line, _: line["isArchived"]),
        LineNeed(
            lambda line, _: not line["isSold"],
            "CANNOT_UNARCHIVE_SOLD_PROGRAMMATIC_PROPOSAL_LINE_ITEM",
        ),
        _LINE_EDITABLE,
    ),
    "ReserveProposalLineItems": (_LINE_KEPT, LineNeed(lambda line, _: not is_reserved([line]))),
    "ReleaseProposalLineItems": (
        _LINE_KEPT,
        LineNeed(lambda line, _: line["reservationStatus"] == "RESERVED" and not line["isSold"]),
    ),
    "PauseProposalLineItems": (_LINE_KEPT, LineNeed(lambda line, _: _runs(line))),
    "ResumeProposalLineItems": (_LINE_KEPT, LineNeed(lambda line, _: _is_paused(line))),
}
