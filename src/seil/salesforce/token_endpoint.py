"""An org's token endpoint, and cures for its refusals.

https://help.salesforce.com/s/articleView?id=sf.remoteaccess_oauth_flows.htm
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import httpx

from seil.errors import LoginError, UnavailableError
from seil.salesforce.faults import SERVICE, TRANSIENT_STATUS, OrgAnswer, code_and_reason

PostForm = Callable[[str, dict[str, str], tuple[str, str] | None], httpx.Response]

APP_NOT_FOUND = "app_not_found"
_INSTALL = (
    "Install the app in this org: External Client App Manager (or Connected Apps OAuth Usage >"
    " Install); a refreshed sandbox has lost it, deploy it from production"
)
_BLOCKED = (
    "API Access Control blocks the app: allow it for the integration user, or give that user"
    " 'Use Any API Client'; an app that is not installed is blocked too"
)
# Parts of Salesforce's descriptions in lower case, and cures; the first match counts.
_CURES = (
    ("not installed in this org", _INSTALL),
    ("must be installed into org", _INSTALL),
    ("blocked by admin", _BLOCKED),
    ("user hasn't approved", "Pre-authorize the user's profile for the app"),
    (
        "audience is invalid",
        "Set login_url in [salesforce] to the org's My Domain, and leave audience out",
    ),
    (
        "expired access/refresh token",
        "The refresh token is spent or revoked: get a new one with `seil login`",
    ),
    ("expired authorization code", "Check this machine's clock: the assertion came too late"),
    ("invalid assertion", "private_key does not belong to the app's certificate"),
    ("request not supported on this domain", "Set login_url to your My Domain"),
    ("no client credentials user", "Set a run-as user for the app"),
    ("login rate exceeded", "Too many logins of this user; wait an hour"),
    ("ip restricted", "Relax the IP restrictions of the app or the profile"),
    ("inactive user", "Activate the integration user"),
    ("authentication failure", "Check the user, and whether it may log in through the API"),
    ("client identifier invalid", "client_id is not known there; a new app takes ten minutes"),
    ("invalid client credentials", "client_secret does not belong to client_id"),
    ("redirect_uri", "Add the callback URL to the app, as `seil login` shows it"),
)
_CODE_CURES = {
    APP_NOT_FOUND: _INSTALL,
    "OAUTH_EC_APP_NOT_FOUND": _INSTALL,
    "OAUTH_APP_BLOCKED": _BLOCKED,
    "OAUTH_APPROVAL_ERROR_GENERIC": _INSTALL,
    "invalid_client_id": "client_id is not known there; a new app takes ten minutes",
    "invalid_client": "client_secret does not belong to client_id",
    "inactive_org": "The org is locked, closed or being moved",
    "inactive_user": "Activate the integration user",
    "invalid_app_access": _BLOCKED,
    "access_denied": "Allow the access in the browser, as the integration user",
    "unsupported_grant_type": "Switch this OAuth flow on in the app",
}


class TokenEndpoint:
    """`post` sends a form to a URL, with HTTP Basic where a pair is given. Callers retry."""

    def __init__(self, login_url: str, post: PostForm) -> None:
        self.login_url = login_url
        self._post = post

    def grant(self, form: dict[str, str], basic: tuple[str, str] | None = None) -> dict[str, Any]:
        """Raises LoginError, and UnavailableError, which is worth a retry."""
        url = f"{self.login_url.rstrip('/')}/services/oauth2/token"
        response = self._post(url, form, basic)
        content = _json(response)
        if response.status_code == 200 and isinstance(content, dict):
            return content
        answer = OrgAnswer(response.status_code, response.headers, response.content, url)
        code, description = code_and_reason(answer)
        if answer.status == 200 or answer.status in TRANSIENT_STATUS or code == "unknown_error":
            raise UnavailableError(
                f"{SERVICE} login",
                description or code or "an empty answer",
                status=answer.status,
                retry_after=answer.retry_after,
            )
        if code:
            raise refusal(self.login_url, code, description)
        raise _not_a_login(self.login_url, answer, description)


def refusal(login_url: str, code: str, description: str) -> LoginError:
    """With the cure as its hint."""
    lower = description.lower()
    cures = (cure for part, cure in _CURES if part in lower)
    return LoginError(login_url, code, description, hint=next(cures, _CODE_CURES.get(code, "")))


def is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def is_safe(url: str) -> bool:
    """Whether secrets may be sent there."""
    scheme = urlsplit(url).scheme
    return scheme == "https" or (scheme == "http" and is_loopback(url))


def _not_a_login(login_url: str, answer: OrgAnswer, description: str) -> LoginError:
    hint = "Check login_url in [salesforce]: it does not accept logins"
    if 300 <= answer.status < 400:
        description = description or f"it redirects to {answer.location}"
        hint = "Set login_url in [salesforce] to the org's My Domain"
    return LoginError(login_url, f"HTTP {answer.status}", description, hint=hint)


def _json(response: httpx.Response) -> Any:
    try:
        return response.json()
    except (ValueError, RecursionError):
        return None
