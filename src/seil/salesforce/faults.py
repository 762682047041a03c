"""Translates Salesforce's error answers to seil.errors.

Codes: https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/errorcodes.htm
The code takes precedence, since the same status has quite different meanings.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from seil.errors import (
    ConflictError,
    LoginError,
    ObjectRejectedError,
    QuotaExhaustedError,
    RequestRejectedError,
    SeilError,
    UnavailableError,
)
from seil.retry_after import retry_after

SERVICE = "Salesforce"
QUERY_TIMEOUT = "QUERY_TIMEOUT"

TRANSIENT_STATUS = frozenset({406, 408, 420, 425, 429, 500, 502, 503, 504})
_TRANSIENT_CODES = frozenset({"SERVER_UNAVAILABLE", "REQUEST_RUNNING_TOO_LONG"})
# Refused before any processing: RFC 6585 (429), RFC 8470 (425); 420 comes from the edge if it has
# no instance for the org yet. Not 408, which gateways send for forwarded requests too.
_UNPROCESSED_STATUS = frozenset({420, 425, 429})
_SESSION_CODES = frozenset({"INVALID_SESSION_ID", "Bad_OAuth_Token"})
_QUOTA_CODES = frozenset({"REQUEST_LIMIT_EXCEEDED", "LIMIT_EXCEEDED"})
_QUOTA_TEXT = re.compile(
    r"per 24 hrs has been (reached|exceeded)|result size stored", re.IGNORECASE
)
_CONCURRENT = re.compile(r"concurrent", re.IGNORECASE)
_LOGIN_HINTS = {
    "API_DISABLED_FOR_ORG": (
        "The org's edition or the user's profile lacks 'API Enabled', or API Access Control keeps"
        " the app out"
    ),
    "API_CURRENTLY_DISABLED": "Salesforce has switched the API off for now; ask its support",
    "ORG_LOCKED": "The org is locked; ask Salesforce's support",
    "INVALID_AUTH_HEADER": "The org does not take this kind of token",
    "CLIENT_NOT_ACCESSIBLE_FOR_USER": (
        "API Access Control: allow the app for the integration user, or give that user 'Use Any API"
        " Client'"
    ),
}
_HINTS = {
    "INVALIDENTITY": "Bulk API lacks it: set enabled = false for objects.{name} in objects.toml",
    "INVALID_FIELD": "Let the user read it, or exclude it for objects.{name} in objects.toml",
    "INVALID_TYPE": "Check the spelling, and that the integration user may read it",
    "NOT_FOUND": "Check the spelling, and that the integration user may read it",
    "API_ERROR": "Bulk queries need the permission 'View All Data' for some objects",
    "TXN_SECURITY_METERING_ERROR": "Exempt the integration user from transaction security",
    QUERY_TIMEOUT: "Exclude fields you do not need for objects.{name} in objects.toml",
    "OPERATION_TOO_LARGE": "Give the user 'View All Data': the org then ignores sharing rules",
    "FORBIDDEN": "The integration user lacks 'API Enabled' or may not read this object",
    "INSUFFICIENT_ACCESS": "The integration user may not read this object",
    "URI_TOO_LONG": "Exclude fields you do not need for objects.{name} in objects.toml",
}
_STATUS_CODES = {
    300: "MULTIPLE_RECORDS",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
    409: "CONFLICT",
    414: "URI_TOO_LONG",
    431: "URI_TOO_LONG",
}
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_MARKUP = re.compile(r"<[^>]*>")
_LONGEST_REASON = 300


class SessionExpiredError(Exception):
    """The session is no longer accepted; raise `refusal` if a new one is not either."""

    def __init__(self, refusal: SeilError) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


class OrgMovedError(SessionExpiredError):
    """The org answers with a redirect to the host `location`.

    It is not followed: a login returns the org's instance.
    """

    def __init__(self, refusal: SeilError, location: str) -> None:
        super().__init__(refusal)
        self.location = location


@dataclass(frozen=True)
class OrgAnswer:
    """A raw answer, whichever library fetched it; `headers` is case-insensitive."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str = ""

    @property
    def is_html(self) -> bool:
        return "html" in self.headers.get("Content-Type", "").lower() or self.starts_as_markup

    @property
    def starts_as_markup(self) -> bool:
        return self.body[:200].lstrip()[:1] == b"<"

    @property
    def retry_after(self) -> float | None:
        return retry_after(self.headers.get("Retry-After"))

    @property
    def location(self) -> str:
        """The host of a redirect; the rest of the URL may contain a session."""
        return urlsplit(self.headers.get("Location") or "").netloc or urlsplit(self.url).netloc

    @property
    def address(self) -> str:
        """Without the query string, which may contain a SOQL query."""
        return self.url.partition("?")[0]


