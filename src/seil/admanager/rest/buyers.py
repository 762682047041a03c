"""The network's programmatic buyers, and which of them an id means."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from seil.admanager.calls import SERVICE, before_effect
from seil.admanager.rest.transport import Rest
from seil.errors import RequestRejectedError

_KEPT_SECONDS = 600.0


@dataclass(frozen=True)
class Buyer:
    account: int
    client: str
    name: str

    def __str__(self) -> str:
        client = f", partner client {self.client}" if self.client else ""
        return f"account {self.account}{client} ({self.name})"


class Buyers:
    """Read page by page and kept for some minutes; an id that is not among them is looked up anew.

    One thread at a time reads them; the others wait for what it finds.
    """

    def __init__(self, rest: Rest) -> None:
        self._rest = rest
        self._lock = threading.Lock()
        self._buyers: tuple[Buyer, ...] = ()
        self._until = 0.0

    def account(self, identity: int) -> int:
        """The account of the one buyer that has this BuyerAccountId or PartnerClientId.

        Raises RequestRejectedError, naming what was found, where it is none or more than one.
        """
        matches = self._matching(identity)
        if len(matches) == 1:
            return matches[0].account
        names = "; ".join(map(str, matches[:5])) or "none"
        reason = (
            f"marketplaceInfo.buyerAccountId: {identity} must be the BuyerAccountId or the"
            f" PartnerClientId of exactly one programmatic buyer of the network; found {names}"
        )
        raise RequestRejectedError(SERVICE, "BUYER_NOT_UNIQUE", reason, status=400)

    def _matching(self, identity: int) -> list[Buyer]:
        with before_effect(), self._lock:
            fresh = time.monotonic() >= self._until
            if fresh:
                self._read()
            matches = _matches(self._buyers, identity)
            if not matches and not fresh:
                self._read()
                matches = _matches(self._buyers, identity)
            return matches

    def _read(self) -> None:
        request = {"parent": self._rest.network}
        pages = self._rest.pages("ProgrammaticBuyer", "list_programmatic_buyers", request)
        self._buyers = tuple(
            Buyer(buyer.buyer_account_id, buyer.partner_client_id, buyer.display_name)
            for page in pages
            for buyer in page.programmatic_buyers
        )
        self._until = time.monotonic() + _KEPT_SECONDS


def _matches(buyers: tuple[Buyer, ...], identity: int) -> list[Buyer]:
    """A buyer whose account and client are the same number counts once."""
    text = str(identity)
    return [buyer for buyer in buyers if buyer.account == identity or buyer.client == text]
