"""The service account that may call the stand-in, and its tokens.

Google's server-to-server flow: https://developers.google.com/identity/protocols/oauth2/service-account
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from seil.sandbox.admanager.errors import AdManagerApiError, unauthenticated_error
from seil.sandbox.admanager.messages import AdManagerRequest, json_reply
from seil.sandbox.admanager.options import SCOPES
from seil.sandbox.admanager.store import NetworkStore
from seil.sandbox.base.messages import Reply

FILE_NAME = "service-account.json"
EMAIL = "seil@stand-in.invalid"
_BITS = 2048
_GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_LONGEST = 3600
_LEEWAY = 60
_DOTS_OF_JWT = 2
_TOKEN_ENDPOINT = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address
"""google-auth names it as the audience wherever the assertion goes."""
_API = "https://admanager.googleapis.com"


def key_file(folder: Path, url: str) -> Path:
    """The JSON key for a stand-in at `url`; the private key survives restarts."""
    file = folder / FILE_NAME
    key = _read(file) or _new_key()
    content = {**key, "token_uri": f"{url}/token"}
    if content != _read(file):
        _write(file, json.dumps(content, indent=2))
    return file


def _read(file: Path) -> dict[str, Any] | None:
    """None where it is missing or unusable."""
    try:
        document: dict[str, Any] = json.loads(file.read_text("utf-8"))
        load_pem_private_key(document["private_key"].encode(), password=None)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return document


def _new_key() -> dict[str, Any]:
    """In the format of the Google Cloud console's download."""
    pem = rsa.generate_private_key(public_exponent=65537, key_size=_BITS).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    return {
        "type": "service_account",
        "project_id": "stand-in",
        "private_key_id": secrets.token_hex(20),
        "private_key": pem.decode(),
        "client_email": EMAIL,
        "client_id": "100000000000000000001",
        "token_uri": "",
        "universe_domain": "googleapis.com",
    }


def _write(file: Path, text: str) -> None:
    """Replaced atomically; readable by its owner only at all times."""
    part = file.with_suffix(".part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as target:
        target.write(text)
    part.replace(file)


class AdManagerTokens:
    """POST /token, and the check of bearer tokens."""

    def __init__(self, store: NetworkStore, file: Path, lifetime: float) -> None:
        account: dict[str, Any] = json.loads(file.read_text("utf-8"))
        private = load_pem_private_key(account["private_key"].encode(), password=None)
        self._public = private.public_key().public_bytes(
            Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
        )
        self._email = account["client_email"]
        self._audience = account["token_uri"]
        self._store = store
        self._lifetime = lifetime

    def answer(self, request: AdManagerRequest) -> Reply:
        form = {
            name: values[0] for name, values in parse_qs(request.body.decode("latin-1")).items()
        }
        if form.get("grant_type") != _GRANT:
            return _oauth_error("unsupported_grant_type", f"Invalid grant_type: expected {_GRANT}")
        try:
            scopes = self._scopes_of(form.get("assertion", ""))
        except _OAuthError as error:
            return _oauth_error(*error.args)
        token = f"ya29.{secrets.token_urlsafe(48)}"
        self._store.remember_token(token, scopes, time.time() + self._lifetime)
        return json_reply(
            {"access_token": token, "expires_in": int(self._lifetime), "token_type": "Bearer"}
        )

    def require(self, request: AdManagerRequest, allowed: Collection[str]) -> None:
        """Raises AdManagerApiError without a valid token for one of these scopes."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise unauthenticated_error("MISSING_AUTHENTICATION_HTTP_HEADER")
        scopes = self._store.token_scopes(token.strip(), time.time())
        if scopes is None and token.count(".") == _DOTS_OF_JWT:
            scopes = self._self_signed(token.strip(), request)
        if scopes is None:
            raise unauthenticated_error("AUTHENTICATION_FAILED")
        if not scopes & set(allowed):
            raise AdManagerApiError(
                "PERMISSION_DENIED",
                "PermissionError",
                "PERMISSION_DENIED",
                "Request had insufficient authentication scopes.",
            )

    def _self_signed(self, token: str, request: AdManagerRequest) -> frozenset[str] | None:
        """A JWT of the account instead of a token: https://google.aip.dev/auth/4111.

        It names the API as its audience, or scopes. SOAP takes none.
        """
        import jwt

        try:
            claims = jwt.decode(
                token.encode(errors="surrogateescape"),
                self._public,
                algorithms=["RS256"],
                issuer=self._email,
                leeway=_LEEWAY,
                options={"require": ["iss", "sub", "exp", "iat"], "verify_aud": False},
            )
        except jwt.InvalidTokenError:
            return None
        if request.path.startswith("/apis/") or claims["sub"] != self._email:
            return None
        if scope := claims.get("scope"):
            return frozenset(str(scope).split())
        audiences = (_API, request.base_url, self._audience.removesuffix("/token"))
        audience = str(claims.get("aud", "")).rstrip("/")
        return frozenset(SCOPES) if audience in (*audiences, *map(_over_tls, audiences)) else None

    def _scopes_of(self, assertion: str) -> str:
        """The scopes that an assertion asks for: RFC 7523, section 3."""
        import jwt

        try:
            claims = jwt.decode(
                assertion,
                self._public,
                algorithms=["RS256"],
                audience=[self._audience, _TOKEN_ENDPOINT],
                issuer=self._email,
                leeway=_LEEWAY,
                options={"require": ["iss", "aud", "exp", "iat"]},
            )
        except jwt.InvalidTokenError as error:
            raise _OAuthError("invalid_grant", f"Invalid JWT: {error}") from error
        if claims["exp"] - claims["iat"] > _LONGEST:
            raise _OAuthError("invalid_grant", "Invalid JWT: it may last an hour at most")
        scopes = str(claims.get("scope", ""))
        if not scopes.split() or set(scopes.split()) - set(SCOPES):
            raise _OAuthError("invalid_scope", f"Some requested scopes are invalid: {scopes}")
        return scopes


class _OAuthError(Exception):
    """An OAuth error code (RFC 6749, section 5.2) and its description."""


def _over_tls(url: str) -> str:
    """The client library claims https even for http."""
    return url.replace("http://", "https://", 1)


def _oauth_error(error: str, description: str) -> Reply:
    return json_reply({"error": error, "error_description": description}, 400)
