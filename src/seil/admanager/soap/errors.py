"""What the SOAP client raises, in our terms."""

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
from seil.admanager.rest.errors import one_reason, tidy, transport_failed, unauthorized
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
# A fault's text begins with what its errors say: [ProposalActionError.NOT_APPLICABLE @ a.b].
_ERRORS = re.compile(r"^\[[^]]*]\s*")


def translated(error: Exception, seconds: float) -> SeilError | None:
    """None for what is not of the SOAP client."""
    match error:
        case googleads.GoogleAdsServerFault():
            translation = _fault(error)
        case GoogleAuthError():
            translation = unauthorized(error)
        case requests.exceptions.RequestException():
            translation = transport_failed(error, seconds)
        case googleads.GoogleAdsSoapTransportError():
            reason = "its interface description cannot be had"
            translation = UnavailableError(SERVICE, reason, reached=False)
        case ZeepLookupError() | ValidationError() | googleads.GoogleAdsValueError():
            translation = RequestRejectedError(SERVICE, "NOT_SUPPORTED", str(error), status=400)
        case TransportError():
            translation = answered_with(error.status_code or 0, {})
        case ZeepError() | LxmlError():
            translation = UnexpectedAnswerError(SERVICE, "it is not XML of the promised type")
        case _:
            return None
    return translation


def answered_with(status: int, headers: Any) -> SeilError:
    """Of an HTTP status instead of a SOAP answer."""
    if status in (401, 403):
        return LoginError(SERVICE, str(status), "it refuses the access token", hint=_HINT)
    reason, after = "it does not say why", retry_after(headers.get("Retry-After"))
    if status == 429:
        return ThrottledError(SERVICE, reason, status=status, retry_after=after)
    if status >= 500:
        return UnavailableError(SERVICE, reason, status=status, retry_after=after)
    return UnexpectedAnswerError(SERVICE, f"status {status} without a SOAP answer")


def _fault(error: googleads.GoogleAdsServerFault) -> SeilError:
    details = list(error.errors or ())
    codes = [str(getattr(one, "errorString", None) or "") for one in details]
    text = tidy(_reasons(details, codes, str(error)))
    code = next(filter(None, codes), "FAULT")
    if any(one.endswith("CONCURRENT_MODIFICATION") for one in codes):
        return ConflictError(f"{SERVICE}: somebody else changed it at the same time: {text}")
    if any(one.startswith(_ABORTING) for one in codes):
        return LoginError(SERVICE, code, text, hint=_HINT)
    if any(one.startswith(_THROTTLED) for one in codes):
        return ThrottledError(SERVICE, text)
    if any(one.startswith(_BUSY) for one in codes):
        return UnavailableError(SERVICE, text)
    if not details and _of_server(error):
        return UnavailableError(SERVICE, text)
    return RequestRejectedError(SERVICE, code, text, status=400)


def _of_server(error: googleads.GoogleAdsServerFault) -> bool:
    """Whether the fault says that it is not of the request (SOAP 1.1, section 4.4.1)."""
    code = str(getattr(error.__context__, "code", None) or "")
    return code.rpartition(":")[2].split(".")[0] == "Server"


def _reasons(details: list[Any], codes: list[str], fault: str) -> str:
    """Each with its place; where none has one, the fault's own words."""
    if any(getattr(one, name, None) for one in details for name in ("fieldPath", "trigger")):
        return "; ".join(dict.fromkeys(filter(None, map(_reason, details))))
    return one_reason(_ERRORS.sub("", fault), "", "; ".join(filter(None, codes)))


def _reason(one: Any) -> str:
    parts = (getattr(one, name, None) for name in ("fieldPath", "errorString", "trigger"))
    field, code, trigger = parts
    return one_reason("", field, code, trigger)
