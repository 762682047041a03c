from __future__ import annotations

from typing import Any

import pytest
import requests
from google.auth.exceptions import RefreshError, TransportError
from googleads.errors import (
    GoogleAdsServerFault,
    GoogleAdsValueError,
)
from zeep.exceptions import TransportError as ZeepTransportError
from zeep.exceptions import ValidationError, XMLParseError

from seil.admanager.soap.errors import translate_error
from seil.errors import (
    ConflictError,
    LoginError,
    RequestRejectedError,
    SeilError,
    TooSlowError,
    UnavailableError,
    UnexpectedAnswerError,
)


class SoapError:
    """An ApiError as the SOAP client gives it."""

    def __init__(self, code: str, field: str = "", trigger: str = "") -> None:
        self.errorString = code
        self.fieldPath = field
        self.trigger = trigger


def fault(*errors: SoapError, text: str = "plain") -> Exception:
    error: Exception = GoogleAdsServerFault(None, errors=errors, message=text)
    return error


def raised(kind: Any, *errors: Any, **more: Any) -> Exception:
    """Of a class that has no types."""
    error: Exception = kind(*errors, **more)
    return error


FAULTS: list[Any] = [
    (
        fault(
            SoapError("RequiredError.REQUIRED", "a.b", "x"), SoapError("RangeError.TOO_HIGH", "c")
        ),
        RequestRejectedError,
        r"a\.b \(RequiredError\.REQUIRED; trigger: x\); c \(RangeError\.TOO_HIGH\)",
    ),
    (fault(), RequestRejectedError, "FAULT: plain"),
    (
        fault(
            SoapError("ParseError.UNPARSABLE"), text="[ParseError.UNPARSABLE @ ] PAGE is no scope"
        ),
        RequestRejectedError,
        r"PAGE is no scope \(ParseError\.UNPARSABLE\)",
    ),
    (
        fault(SoapError("DealError.X"), text="[DealError.X @ ]"),
        RequestRejectedError,
        r"DealError\.X: DealError\.X$",
    ),
    (fault(SoapError("CommonError.CONCURRENT_MODIFICATION")), ConflictError, "somebody else"),
    (fault(SoapError("PermissionError.PERMISSION_DENIED")), LoginError, "PERMISSION_DENIED"),
    (fault(SoapError("ApiVersionError.UPDATE_TO_NEWER_VERSION")), LoginError, "NEWER_VERSION"),
    (fault(SoapError("QuotaError.EXCEEDED_QUOTA")), UnavailableError, "EXCEEDED_QUOTA"),
    (raised(RefreshError, "no", {"error": "invalid_grant"}), LoginError, "invalid_grant"),
    (raised(RefreshError, "no"), LoginError, "no_token"),
    (raised(TransportError, "no"), UnavailableError, "no access token"),
    (requests.exceptions.ReadTimeout("slow"), TooSlowError, "within 3 seconds"),
    (requests.exceptions.ContentDecodingError("zip"), UnexpectedAnswerError, "decompressed"),
    (GoogleAdsValueError("no such thing"), RequestRejectedError, "no such thing"),
    (raised(ValidationError, "Missing element name"), RequestRejectedError, "Missing element name"),
    (raised(ZeepTransportError, "x", status_code=429), UnavailableError, "429"),
    (raised(ZeepTransportError, "x", status_code=302), UnexpectedAnswerError, "status 302"),
    (raised(XMLParseError, "x"), UnexpectedAnswerError, "not XML of the expected type"),
]


@pytest.mark.parametrize(("error", "kind", "text"), FAULTS, ids=lambda x: str(x)[:30])
def test_what_the_soap_client_raises_is_translated(
    error: Exception, kind: type[SeilError], text: str
) -> None:
    translated = translate_error(error, 3.0)
    assert isinstance(translated, kind)
    with pytest.raises(kind, match=text):
        raise translated


def test_what_is_not_of_the_soap_client_is_left() -> None:
    assert translate_error(RuntimeError("ours"), 3.0) is None
