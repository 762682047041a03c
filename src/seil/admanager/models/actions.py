"""What can be done to orders, line items and proposals, and how it may be spelled."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BeforeValidator

_NOUN = re.compile(r"-(?:proposal-line-items?|line-items?|orders?|proposals?)(?=-|$)")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def kebab(value: object) -> object:
    """Of requestBuyerAcceptance, REQUEST_BUYER_ACCEPTANCE or "request buyer acceptance".

    SOAP's own names, as PauseProposals, are understood too.
    """
    if not isinstance(value, str):
        return value
    spaced = value if value.isupper() else _HUMP.sub("-", value)
    return _NOUN.sub("", re.sub(r"[\s_-]+", "-", spaced.strip()).lower())


OrderAction = Annotated[
    Literal[
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
    ],
    BeforeValidator(kebab),
]
LineItemAction = Annotated[
    Literal["archive", "pause", "resume", "activate", "reserve", "release", "delete"],
    BeforeValidator(kebab),
]
ProposalAction = Annotated[
    Literal[
        "request-buyer-acceptance",
        "request-acceptance",
        "request-buyer-review",
        "retract",
        "pause",
        "resume",
        "archive",
        "unarchive",
        "reserve",
        "edit-for-negotiation",
        "terminate-negotiations",
        "discard-local-version-edits",
        "update-order-with-seller-data",
    ],
    BeforeValidator(kebab),
]
ProposalLineItemAction = Annotated[
    Literal["archive", "unarchive", "pause", "resume", "reserve", "release"],
    BeforeValidator(kebab),
]
