"""Access tokens as Cognito gives them out: signed JWTs, verified against the issuer's keys.

RFC 7519 (JWT), RFC 7517 (JWKS), RFC 8725 (what to check); the claims are those of
https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-access-token.html
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import jwt

if TYPE_CHECKING:
    import httpx

__all__ = [
    "Claims",
    "Expected",
    "InvalidTokenError",
    "KeySource",
    "KeysUnavailableError",
    "RemoteKeys",
    "Verifier",
]

_log = logging.getLogger(__name__)

# Never taken from the token: "none" and HMAC with a public key are the classic forgeries.
ALGORITHMS = ("RS256",)
_LEEWAY = 30
_LONGEST_TOKEN = 8192
_REMEMBERED = 2048
_REMEMBERED_SECONDS = 300.0
_BETWEEN_FETCHES = 10.0
_FETCH_SECONDS = 5.0


class InvalidTokenError(Exception):
    """The token proves nothing; its message is for the log, not for the caller."""


class KeysUnavailableError(Exception):
    """The issuer's keys cannot be had, so that no token can be judged."""


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


class KeySource(Protocol):
    async def key(self, kid: str) -> jwt.PyJWK | None:
        """The public key of that id. Raises KeysUnavailableError."""
        ...

    async def check(self) -> None:
        """Raises KeysUnavailableError where there are no keys to judge by."""
        ...


class RemoteKeys:
    """An issuer's keys, read anew after `age` seconds or when a token names an unknown one.

    Unknown key ids make at most one request in ten seconds, so that garbage cannot be used to flood
    the issuer. While the issuer is away the keys that were read last stay good.
    """

    def __init__(
        self,
        url: str,
        client: httpx.AsyncClient,
        *,
        age: float = 3600,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.url = url
        self._client = client
        self._age = age
        self._clock = clock
        self._keys: Mapping[str, jwt.PyJWK] = {}
        self._read_at = float("-inf")
        self._tried_at = float("-inf")
        self._lock = asyncio.Lock()

    async def key(self, kid: str) -> jwt.PyJWK | None:
        # Where they are being read anew, what is known is good enough: the issuer may be slow.
        if kid not in self._keys or (self._stale and not self._lock.locked()):
            await self._refresh(kid)
        return self._keys.get(kid)

    async def check(self) -> None:
        if not self._keys or self._stale:
            await self._refresh("")

    @property
    def _stale(self) -> bool:
        return self._clock() - self._read_at >= self._age

    async def _refresh(self, kid: str) -> None:
        async with self._lock:
            if kid in self._keys and not self._stale:
                return
            if self._clock() - self._tried_at >= _BETWEEN_FETCHES:
                self._tried_at = self._clock()
                await self._read()
            if not self._keys:
                raise KeysUnavailableError(f"no keys could be read from {self.url}")

    async def _read(self) -> None:
        import httpx

        try:
            answer = await self._client.get(self.url, timeout=_FETCH_SECONDS)
            answer.raise_for_status()
            self._keys = _usable(answer.json())
        except (httpx.HTTPError, ValueError, TypeError, KeyError, jwt.PyJWTError) as error:
            _log.warning("keys of %s could not be read: %s", self.url, type(error).__name__)
            return
        self._read_at = self._clock()


def _usable(document: Any) -> dict[str, jwt.PyJWK]:
    """The RSA signature keys of a JWKS; others, and broken ones, are passed over (RFC 7517, section
    5).
    """
    found = {}
    for entry in document["keys"]:
        if key := _signing_key(entry):
            found[entry["kid"]] = key
    if not found:
        raise ValueError("there is no RSA key in it")
    return found


def _signing_key(entry: Any) -> jwt.PyJWK | None:
    if not isinstance(entry, dict) or not isinstance(entry.get("kid"), str):
        return None
    if entry.get("kty") != "RSA" or entry.get("use", "sig") != "sig":
        return None
    try:
        return jwt.PyJWK(entry, algorithm="RS256")
    except (ValueError, TypeError, KeyError, jwt.PyJWTError) as error:
        _log.warning("the issuer's key %s cannot be used: %s", entry["kid"], type(error).__name__)
        return None


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
        if len(token) > _LONGEST_TOKEN:
            raise InvalidTokenError("it is too long")
        digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
        if (known := self._good.get(digest)) and self._clock() < known[0]:
            return known[1]
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

    def _decoded(self, token: str, key: jwt.PyJWK) -> dict[str, Any]:
        audience = self.expected.audience
        try:
            found: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=list(ALGORITHMS),
                issuer=self.expected.issuer,
                audience=audience or None,
                leeway=_LEEWAY,
                options={"require": ["exp", "iss"], "verify_aud": bool(audience)},
            )
        except (jwt.PyJWTError, ValueError, json.JSONDecodeError) as error:
            raise InvalidTokenError(str(error)) from error
        return found

    def _checked(self, found: dict[str, Any]) -> Claims:
        if found.get("token_use", "access") != "access":
            raise InvalidTokenError("it is an identity token, not an access token")
        client, scope = found.get("client_id"), found.get("scope", "")
        if not isinstance(client, str) or not client or not isinstance(scope, str):
            raise InvalidTokenError("it does not say whose it is")
        if self.expected.clients and client not in self.expected.clients:
            raise InvalidTokenError("its client is not one that may call")
        return Claims(client, frozenset(scope.split()), float(found["exp"]))
