"""Translates the SOAP client's exceptions to seil.errors."""

from __future__ import annotations

import re
from typing import Any

import requests
from google.auth.exceptions import GoogleAuthError
from googleads import errors as googleads
from lxml.etree import LxmlError
from zeep.exceptions import Error as ZeepError
from zeep.exceptions import LookupError as ZeepLookupError
from zeep.exceptions import TransportError, ValidationError

from seil.admanager.calls import SERVICE
from seil.admanager.rest.errors import format_reason, tidy, token_error, transport_error
from seil.errors import (
    ConflictError,
    LoginError,
    RequestRejectedError,
    SeilError,
    ThrottledError,
    UnavailableError,
    UnexpectedAnswerError,
)
from seil.retry_after import retry_after

_HINT = "Check [admanager] in seil.toml and what the service account may do in Ad Manager"
_ABORTING = ("AuthenticationError.", "PermissionError.", "ApiVersionError.")
_BUSY = ("ServerError.", "InternalApiError.")
_THROTTLED = "QuotaError."
# A fault's text begins with its errors: [ProposalActionError.NOT_APPLICABLE @ a.b].
_ERRORS = re.compile(r"^\[[^]]*]\s*")


def translate_error(error: Exception, seconds: float) -> SeilError | None:
    """None for other exceptions."""
    match error:
        case googleads.GoogleAdsServerFault():
            translation = _fault(error)
        case GoogleAuthError():
            translation = token_error(error)
        case requests.exceptions.RequestException():
            translation = transport_error(error, seconds)
        case googleads.GoogleAdsSoapTransportError():
            reason = "its WSDL cannot be fetched"
            translation = UnavailableError(SERVICE, reason, reached=False)
        case ZeepLookupError() | ValidationError() | googleads.GoogleAdsValueError():
            translation = RequestRejectedError(SERVICE, "NOT_SUPPORTED", str(error), status=400)
        case TransportError():
            translation = status_error(error.status_code or 0, {})
        case ZeepError() | LxmlError():
            translation = UnexpectedAnswerError(SERVICE, "it is not XML of the expected type")
        case _:
            return None
    return translation


def status_error(status: int, headers: Any) -> SeilError:
    """For an HTTP status without a SOAP answer."""
    if status in (401, 403):
        return LoginError(SERVICE, str(status), "it refuses the access token", hint=_HINT)
    reason, after = "no reason is given", retry_after(headers.get("Retry-After"))
    if status == 429:
        return ThrottledError(SERVICE, reason, status=status, retry_after=after)
    if status >= 500:
        return UnavailableError(SERVICE, reason, status=status, retry_after=after)
    return UnexpectedAnswerError(SERVICE, f"status {status} without a SOAP answer")


def _fault(error: googleads.GoogleAdsServerFault) -> SeilError:
    details = list(error.errors or ())
    codes = [str(getattr(detail, "errorString", None) or "") for detail in details]
    text = tidy(_reasons(details, codes, str(error)))
    code = next(filter(None, codes), "FAULT")
    if any(c.endswith("CONCURRENT_MODIFICATION") for c in codes):
        return ConflictError(f"{SERVICE}: somebody else changed it at the same time: {text}")
    if any(c.startswith(_ABORTING) for c in codes):
        return LoginError(SERVICE, code, text, hint=_HINT)
    if any(c.startswith(_THROTTLED) for c in codes):
        return ThrottledError(SERVICE, text)
    if any(c.startswith(_BUSY) for c in codes):
        return UnavailableError(SERVICE, text)
    if not details and _is_server_fault(error):
        return UnavailableError(SERVICE, text)
    return RequestRejectedError(SERVICE, code, text, status=400)


def _is_server_fault(error: googleads.GoogleAdsServerFault) -> bool:
    """Whether the fault blames the server (SOAP 1.1, section 4.4.1)."""
    code = str(getattr(error.__context__, "code", None) or "")
    return code.rpartition(":")[2].split(".")[0] == "Server"


def _reasons(details: list[Any], codes: list[str], fault: str) -> str:
    """Each with its field; the fault's text where none has a field or trigger."""
    if any(getattr(d, name, None) for d in details for name in ("fieldPath", "trigger")):
        return "; ".join(dict.fromkeys(filter(None, map(_reason, details))))
    return format_reason(_ERRORS.sub("", fault), "", "; ".join(filter(None, codes)))


def _reason(detail: Any) -> str:
    parts = (getattr(detail, name, None) for name in ("fieldPath", "errorString", "trigger"))
    field, code, trigger = parts
    return format_reason("", field, code, trigger)
