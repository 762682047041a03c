"""The stand-in Ad Manager's options."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from seil.sandbox.base.clock import utc_now

_AUTH = "https://www.googleapis.com/auth/"
READ_WRITE = f"{_AUTH}admanager"
READ_ONLY = f"{_AUTH}admanager.readonly"
SOAP_ONLY = f"{_AUTH}dfp"
SCOPES = (READ_WRITE, READ_ONLY, SOAP_ONLY)
"""https://developers.google.com/ad-manager/api/beta/authentication; the last is the older name that
the SOAP client asks for.
"""


@dataclass(frozen=True)
class AdManagerOptions:
    """`token_lifetime` is in seconds. `report_polls` is how often an operation says that it is not
    done yet. With `creatives`, every new line item has its creatives at once. The network's code
    and `seed` count when the network is made, that is on the first start.
    """

    network_code: str = "1234567"
    seed: int = 1
    token_lifetime: float = 3600.0
    report_polls: int = 2
    creatives: bool = False
    now: Callable[[], datetime] = utc_now
