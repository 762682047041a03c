"""Lets requests pass that have a token with the method's scope and are within the rate limit.

The answers without an envelope are those of API Gateway's JWT authorizer.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING

from seil.api.calls import Answer, Fault
from seil.api.edge.exchange import Exchange, json_response
from seil.api.keys import KeysUnavailableError
from seil.api.rate import RateLimit
from seil.api.tokens import Claims, InvalidTokenError, Verifier

if TYPE_CHECKING:
    from starlette.responses import Response

__all__ = ["Gate", "scopes_of"]

_log = logging.getLogger(__name__)

# RFC 6750, section 3.
_CHALLENGE = {"WWW-Authenticate": "Bearer"}
_GET = ("GET", "HEAD")


def scopes_of(project: str, env: str) -> tuple[str, str]:
    """The scope of reads, and that of everything else."""
    server = f"{project}-{env}-oauth-rs"
    return f"{server}/get", f"{server}/post"


@dataclass(frozen=True)
class Gate:
    verifier: Verifier
    read_scope: str
    write_scope: str
    limit: RateLimit

    async def refusal(self, exchange: Exchange, headers: Mapping[str, str]) -> Response | None:
        """The response that refuses the request; None lets it pass."""
        try:
            claims = await self.verifier.verify(_bearer(headers.get("authorization", "")))
        except InvalidTokenError as error:
            _log.info("token refused: %s", error)
            return json_response({"message": "Unauthorized"}, status=401, headers=_CHALLENGE)
        except KeysUnavailableError as error:
            _log.error("tokens cannot be verified: %s", error)
            fault = Fault("EC50205", "Tokens cannot be verified now: the issuer is not reachable")
            return exchange.failure(Answer(502, errors=(fault,), retry_after=10))
        exchange.caller = claims.client_id
        if not self._allowed(claims, exchange.method):
            return json_response({"message": "Forbidden"}, status=403)
        if (seconds := self.limit.wait(claims.client_id)) is not None:
            fault = Fault("EC42901", f"Too many requests; try again in {ceil(seconds)} seconds")
            return exchange.failure(Answer(429, errors=(fault,), retry_after=seconds))
        return None

    def _allowed(self, claims: Claims, method: str) -> bool:
        return (self.read_scope if method in _GET else self.write_scope) in claims.scopes


def _bearer(authorization: str) -> str:
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        raise InvalidTokenError("no bearer token")
    return token.strip()
