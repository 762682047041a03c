"""An issuer's public keys: fetching a JWKS, and choosing usable keys.

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
# How long a token whose key is cached waits for a refresh.
_PATIENCE = 1.0
_LONGEST_DOCUMENT = 256 * 1024
_MOST_KEYS = 100
_KEY_BITS = range(2048, 8192 + 1)
_EXPONENTS = range(2**16 + 1, 2**64)
# In base64 digits: longer numbers are refused before any computation.
_LONGEST_NUMBER = 1400


class KeysUnavailableError(Exception):
    """The issuer's keys cannot be fetched, so that no token can be verified."""


class KeySource(Protocol):
    async def key(self, kid: str) -> jwt.PyJWK | None:
        """None for an unknown id. Raises KeysUnavailableError."""
        ...

    async def check(self) -> None:
        """Raises KeysUnavailableError where no keys are available."""
        ...


class RemoteKeys:
    """An issuer's JWKS, refreshed after `age` seconds or when a token names an unknown key.

    Fetches run one at a time, and once in ten seconds at most, so that tokens can neither flood
    the issuer nor delay those whose key is cached. While the issuer is unreachable, or publishes
    no usable key, the cached keys stay valid.
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
        """Waits up to `seconds` for the running fetch, or for a new one if one is due.

        The fetch is a task of its own, so that a caller who leaves does not cancel it.
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
            # httpx's timeout is per read: an issuer that trickles would never reach it.
            async with asyncio.timeout(_FETCH_SECONDS):
                self._keys = _usable_keys(await self._document())
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            _log.warning("keys of %s could not be fetched: %s", self.url, _reason(error))
            return
        self._read_at = self._clock()

    async def _document(self) -> bytes:
        """Uncompressed, as decompression could exceed the size limit a thousandfold."""
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        async with self._client.stream(
            "GET", self.url, headers=headers, timeout=_FETCH_SECONDS, follow_redirects=False
        ) as answer:
            if answer.status_code != 200:
                raise ValueError(f"the issuer answered {answer.status_code}")
            if answer.headers.get("content-encoding", "identity") != "identity":
                raise ValueError("the issuer compressed them, against Accept-Encoding")
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
    """An RSA key for RS256 signatures; private members are ignored."""

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


def _usable_keys(document: bytes) -> dict[str, jwt.PyJWK]:
    """The RSA signature keys of a JWKS; others, and malformed ones, are skipped (RFC 7517, section
    5). Of two keys with the same id the first wins. Raises ValueError where none is usable.
    """
    keys: dict[str, jwt.PyJWK] = {}
    for entry in _Document.model_validate_json(document).keys:
        try:
            published = _Key.model_validate(entry)
            if published.kid not in keys:
                keys[published.kid] = published.public_key()
        except (ValueError, jwt.PyJWTError) as error:
            _log.info("skipped a key of the issuer: %s", _reason(error))
    if not keys:
        raise ValueError("they contain no usable RSA key")
    return keys


def _reason(error: Exception) -> str:
    """Without the far end's text."""
    if isinstance(error, ValidationError):
        paths = (".".join(map(str, e["loc"])) or "the document" for e in error.errors())
        return f"wrong or missing: {', '.join(paths)}"
    return str(error) or type(error).__name__
