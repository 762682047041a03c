"""The stand-in for Cognito: it issues the access tokens of `seil serve --sandbox`.

Client credentials only (RFC 6749, section 4.4); the tokens have the claims of Cognito's.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from seil.errors import ConfigurationError, Problem
from seil.sandbox.issuer.limits import TokenLimits

__all__ = ["ClientGrant", "Issuer", "TokenRequestError"]

_KEY_BITS = 2048
_KEYS = "signing-*.pem"


class TokenRequestError(Exception):
    """`code` is RFC 6749's (section 5.2), `status` the HTTP status that goes with it.

    `retry_after` is in seconds.
    """

    def __init__(self, code: str, *, status: int = 400, retry_after: float | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.status = status
        self.retry_after = retry_after


@dataclass(frozen=True)
class ClientGrant:
    """A client's secret and the scopes it may ask for."""

    secret: str
    scopes: frozenset[str]

    def __repr__(self) -> str:
        return f"Grant(scopes={sorted(self.scopes)})"


class Issuer:
    """Issues tokens signed with a key of its own, stored in `folder`.

    The newest key signs; older ones are published until their file is removed, so that tokens
    outlive a rotation. `key` and `check` make it a KeySource of the API in the same process.
    Raises ConfigurationError if the folder cannot be used.
    """

    def __init__(
        self,
        folder: Path,
        url: str,
        grants: Mapping[str, ClientGrant],
        *,
        lifetime: float = 3600,
        limits: TokenLimits | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.url = url
        self.lifetime = int(lifetime)
        self._folder = folder
        self._grants = dict(grants)
        self._limits = limits or TokenLimits()
        self._clock = clock
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._keys = _load_keys(folder)
            if not self._keys:
                self.rotate()
        except (OSError, ValueError) as error:
            problem = Problem(str(folder), f"no signing key can be stored: {error}")
            raise ConfigurationError([problem]) from error

    def rotate(self) -> str:
        """Creates a new signing key and returns its id; earlier keys stay published."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=_KEY_BITS)
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        kid = _thumbprint(key)
        _write(self._folder / f"signing-{self._clock():017.6f}-{kid[:8]}.pem", pem)
        self._keys[kid] = key
        return kid

    def jwks(self) -> dict[str, Any]:
        return {"keys": [_public(kid, key) for kid, key in self._keys.items()]}

    def discovery(self) -> dict[str, Any]:
        """Authorization server metadata (RFC 8414)."""
        return {
            "issuer": self.url,
            "token_endpoint": f"{self.url}/oauth2/token",
            "jwks_uri": f"{self.url}/.well-known/jwks.json",
            "grant_types_supported": ["client_credentials"],
            "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        }

    async def key(self, kid: str) -> jwt.PyJWK | None:
        key = self._keys.get(kid)
        return jwt.PyJWK(_public(kid, key), algorithm="RS256") if key else None

    async def check(self) -> None:
        """Its keys are always available."""

    def grant(self, body: bytes, authorization: str = "", *, address: str = "") -> dict[str, Any]:
        """Answers a token request: a form, and possibly Basic credentials.

        `address` is the caller's. Raises TokenRequestError.
        """
        form = _form(body)
        if form.get("grant_type") != "client_credentials":
            has_type = "grant_type" in form
            raise TokenRequestError("unsupported_grant_type" if has_type else "invalid_request")
        client_id, secret = _credentials(form, authorization)
        self._authenticate(client_id, secret, address)
        allowed = self._grants[client_id].scopes
        scopes = frozenset(form.get("scope", "").split()) or allowed
        if not scopes <= allowed:
            raise TokenRequestError("invalid_scope")
        return {
            "access_token": self.token(client_id, scopes),
            "expires_in": self.lifetime,
            "token_type": "Bearer",
        }

    def token(self, client_id: str, scopes: frozenset[str]) -> str:
        kid, key = next(reversed(self._keys.items()))
        now = int(self._clock())
        claims = {
            "sub": client_id,
            "token_use": "access",
            "scope": " ".join(sorted(scopes)),
            "auth_time": now,
            "iss": self.url,
            "exp": now + self.lifetime,
            "iat": now,
            "version": 2,
            "jti": str(uuid.uuid4()),
            "client_id": client_id,
        }
        return jwt.encode(claims, key, algorithm="RS256", headers={"kid": kid})

    def _authenticate(self, client_id: str, secret: str, address: str) -> None:
        """Raises TokenRequestError."""
        _refuse_for(self._limits.wait(client_id, address))
        grant = self._grants.get(client_id)
        # Digests of equal length, for unknown clients too: the time leaks nothing.
        expected = grant.secret if grant else ""
        same = hmac.compare_digest(_digest(secret), _digest(expected))
        if not (grant and expected and same):
            self._limits.count_wrong(client_id, address)
            raise TokenRequestError("invalid_client", status=401)
        _refuse_for(self._limits.count_right(client_id, address))


def _refuse_for(seconds: float | None) -> None:
    """Raises TokenRequestError unless `seconds` is None; RFC 6585, section 4."""
    if seconds is not None:
        raise TokenRequestError("temporarily_unavailable", status=429, retry_after=seconds)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def _form(body: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(body.decode("ascii"), strict_parsing=True) if body else []
    except ValueError as error:
        raise TokenRequestError("invalid_request") from error
    if len(form := dict(pairs)) < len(pairs):
        raise TokenRequestError("invalid_request")
    return form


def _credentials(form: Mapping[str, str], authorization: str) -> tuple[str, str]:
    """RFC 6749, section 2.3: one method of authentication, and one client."""
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() != "basic":
        return form.get("client_id", ""), form.get("client_secret", "")
    client_id, secret = _basic(credentials)
    if "client_secret" in form or form.get("client_id", client_id) != client_id:
        raise TokenRequestError("invalid_request")
    return client_id, secret


def _basic(credentials: str) -> tuple[str, str]:
    try:
        text = base64.b64decode(credentials.strip(), validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise TokenRequestError("invalid_client", status=401) from error
    client_id, _, secret = text.partition(":")
    return unquote_plus(client_id), unquote_plus(secret)


def _load_keys(folder: Path) -> dict[str, rsa.RSAPrivateKey]:
    keys = {}
    for path in sorted(folder.glob(_KEYS)):
        key = _private_key(path.read_bytes())
        if not isinstance(key, rsa.RSAPrivateKey):
            raise ValueError(f"{path.name} holds no RSA key")
        keys[_thumbprint(key)] = key
    return keys


@lru_cache(8)
def _private_key(pem: bytes) -> PrivateKeyTypes:
    """Cached: OpenSSL checks the primes, which takes longer than all else here."""
    return serialization.load_pem_private_key(pem, password=None)


def _write(path: Path, pem: bytes) -> None:
    half = path.with_suffix(".half")
    descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(pem)
    half.replace(path)


def _public(kid: str, key: rsa.RSAPrivateKey) -> dict[str, Any]:
    return {**_numbers(key), "kid": kid, "use": "sig", "alg": "RS256"}


def _numbers(key: rsa.RSAPrivateKey) -> dict[str, str]:
    numbers = key.public_key().public_numbers()
    return {"e": _base64(numbers.e), "kty": "RSA", "n": _base64(numbers.n)}


def _base64(number: int) -> str:
    raw = number.to_bytes((number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _thumbprint(key: rsa.RSAPrivateKey) -> str:
    """RFC 7638."""
    text = json.dumps(_numbers(key), separators=(",", ":"), sort_keys=True)
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
