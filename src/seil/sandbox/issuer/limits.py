"""Rate limits of the token endpoint, and of wrong secrets.

Wrong secrets count against the address they come from, so that nobody can lock a client out from
another one: https://owasp.org/www-community/Slow_Down_Online_Guessing_Attacks_with_Device_Cookies,
with the address in the cookie's place.
"""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict
from collections.abc import Callable

from seil.api.rate import RateLimit

__all__ = ["TokenLimits"]

# Wrong secrets of one client from all addresses, or of all clients from one: times those of a pair.
_SPREAD = 3
_MOST_PAIRS = 1000
_LONGEST_CLIENT = 255

_Pair = tuple[str, str]


class TokenLimits:
    """`rate` is tokens a minute for each client and requests for each address, `failures` wrong
    secrets a minute of one client from one address.

    A client that had a token from its address before is measured by the pair of the two alone:
    wrong secrets of others, from that address or for that client, do not hold it up.
    """

    def __init__(
        self, rate: int = 120, failures: int = 10, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clients = RateLimit(rate, clock=clock)
        self._addresses = RateLimit(rate, clock=clock)
        self._wrong_of_pair = RateLimit(failures, clock=clock)
        self._wrong_of_client = RateLimit(_SPREAD * failures, clock=clock)
        self._wrong_from_address = RateLimit(_SPREAD * failures, clock=clock)
        self._proven: OrderedDict[_Pair, None] = OrderedDict()

    def wait(self, client: str, address: str) -> float | None:
        """Seconds until a secret of the client from this address is checked; None: now."""
        pair = client, address = _pair(client, address)
        waits = [self._wrong_of_pair.peek(pair)]
        if pair not in self._proven:
            waits += [
                self._wrong_of_client.peek(client),
                self._wrong_from_address.peek(address),
            ]
        blocked = [seconds for seconds in waits if seconds is not None]
        # A request that is not checked does not count for the address: others may be behind it.
        return max(blocked) if blocked else self._addresses.wait(address)

    def count_wrong(self, client: str, address: str) -> None:
        pair = client, address = _pair(client, address)
        self._wrong_of_pair.wait(pair)
        if pair not in self._proven:
            self._wrong_of_client.wait(client)
            self._wrong_from_address.wait(address)

    def count_right(self, client: str, address: str) -> float | None:
        """Seconds until the client may have a token; None: now. Each client has its own limit."""
        pair = _pair(client, address)
        self._proven[pair] = None
        self._proven.move_to_end(pair)
        if len(self._proven) > _MOST_PAIRS:
            self._proven.popitem(last=False)
        return self._clients.wait(pair[0])


def _pair(client: str, address: str) -> _Pair:
    return client[:_LONGEST_CLIENT], _network(address)


def _network(address: str) -> str:
    """An IPv6 customer has 2**64 addresses: they count as one (RFC 6177)."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv4Address):
        return str(ip)
    if ip.ipv4_mapped:
        return str(ip.ipv4_mapped)
    return str(ipaddress.ip_network((ip, 64), strict=False))
