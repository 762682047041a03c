"""Access tokens as Cognito issues them: signed JWTs, verified with the issuer's keys.

RFC 7519 (JWT), RFC 8725 (best practices); the claims are those of
https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-access-token.html
"""

from __future__ import annotations

import hashlib
import re
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import jwt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from seil.api.keys import KeySource

__all__ = [
    "Claims",
    "Expected",
    "InvalidTokenError",
    "Verifier",
]

# Never taken from the token: "none" and HMAC with a public key are the classic forgeries.
ALGORITHMS = ("RS256",)
_LEEWAY = 30
_LONGEST_TOKEN = 8192
_MOST_CACHED = 2048
_CACHE_SECONDS = 300.0
# RFC 7515, section 7.1: three parts of base64url without padding; an encrypted token has five.
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
# The last second of the year 9999.
_Date = Annotated[float, Field(ge=0, le=253_402_300_799)]


class InvalidTokenError(Exception):
    """The token is invalid. The message is for the log, not for the caller."""


@dataclass(frozen=True)
class Claims:
    """A verified token's client id and scopes."""

    client_id: str
    scopes: frozenset[str]
    expires: float


@dataclass(frozen=True)
class Expected:
    """The required claims. Empty `clients` and `audience` allow any."""

    issuer: str
    clients: frozenset[str] = frozenset()
    audience: str = ""


class _Payload(BaseModel):
    """The validated claims. A date is in seconds (RFC 7519, section 2)."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    exp: _Date
    iat: _Date | None = None
    nbf: _Date | None = None
    token_use: Literal["access"] = "access"  # noqa: S105 - a kind, no secret
    client_id: Annotated[str, Field(min_length=1, max_length=255)]
    scope: str = ""


class Verifier:
    """Verifies tokens. Valid ones are cached for five minutes, never beyond their expiry."""

    def __init__(
        self, expected: Expected, keys: KeySource, *, clock: Callable[[], float] = time.time
    ) -> None:
        self.expected = expected
        self.keys = keys
        self._clock = clock
        self._cache: OrderedDict[bytes, tuple[float, Claims]] = OrderedDict()

    async def verify(self, token: str) -> Claims:
        """Raises InvalidTokenError or KeysUnavailableError."""
        if len(token) > _LONGEST_TOKEN or not _COMPACT.fullmatch(token):
            raise InvalidTokenError("it is not a signed token in compact form, or too long")
        digest = hashlib.sha256(token.encode("ascii")).digest()
        if (entry := self._cache.get(digest)) and self._clock() < entry[0]:
            return entry[1]
        claims = await self._verify_signature(token)
        expires_at = min(claims.expires, self._clock() + _CACHE_SECONDS)
        self._cache[digest] = (expires_at, claims)
        while len(self._cache) > _MOST_CACHED:
            self._cache.popitem(last=False)
        return claims

    async def _verify_signature(self, token: str) -> Claims:
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError) as error:
            raise InvalidTokenError(str(error)) from error
        kid = header.get("kid")
        if header.get("alg") not in ALGORITHMS or not isinstance(kid, str):
            raise InvalidTokenError("its header does not name RS256 and a key id")
        key = await self.keys.key(kid)
        if key is None:
            raise InvalidTokenError("it is signed with a key that the issuer does not have")
        return self._check_client(self._decode(token, key))

    def _decode(self, token: str, key: jwt.PyJWK) -> _Payload:
        audience = self.expected.audience
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=list(ALGORITHMS),
                issuer=self.expected.issuer,
                audience=audience or None,
                leeway=_LEEWAY,
                options={"require": ["exp", "iss"], "verify_aud": bool(audience)},
            )
            return _Payload.model_validate(claims)
        except ValidationError as error:
            invalid = sorted({str(problem["loc"][0]) for problem in error.errors()})
            raise InvalidTokenError(f"invalid claims: {', '.join(invalid)}") from error
        except (jwt.PyJWTError, ValueError) as error:
            raise InvalidTokenError(str(error)) from error

    def _check_client(self, claims: _Payload) -> Claims:
        client = claims.client_id
        if self.expected.clients and client not in self.expected.clients:
            raise InvalidTokenError("its client is not in [api] clients")
        return Claims(client, frozenset(claims.scope.split()), claims.exp)