def code_and_reason(answer: OrgAnswer) -> tuple[str, str]:
    """From a list of errors, one error, an OAuth error, or any other body."""
    try:
        content = json.loads(answer.body)
    except (ValueError, RecursionError):
        text = _strip_markup(answer.body)
        return (text, "") if text in _SESSION_CODES else ("", text)
    error = content[0] if isinstance(content, list) and content else content
    if not isinstance(error, dict):
        return "", ""
    code = _first_value(error, "errorCode", "exceptionCode", "error", "statusCode")
    return code, _first_value(error, "message", "exceptionMessage", "error_description")


def fault(answer: OrgAnswer, *, object_name: str = "") -> SeilError | SessionExpiredError:
    """The error to raise for `answer`; `object_name` is the call's object, if any."""
    code, reason = code_and_reason(answer)
    if code in _SESSION_CODES or answer.status == 401:
        description = reason or "Session expired or invalid"
        return SessionExpiredError(LoginError(answer.address, code or "401", description))
    if answer.status in _REDIRECTS:
        refusal = _rejection(answer, code, _redirect_reason(answer), object_name)
        return OrgMovedError(refusal, answer.location)
    return _error(answer, code, reason, object_name)


def _error(answer: OrgAnswer, code: str, reason: str, object_name: str) -> SeilError:
    if code in _LOGIN_HINTS:
        return LoginError(answer.address, code, reason, hint=_LOGIN_HINTS[code])
    if code == "UNABLE_TO_LOCK_ROW":
        return ConflictError(f"{SERVICE}: {code}: {reason}")
    if _is_quota(answer, code, reason):
        return QuotaExhaustedError(SERVICE, reason or code)
    if _is_transient(answer, code, reason):
        text = ": ".join(filter(None, (code, reason))) or "no reason given"
        return UnavailableError(
            SERVICE,
            text,
            status=answer.status,
            retry_after=answer.retry_after,
            reached=not _is_unprocessed(answer, code),
        )
    return _rejection(answer, code, reason, object_name)


def _is_quota(answer: OrgAnswer, code: str, reason: str) -> bool:
    """A daily limit; limits on concurrent requests are transient."""
    if answer.status == 429 or _CONCURRENT.search(reason):
        return False
    return code in _QUOTA_CODES or bool(_QUOTA_TEXT.search(reason))


def _is_transient(answer: OrgAnswer, code: str, reason: str) -> bool:
    if code in _HINTS and (answer.status < 500 or code == QUERY_TIMEOUT):
        return False
    if code in _TRANSIENT_CODES or code in _QUOTA_CODES:
        return True
    # Maintenance and "setting things up" pages come with arbitrary statuses.
    page = answer.is_html and answer.status not in (300, 404, 414, 431)
    return page or answer.status in TRANSIENT_STATUS


def _is_unprocessed(answer: OrgAnswer, code: str) -> bool:
    """Whether the request certainly had no effect; unknown after a 500, 502 or 504."""
    if answer.status in _UNPROCESSED_STATUS or code in _QUOTA_CODES:
        return True
    if answer.status >= 500:
        return answer.status == 503 and code == "SERVER_UNAVAILABLE"
    # An edge server's page: the request got no further.
    return answer.is_html


def _rejection(answer: OrgAnswer, code: str, reason: str, object_name: str) -> SeilError:
    code = code or _STATUS_CODES.get(answer.status, f"HTTP_{answer.status}")
    reason = reason or "no reason given"
    hint = _HINTS.get(code, "").format(name=object_name or "<object>")
    if answer.status in _REDIRECTS:
        hint = "Set login_url in [salesforce] to the org's My Domain"
    if object_name and code != "URI_TOO_LONG":
        return ObjectRejectedError(object_name, f"{code}: {reason}", code=code, hint=hint)
    return RequestRejectedError(SERVICE, code, reason, status=answer.status, hint=hint)


def _redirect_reason(answer: OrgAnswer) -> str:
    return f"it redirects to {answer.location}, even after a new login"


def _first_value(content: Mapping[str, Any], *names: str) -> str:
    return next((str(content[name]) for name in names if content.get(name)), "")


def _strip_markup(body: bytes) -> str:
    text = _MARKUP.sub(" ", body[:4000].decode("utf-8", "replace"))
    return " ".join(text.split())[:_LONGEST_REASON]
