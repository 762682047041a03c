"""Errors with the real service's codes, messages and shapes.

Status codes and error codes: https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/errorcodes.htm
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any


class OrgApiError(Exception):
    """Answered with `status` and `body`; can be raised anywhere below a handler."""

    def __init__(
        self, status: int, code: str, message: str, *, fields: Sequence[str] | None = None
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.fields = fields

    @property
    def body(self) -> Any:
        entry: dict[str, Any] = {"message": self.message, "errorCode": self.code}
        if self.fields is not None:
            entry["fields"] = list(self.fields)
        return [entry]


class OAuthError(OrgApiError):
    """An error object, not a list: RFC 6749, section 5.2."""

    @property
    def body(self) -> Any:
        return {"error": self.code, "error_description": self.message}


class AmbiguousIdError(OrgApiError):
    """Several records have the external id: answered with their URLs."""

    def __init__(self, addresses: Sequence[str]) -> None:
        super().__init__(300, "MULTIPLE_CHOICES", "more than one record has this external id")
        self.addresses = tuple(addresses)

    @property
    def body(self) -> Any:
        return list(self.addresses)


def not_found(message: str = "The requested resource does not exist") -> OrgApiError:
    return OrgApiError(404, "NOT_FOUND", message)


def session_expired() -> OrgApiError:
    return OrgApiError(401, "INVALID_SESSION_ID", "Session expired or invalid")


def unreadable_json(reason: str) -> OrgApiError:
    return OrgApiError(400, "JSON_PARSER_ERROR", reason)


def processing_halted(reason: str) -> OrgApiError:
    return OrgApiError(400, "PROCESSING_HALTED", reason)


def method_refused(method: str, allowed: Sequence[str]) -> OrgApiError:
    methods = ", ".join(sorted(allowed))
    return OrgApiError(
        405, "METHOD_NOT_ALLOWED", f"HTTP Method '{method}' not allowed. Allowed are {methods}"
    )


def query_error(text: str, at: int, code: str, reason: str) -> OrgApiError:
    """`at` is the error's offset in the query; the reply points at it."""
    start = max(0, at - 40)
    excerpt = " ".join(text[start : at + 40].splitlines())
    row = text.count("\n", 0, at) + 1
    column = at - text.rfind("\n", 0, at)
    pointer = " " * (at - start) + "^"
    where = f"ERROR at Row:{row}:Column:{column}"
    return OrgApiError(400, code, f"\n{excerpt}\n{pointer}\n{where}\n{reason}")
