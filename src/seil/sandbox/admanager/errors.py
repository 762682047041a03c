"""Errors with Ad Manager's names, for both of its APIs.

Kinds and reasons: https://developers.google.com/ad-manager/api/reference/v202608/CommonErrors;
statuses: https://google.aip.dev/193 and https://cloud.google.com/apis/design/errors.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

Status: TypeAlias = Literal[
    "INVALID_ARGUMENT",
    "FAILED_PRECONDITION",
    "UNAUTHENTICATED",
    "PERMISSION_DENIED",
    "NOT_FOUND",
    "ABORTED",
    "RESOURCE_EXHAUSTED",
    "INTERNAL",
    "UNIMPLEMENTED",
    "UNAVAILABLE",
]

HTTP_STATUS: dict[str, int] = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ABORTED": 409,
    "RESOURCE_EXHAUSTED": 429,
    "INTERNAL": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
}

_DOMAIN = "admanager.googleapis.com"
# The errors for unknown ids of some collections; for those of others, CommonError.NOT_FOUND.
_DANGLING = {
    "geoTargets": ("GeoTargetingError", "UNTARGETABLE_LOCATION"),
    "customTargetingKeys": ("CustomTargetingError", "KEY_NOT_FOUND"),
    "customTargetingValues": ("CustomTargetingError", "VALUE_NOT_FOUND"),
    "audienceSegments": ("CustomTargetingError", "INVALID_AUDIENCE_SEGMENTS"),
    "customFields": ("CustomFieldValueError", "CUSTOM_FIELD_NOT_FOUND"),
}


class AdManagerApiError(Exception):
    """`kind` and `reason` are those of the SOAP API (`OrderActionError`, `NOT_APPLICABLE`), `field`
    is the path of what is wrong, `trigger` its value.
    """

    def __init__(
        self,
        status: Status,
        kind: str,
        reason: str,
        message: str,
        *,
        field: str = "",
        trigger: str = "",
    ) -> None:
        super().__init__(f"{kind}.{reason}: {message}")
        self.status: Status = status
        self.kind = kind
        self.reason = reason
        self.message = message
        self.field = field
        self.trigger = trigger

    @property
    def http_status(self) -> int:
        return HTTP_STATUS[self.status]

    @property
    def code(self) -> str:
        return f"{self.kind}.{self.reason}" if self.reason else self.kind

    @property
    def body(self) -> dict[str, Any]:
        """As REST answers it."""
        detail = {
            "errorCode": self.code,
            "message": self.message,
            "fieldPath": self.field,
            "trigger": self.trigger,
        }
        details = [
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": self.reason or self.status,
                "domain": _DOMAIN,
            },
            {
                "@type": "type.googleapis.com/google.ads.admanager.v1.AdManagerError",
                **{name: value for name, value in detail.items() if value},
            },
        ]
        return {
            "error": {
                "code": self.http_status,
                "message": self.message,
                "status": self.status,
                "details": details,
            }
        }


def rejection(
    kind: str, reason: str, message: str, *, field: str = "", trigger: object = ""
) -> AdManagerApiError:
    """A value that breaks a rule of Ad Manager's own."""
    text = str(trigger)
    return AdManagerApiError("INVALID_ARGUMENT", kind, reason, message, field=field, trigger=text)


def invalid(message: str, *, field: str = "", trigger: str = "") -> AdManagerApiError:
    return AdManagerApiError(
        "INVALID_ARGUMENT", "RequestError", "INVALID_INPUT", message, field=field, trigger=trigger
    )


def required_error(field: str) -> AdManagerApiError:
    return AdManagerApiError(
        "INVALID_ARGUMENT", "RequiredError", "REQUIRED", f"{field} is required", field=field
    )


def not_found(what: str, *, field: str = "") -> AdManagerApiError:
    return AdManagerApiError(
        "NOT_FOUND", "CommonError", "NOT_FOUND", f"{what} was not found", field=field, trigger=what
    )


def dangling(what: str, *, field: str, collection: str = "") -> AdManagerApiError:
    """A field refers to something that does not exist."""
    kind, reason = _DANGLING.get(collection, ("CommonError", "NOT_FOUND"))
    return rejection(kind, reason, f"{what} was not found", field=field, trigger=what)


def not_applicable(kind: str, message: str, *, reason: str = "NOT_APPLICABLE") -> AdManagerApiError:
    """The object's state does not allow the action."""
    return AdManagerApiError("FAILED_PRECONDITION", kind, reason, message)


def modified_concurrently() -> AdManagerApiError:
    return AdManagerApiError(
        "ABORTED",
        "CommonError",
        "CONCURRENT_MODIFICATION",
        "The object was modified by another request",
    )


def quota_exceeded() -> AdManagerApiError:
    return AdManagerApiError(
        "RESOURCE_EXHAUSTED", "QuotaError", "EXCEEDED_QUOTA", "The network's quota is used up"
    )


def unauthenticated_error(reason: str) -> AdManagerApiError:
    messages = {
        "MISSING_AUTHENTICATION_HTTP_HEADER": "Request is missing required authentication"
        " credential. Expected OAuth 2 access token.",
        "AUTHENTICATION_FAILED": "Request had invalid authentication credentials."
        " Expected OAuth 2 access token.",
    }
    return AdManagerApiError("UNAUTHENTICATED", "AuthenticationError", reason, messages[reason])
