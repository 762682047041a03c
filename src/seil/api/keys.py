"""An issuer's public keys: where they come from, and which of them are good enough.

RFC 7517 (JWKS), RFC 7518, section 3.3 (RS256), FIPS 186-5, appendix A.1.1 (sizes).
"""

from __future__ import annotations

import asyncio
import base64
import logging
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol

import jwt
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from seil.deadline import remaining

if TYPE_CHECKING:
    import httpx

__all__ = ["KeySource", "KeysUnavailableError", "RemoteKeys"]

_log = logging.getLogger(__name__)

_BETWEEN_FETCHES = 10.0
_FETCH_SECONDS = 5.0
# How long a token whose key is there waits for newer ones.
_PATIENCE = 1.0
_LONGEST_DOCUMENT = 256 * 1024
_MOST_KEYS = 100
_KEY_BITS = range(2048, 8192 + 1)
_EXPONENTS = range(2**16 + 1, 2**64)
# Of base64: nobody computes with a longer number before it is refused.
_LONGEST_NUMBER = 1400


class KeysUnavailableError(Exception):
    """The issuer's keys cannot be had, so that no token can be judged."""


class KeySource(Protocol):
    async def key(self, kid: str) -> jwt.PyJWK | None:
        """The public key of that id. Raises KeysUnavailableError."""
        ...

    async def check(self) -> None:
        """Raises KeysUnavailableError where there are no keys to judge by."""
        ...


class RemoteKeys:
    """An issuer's keys, read anew after `age` seconds or when a token names an unknown one.

    One read at a time, and one in ten seconds at most, whatever tokens name: they can neither
    flood the issuer nor hold up a token whose key is there. While the issuer is away, or publishes
    nothing usable, the keys that were read last stay good.
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
        self._reading: asyncio.Task[None] | None = None

    async def key(self, kid: str) -> jwt.PyJWK | None:
        if kid not in self._keys:
            await self._refresh(_FETCH_SECONDS)
        elif self._stale and not self._reading:
            await self._refresh(_PATIENCE)
        self._require_keys()
        return self._keys.get(kid)

    async def check(self) -> None:
        if not self._keys or self._stale:
            await self._refresh(_FETCH_SECONDS)
        self._require_keys()

    async def close(self) -> None:
        if self._reading:
            self._reading.cancel()
            with suppress(asyncio.CancelledError):
                await self._reading

    def _require_keys(self) -> None:
        if not self._keys:
            raise KeysUnavailableError(f"no keys could be read from {self.url}")

    @property
    def _stale(self) -> bool:
        return self._clock() - self._read_at >= self._age

    async def _refresh(self, seconds: float) -> None:
        """Waits so long for the read that is under way, or for a new one if it is time for one.

        The read is a task of its own: a caller who leaves does not break it off.
        """
        if not self._reading:
            if self._clock() - self._tried_at < _BETWEEN_FETCHES:
                return
            self._tried_at = self._clock()
            self._reading = asyncio.create_task(self._read(), name="issuer's keys")
            self._reading.add_done_callback(self._end)
        await asyncio.wait({self._reading}, timeout=remaining(seconds))

    def _end(self, _task: asyncio.Task[None]) -> None:
        self._reading = None

    async def _read(self) -> None:
        import httpx

        try:
            # httpx's own limit is for each read: an issuer that drips would hold it for ever.
            async with asyncio.timeout(_FETCH_SECONDS):
                self._keys = _usable(await self._document())
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            _log.warning("keys of %s could not be read: %s", self.url, _reason(error))
            return
        self._read_at = self._clock()

    async def _document(self) -> bytes:
        """As it came: a compressed one could be a thousand times as long as what was read."""
        plain = {"Accept": "application/json", "Accept-Encoding": "identity"}
        async with self._client.stream(
            "GET", self.url, headers=plain, timeout=_FETCH_SECONDS, follow_redirects=False
        ) as answer:
            if answer.status_code != 200:
                raise ValueError(f"the issuer answered {answer.status_code}")
            if answer.headers.get("content-encoding", "identity") != "identity":
                raise ValueError("the issuer compressed them, though asked not to")
            document = bytearray()
            async for chunk in answer.aiter_raw():
                document += chunk
                if len(document) > _LONGEST_DOCUMENT:
                    raise ValueError(f"they are longer than {_LONGEST_DOCUMENT} bytes")
        return bytes(document)


class _Document(BaseModel):
    keys: Annotated[list[Any], Field(max_length=_MOST_KEYS)]


_Number = Annotated[str, Field(max_length=_LONGEST_NUMBER, pattern="^[A-Za-z0-9_-]+$")]


class _Key(BaseModel):
    """An RSA key that is there to check RS256 signatures; private members are not looked at."""

    model_config = ConfigDict(strict=True)

    kid: Annotated[str, Field(min_length=1, max_length=255)]
    kty: Literal["RSA"]
    use: Literal["sig"] = "sig"
    alg: Literal["RS256"] = "RS256"
    n: _Number
    e: _Number

    def public_key(self) -> jwt.PyJWK:
        """Raises ValueError or PyJWTError."""
        if (bits := _integer(self.n).bit_length()) not in _KEY_BITS:
            raise ValueError(f"it has {bits} bits")
        if _integer(self.e) not in _EXPONENTS:
            raise ValueError("its exponent is too small or too large")
        return jwt.PyJWK(self.model_dump(), algorithm="RS256")


def _integer(number: str) -> int:
    return int.from_bytes(base64.urlsafe_b64decode(number + "=" * (-len(number) % 4)))


def _usable(document: bytes) -> dict[str, jwt.PyJWK]:
    """The RSA signature keys of a JWKS; others, and broken ones, are passed over (RFC 7517, section
    5). Of two keys with one id the first counts. Raises ValueError where none is left.
    """
    keys: dict[str, jwt.PyJWK] = {}
    for entry in _Document.model_validate_json(document).keys:
        try:
            published = _Key.model_validate(entry)
            if published.kid not in keys:
                keys[published.kid] = published.public_key()
        except (ValueError, jwt.PyJWTError) as error:
            _log.info("a key of the issuer cannot be used: %s", _reason(error))
    if not keys:
        raise ValueError("there is no usable RSA key in them")
    return keys


def _reason(error: Exception) -> str:
    """Without what the far end wrote."""
    if isinstance(error, ValidationError):
        wrong = (".".join(map(str, one["loc"])) or "the whole" for one in error.errors())
        return f"wrong or missing: {', '.join(wrong)}"
    return str(error) or type(error).__name__
