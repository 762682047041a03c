"""OAuth 2.0 client credentials: RFC 6749, sections 2.3.1, 4.4 and 5."""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
from collections import Counter
from urllib.parse import parse_qsl, unquote_plus

from seil.sandbox.base.messages import Reply
from seil.sandbox.techone.messages import TechOneApiError, TechOneRequest, json_reply
from seil.sandbox.techone.options import TechOneOptions
from seil.sandbox.techone.store import TechOneStore

PATH = "/oauth2/token"
_FORM = "application/x-www-form-urlencoded"
_NOT_CACHED = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class TechOneTokens:
    def __init__(self, store: TechOneStore, options: TechOneOptions) -> None:
        self._store = store
        self._options = options

    def answer(self, request: TechOneRequest) -> Reply:
        try:
            form = _form(request)
            self._check_client(request, form)
            _check_grant(form)
        except _GrantError as error:
            return error.reply
        token = secrets.token_urlsafe(48)
        lifetime = self._options.token_lifetime
        self._store.remember_token(token, self._options.now().timestamp() + lifetime)
        granted = {"access_token": token, "token_type": "Bearer", "expires_in": int(lifetime)}
        return json_reply(granted, headers=_NOT_CACHED)

    def require(self, request: TechOneRequest) -> None:
        """Raises TechOneApiError for a request without a valid token."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        now = self._options.now().timestamp()
        if scheme.lower() != "bearer" or not self._store.knows_token(token.strip(), now):
            raise TechOneApiError(
                401,
                "Authorization has been denied for this request.",
                headers={"WWW-Authenticate": "Bearer"},
            )

    def _check_client(self, request: TechOneRequest, form: dict[str, str]) -> None:
        header = request.headers.get("Authorization", "")
        in_form = "client_secret" in form
        if header and in_form:
            raise _GrantError(400, "invalid_request", "The client may log in in one way only.")
        client, secret = (
            _basic(header) if header else (form.get("client_id", ""), form.get("client_secret", ""))
        )
        is_known = hmac.compare_digest(client.encode(), self._options.client_id.encode())
        proven = hmac.compare_digest(secret.encode(), self._options.client_secret.encode())
        if not (is_known and proven):
            raise _GrantError(401, "invalid_client", "The client is not known, or its secret is.")


class _GrantError(Exception):
    """An error of RFC 6749, section 5.2."""

    def __init__(self, status: int, error: str, description: str) -> None:
        super().__init__(description)
        challenge = {"WWW-Authenticate": 'Basic realm="TechOne"'} if status == 401 else {}
        text = {"error": error, "error_description": description}
        self.reply = json_reply(text, status, {**_NOT_CACHED, **challenge})


def _form(request: TechOneRequest) -> dict[str, str]:
    """Refuses repeated parameters: section 3.2."""
    sent = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if sent != _FORM:
        raise _GrantError(400, "invalid_request", f"The request is to be sent as {_FORM}.")
    try:
        pairs = parse_qsl(request.body.decode("utf-8"), keep_blank_values=True)
    except ValueError as error:
        raise _GrantError(400, "invalid_request", "The form cannot be read.") from error
    if twice := [name for name, times in Counter(name for name, _ in pairs).items() if times > 1]:
        raise _GrantError(400, "invalid_request", f"{twice[0]} is there twice.")
    return dict(pairs)


def _check_grant(form: dict[str, str]) -> None:
    grant = form.get("grant_type", "")
    if not grant:
        raise _GrantError(400, "invalid_request", "grant_type is missing.")
    if grant != "client_credentials":
        raise _GrantError(400, "unsupported_grant_type", "Only client_credentials is offered.")


def _basic(header: str) -> tuple[str, str]:
    """Both parts are form-encoded: section 2.3.1."""
    scheme, _, encoded = header.partition(" ")
    try:
        text = base64.b64decode(encoded.strip(), validate=True).decode("utf-8")
    except (binascii.Error, ValueError):
        text = ""
    client, colon, secret = text.partition(":")
    if scheme.lower() != "basic" or not colon:
        raise _GrantError(401, "invalid_client", "The Authorization header cannot be read.")
    return unquote_plus(client), unquote_plus(secret)
