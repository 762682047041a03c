"""The network's programmatic buyers, by account and partner client id."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from seil.admanager.calls import SERVICE, before_write
from seil.admanager.rest.transport import Rest
from seil.errors import RequestRejectedError

_CACHE_SECONDS = 600.0


@dataclass(frozen=True)
class Buyer:
    account: int
    client: str
    name: str

    def __str__(self) -> str:
        client = f", partner client {self.client}" if self.client else ""
        return f"account {self.account}{client} ({self.name})"


class Buyers:
    """Cached for ten minutes, and read again for an unknown id.

    One thread at a time reads them; the others wait for its result.
    """

    def __init__(self, rest: Rest) -> None:
        self._rest = rest
        self._lock = threading.Lock()
        self._buyers: tuple[Buyer, ...] = ()
        self._expires_at = 0.0

    def account(self, identity: int) -> int:
        """The account of the one buyer that has this BuyerAccountId or PartnerClientId.

        Raises RequestRejectedError naming the matches where there is none, or more than one.
        """
        matches = self._find(identity)
        if len(matches) == 1:
            return matches[0].account
        names = "; ".join(map(str, matches[:5])) or "none"
        reason = (
            f"marketplaceInfo.buyerAccountId: {identity} must be the BuyerAccountId or the"
            f" PartnerClientId of exactly one programmatic buyer of the network; found {names}"
        )
        raise RequestRejectedError(SERVICE, "BUYER_NOT_UNIQUE", reason, status=400)

    def _find(self, identity: int) -> list[Buyer]:
        with before_write(), self._lock:
            is_expired = time.monotonic() >= self._expires_at
            if is_expired:
                self._read()
            matches = _matches(self._buyers, identity)
            if not matches and not is_expired:
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
        self._expires_at = time.monotonic() + _CACHE_SECONDS


def _matches(buyers: tuple[Buyer, ...], identity: int) -> list[Buyer]:
    """By account or by partner client; once if both match."""
    text = str(identity)
    return [buyer for buyer in buyers if buyer.account == identity or buyer.client == text]
