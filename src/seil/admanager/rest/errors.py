"""Translates the REST client's exceptions to seil.errors."""

from __future__ import annotations

from typing import Any

import requests
from google.api_core.exceptions import GoogleAPICallError
from google.auth.exceptions import GoogleAuthError, RefreshError, TransportError
from google.protobuf.json_format import ParseError
from urllib3.exceptions import ConnectTimeoutError, NewConnectionError

from seil.admanager.calls import SERVICE
from seil.errors import (
    ConflictError,
    LoginError,
    RequestRejectedError,
    SeilError,
    ThrottledError,
    TooSlowError,
    UnavailableError,
    UnexpectedAnswerError,
)
from seil.retry_after import retry_after

_HINT = "Check [admanager] in seil.toml and what the service account may do in Ad Manager"

_WORDS = ("status", "message")
_LONGEST_REASON = 2000


def translate_error(error: Exception, seconds: float) -> SeilError | None:
    """None for other exceptions."""
    if isinstance(error, GoogleAPICallError):
        return _response_error(error)
    if isinstance(error, GoogleAuthError):
        return token_error(error)
    if isinstance(error, requests.exceptions.RequestException):
        return transport_error(error, seconds)
    if isinstance(error, ParseError | UnicodeDecodeError | RecursionError):
        return UnexpectedAnswerError(SERVICE, "it is not JSON of the expected type")
    return None


def token_error(error: GoogleAuthError) -> SeilError:
    """No access token was issued, so that the call was not sent."""
    if isinstance(error, TransportError) or error.retryable:
        return UnavailableError(SERVICE, "no access token was issued", reached=False)
    code, description = "no_token", "Google refuses the service account"
    if isinstance(error, RefreshError) and len(error.args) > 1:
        body = error.args[1] if isinstance(error.args[1], dict) else {}
        code = tidy(body.get("error", code))
        description = tidy(body.get("error_description", description))
    return LoginError(SERVICE, code, description, hint=_HINT)


def transport_error(error: requests.exceptions.RequestException, seconds: float) -> SeilError:
    reached = not _never_connected(error)
    if isinstance(error, requests.exceptions.Timeout) and reached:
        return TooSlowError(SERVICE, round(seconds, 1))
    if isinstance(error, requests.exceptions.TooManyRedirects):
        return UnexpectedAnswerError(SERVICE, "it redirects to another address")
    if isinstance(error, requests.exceptions.ContentDecodingError):
        return UnexpectedAnswerError(SERVICE, "it cannot be decompressed")
    reason = "the connection broke" if reached else "it cannot be reached"
    return UnavailableError(SERVICE, reason, reached=reached)


def _never_connected(error: BaseException) -> bool:
    """Whether no connection was established, so that the request was not sent."""
    if isinstance(error, requests.exceptions.ConnectTimeout):
        return True
    cause = error.args[0] if error.args else None
    cause = getattr(cause, "reason", cause)
    return isinstance(cause, NewConnectionError | ConnectTimeoutError)


def _response_error(error: GoogleAPICallError) -> SeilError:
    status = int(error.code or 0)
    body = _body(error)
    word = tidy(body.get("status") or status)
    reason = tidy(reasons(body)) or "no reason is given"
    if status == 401 or (status == 403 and body):
        return LoginError(SERVICE, word, reason, hint=_HINT)
    if word == "ABORTED" or "CONCURRENT_MODIFICATION" in reason:
        return ConflictError(f"{SERVICE}: somebody else changed it at the same time: {reason}")
    text = reason if body else "no reason is given"
    after = _pause(getattr(error.response, "headers", {}), body)
    if status == 429 or word == "RESOURCE_EXHAUSTED":
        return ThrottledError(SERVICE, text, status=status, retry_after=after)
    if status == 408 or status >= 500 or not status:
        return UnavailableError(SERVICE, text, status=status or None, retry_after=after)
    if not body:  # From a proxy or another server: not the caller's fault.
        return UnexpectedAnswerError(SERVICE, f"status {status} without an error of Google's")
    return RequestRejectedError(SERVICE, word, reason, status=404 if status == 404 else 400)


def _body(error: GoogleAPICallError) -> dict[str, Any]:
    """The `error` of Google's JSON body (https://google.aip.dev/193); empty for anything else."""
    try:
        body = error.response.json()["error"]
    except (AttributeError, ValueError, KeyError, TypeError):
        return {}
    is_google = isinstance(body, dict) and any(isinstance(body.get(n), str) for n in _WORDS)
    return body if is_google else {}


def _pause(headers: Any, body: dict[str, Any]) -> float | None:
    """The header's, else that of a google.rpc.RetryInfo: "retryDelay": "3.5s"."""
    delays = (detail.get("retryDelay") for detail in _objects(body.get("details")))
    delay = next((delay for delay in delays if isinstance(delay, str)), "")
    return retry_after(headers.get("Retry-After") or delay.removesuffix("s"))


def reasons(body: dict[str, Any]) -> str:
    """All reasons in the body, each with its field and trigger."""
    texts = [reason for detail in _objects(body.get("details")) for reason in _of_detail(detail)]
    return "; ".join(dict.fromkeys(texts)) or str(body.get("message") or "")


def _of_detail(detail: dict[str, Any]) -> list[str]:
    if violations := _objects(detail.get("fieldViolations")):
        return [format_reason(v.get("description"), v.get("field")) for v in violations]
    if "errorCode" in detail or "fieldPath" in detail:
        parts = (detail.get(name) for name in ("message", "fieldPath", "errorCode", "trigger"))
        return [format_reason(*parts)]
    return []


def _objects(values: Any) -> list[dict[str, Any]]:
    """The objects in a list; empty for anything else."""
    return [item for item in values if isinstance(item, dict)] if isinstance(values, list) else []


def tidy(text: object) -> str:
    """On one line, truncated, without unpaired surrogates, which no answer can hold."""
    line = " ".join(str(text).split()).encode("utf-8", "replace").decode()
    return line if len(line) <= _LONGEST_REASON else f"{line[:_LONGEST_REASON]}..."


def format_reason(message: Any, field: Any, code: Any = "", trigger: Any = "") -> str:
    """As `lineItems[0].targeting: is required (RequiredError.REQUIRED; trigger: x)`."""
    trigger = f"trigger: {trigger}" if trigger else ""
    notes = "; ".join(str(note) for note in (code, trigger) if note)
    text = ": ".join(str(part) for part in (field, message) if part)
    return f"{text} ({notes})" if notes and text else text or notes
