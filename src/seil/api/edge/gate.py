"""Who may pass: a bearer token with the scope that the method needs, and not too often.

The answers without an envelope are those of API Gateway's JWT authorizer.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from seil.api.calls import Answer, Fault
from seil.api.edge.exchange import Exchange, plain
from seil.api.keys import KeysUnavailableError
from seil.api.tokens import Claims, InvalidTokenError, Verifier

if TYPE_CHECKING:
    from starlette.responses import Response

__all__ = ["Gate", "RateLimit", "scopes_of"]

_log = logging.getLogger(__name__)

# RFC 6750, section 3.
_CHALLENGE = {"WWW-Authenticate": "Bearer"}
_GET = ("GET", "HEAD")
_MINUTE = 60.0


def scopes_of(project: str, env: str) -> tuple[str, str]:
    """The scope for reading and the one for everything else."""
    server = f"{project}-{env}-oauth-rs"
    return f"{server}/get", f"{server}/post"


@dataclass(slots=True)
class _Count:
    """A caller's requests in a minute of the clock, and in the one before it."""

    minute: float
    before: int
    now: int = 0


class RateLimit:
    """So many requests a minute and caller, over a sliding window, in this process.

    Each minute of the clock is counted. The one before counts as far as it still lies within the
    last sixty seconds, as if its requests had come evenly.
    """

    def __init__(self, a_minute: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = a_minute
        self._clock = clock
        # One for each client that the issuer knows: they are few.
        self._counts: dict[str, _Count] = {}

    def wait(self, caller: str) -> float | None:
        """Seconds until the caller may come again; None: this one passes."""
        minute, passed = divmod(self._clock(), _MINUTE)
        count = self._counts.get(caller)
        if count is None or count.minute != minute:
            before = count.now if count and count.minute == minute - 1 else 0
            count = self._counts[caller] = _Count(minute, before)
        free = self._most - count.now
        if free > count.before * (1 - passed / _MINUTE):
            count.now += 1
            return None
        # Nothing is free before the next minute, or before enough of the last one is behind.
        until = _MINUTE * (1 - free / count.before) if free > 0 else _MINUTE
        return max(1.0, until - passed)


@dataclass(frozen=True)
class Gate:
    verifier: Verifier
    read_scope: str
    write_scope: str
    limit: RateLimit

    async def refusal(self, exchange: Exchange, headers: Mapping[str, str]) -> Response | None:
        """What to answer instead of going on; None where the caller may pass."""
        try:
            claims = await self.verifier.verify(_bearer(headers.get("authorization", "")))
        except InvalidTokenError as error:
            _log.info("token refused: %s", error)
            return plain({"message": "Unauthorized"}, status=401, headers=_CHALLENGE)
        except KeysUnavailableError as error:
            _log.error("no token can be judged: %s", error)
            fault = Fault("EC50205", "Tokens cannot be verified now: the issuer is not reachable")
            return exchange.failure(Answer(502, errors=(fault,), retry_after=10))
        exchange.caller = claims.client_id
        if not self._allowed(claims, exchange.method):
            return plain({"message": "Forbidden"}, status=403)
        if (seconds := self.limit.wait(claims.client_id)) is not None:
            fault = Fault("EC42901", f"Too many requests; try again in {ceil(seconds)} seconds")
            return exchange.failure(Answer(429, errors=(fault,), retry_after=seconds))
        return None

    def _allowed(self, claims: Claims, method: str) -> bool:
        return (self.read_scope if method in _GET else self.write_scope) in claims.scopes


def _bearer(authorization: str) -> str:
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise InvalidTokenError("there is none")
    return token.strip()
