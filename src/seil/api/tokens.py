"""Access tokens as Cognito gives them out: signed JWTs, verified against the issuer's keys.

RFC 7519 (JWT), RFC 8725 (what to check); the claims are those of
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
_REMEMBERED = 2048
_REMEMBERED_SECONDS = 300.0
# RFC 7515, section 7.1: three parts of base64url without padding; an encrypted token has five.
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
# The last second of the year 9999: what is beyond it is no date.
_Date = Annotated[float, Field(ge=0, le=253_402_300_799)]


class InvalidTokenError(Exception):
    """The token proves nothing; its message is for the log, not for the caller."""


@dataclass(frozen=True)
class Claims:
    """What a good token says: the client's id and its scopes."""

    client_id: str
    scopes: frozenset[str]
    expires: float


@dataclass(frozen=True)
class Expected:
    """What a token has to say. Empty `clients` and `audience` stand for any."""

    issuer: str
    clients: frozenset[str] = frozenset()
    audience: str = ""


class _Payload(BaseModel):
    """The claims that are looked at. A date is a number of seconds (RFC 7519, section 2)."""

    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    exp: _Date
    iat: _Date | None = None
    nbf: _Date | None = None
    token_use: Literal["access"] = "access"  # noqa: S105 - a kind, no secret
    client_id: Annotated[str, Field(min_length=1, max_length=255)]
    scope: str = ""


class Verifier:
    """Judges tokens. A good one is remembered for five minutes at most, never beyond its expiry."""

    def __init__(
        self, expected: Expected, keys: KeySource, *, clock: Callable[[], float] = time.time
    ) -> None:
        self.expected = expected
        self.keys = keys
        self._clock = clock
        self._good: OrderedDict[bytes, tuple[float, Claims]] = OrderedDict()

    async def verify(self, token: str) -> Claims:
        """Raises InvalidTokenError or KeysUnavailableError."""
        if len(token) > _LONGEST_TOKEN or not _COMPACT.fullmatch(token):
            raise InvalidTokenError("it is no signed token in compact form, or too long")
        digest = hashlib.sha256(token.encode("ascii")).digest()
        if (entry := self._good.get(digest)) and self._clock() < entry[0]:
            return entry[1]
        claims = await self._judged(token)
        until = min(claims.expires, self._clock() + _REMEMBERED_SECONDS)
        self._good[digest] = (until, claims)
        while len(self._good) > _REMEMBERED:
            self._good.popitem(last=False)
        return claims

    async def _judged(self, token: str) -> Claims:
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
        return self._checked(self._decoded(token, key))

    def _decoded(self, token: str, key: jwt.PyJWK) -> _Payload:
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
            wrong = sorted({str(one["loc"][0]) for one in error.errors()})
            raise InvalidTokenError(f"its claims are wrong: {', '.join(wrong)}") from error
        except (jwt.PyJWTError, ValueError) as error:
            raise InvalidTokenError(str(error)) from error

    def _checked(self, claims: _Payload) -> Claims:
        client = claims.client_id
        if self.expected.clients and client not in self.expected.clients:
            raise InvalidTokenError("its client is not one that may call")
        return Claims(client, frozenset(claims.scope.split()), claims.exp)
