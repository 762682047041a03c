"""Actions on orders, line items and proposals, and their spellings."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator

from seil.admanager.models.base import Text, about

_NOUN = re.compile(r"-(?:proposal-line-items?|line-items?|orders?|proposals?)(?=-|$)")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
# Actions whose SOAP name differs from the contract's, which is REST's.
_SAME = {"approve-without-reservation-changes": "approve-without-reservation"}


def _reader(literal: Any) -> Callable[[object], object]:
    """Maps spellings to the action of `literal`; anything else stays as written."""
    words = frozenset(get_args(literal))

    def read(value: object) -> object:
        if not isinstance(value, str):
            return value
        whole = _kebab(value)
        # A noun is dropped unless it is part of the action: update-order-with-seller-data.
        bare = _NOUN.sub("", whole)
        return next((word for word in (whole, _SAME.get(bare, bare)) if word in words), value)

    return read


def _kebab(value: str) -> str:
    """From requestBuyerAcceptance, REQUEST_BUYER_ACCEPTANCE, PauseProposals or "request review"."""
    spaced = value if value.isupper() else _HUMP.sub("-", value)
    return re.sub(r"[\s_-]+", "-", spaced.strip()).lower()


_OrderAction = Literal[
    "approve",
    "approve-without-reservation",
    "approve-and-overbook",
    "disapprove",
    "disapprove-without-reservation-changes",
    "pause",
    "resume",
    "resume-and-overbook",
    "archive",
    "unarchive",
    "submit-for-approval",
    "submit-for-approval-and-overbook",
    "submit-for-approval-without-reservation-changes",
    "retract",
    "retract-without-reservation-changes",
    "delete",
]
_LineItemAction = Literal["archive", "pause", "resume", "activate", "reserve", "release", "delete"]
_ProposalAction = Literal[
    "request-buyer-acceptance",
    "request-buyer-acceptance-and-overbook",
    "request-acceptance",
    "request-buyer-review",
    "retract",
    "pause",
    "resume",
    "archive",
    "unarchive",
    "reserve",
    "reserve-and-overbook",
    "edit-for-negotiation",
    "terminate-negotiations",
    "discard-local-version-edits",
    "update-order-with-seller-data",
]
_ProposalLineItemAction = Literal[
    "archive", "unarchive", "pause", "resume", "reserve", "reserve-and-overbook", "release"
]
OrderAction = Annotated[_OrderAction, BeforeValidator(_reader(_OrderAction))]
LineItemAction = Annotated[_LineItemAction, BeforeValidator(_reader(_LineItemAction))]
ProposalAction = Annotated[_ProposalAction, BeforeValidator(_reader(_ProposalAction))]
ProposalLineItemAction = Annotated[
    _ProposalLineItemAction, BeforeValidator(_reader(_ProposalLineItemAction))
]
PauseReason = Annotated[
    Text | None, about("Reason of a pause; for the action pause only.", "Creatives are late")
]


def check_reason(action: str, reason: str | None) -> None:
    """Raises ValueError for a reason that Ad Manager would ignore."""
    if reason is not None and action != "pause":
        raise ValueError(f"a reason is for pause alone; {action} takes none")
