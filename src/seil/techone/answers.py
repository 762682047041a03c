"""Parses TechOne's answers strictly: a misread number would be a wrong credit limit."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from http import HTTPStatus
from typing import Any

import httpx
from pydantic import ValidationError

from seil.errors import (
    LoginError,
    RequestRejectedError,
    ThrottledError,
    UnavailableError,
    UnexpectedAnswerError,
)
from seil.retry_after import retry_after
from seil.techone.models import Credit, Rate
from seil.techone.wire import SERVICE

__all__ = [
    "credit_of",
    "json_object",
    "mask_secret",
    "parse_json",
    "rate_of",
    "trailing_number",
    "transient_error",
]

_COLUMNS = ("MAJOR_CCY_CODE", "TRANS_CCY_CODE", "START_DATEI", "END_DATEI", "EXCH_RATE_AMT")
_TRANSIENT = (408, 429, 500, 502, 503, 504)
# "Remaining credit limit for debtor C100=1597.14". Commas group thousands only before a decimal
# point: in "1,597" it could be a decimal comma.
_TRAILING_NUMBER = re.compile(
    r"=[ ]*(-?(?:[0-9]{1,15}(?:\.[0-9]{1,6})?|[0-9]{1,3}(?:,[0-9]{3}){1,4}\.[0-9]{1,6}))\s*\Z"
)
# Stricter than float(), which accepts "1_000" and " 1".
_DECIMAL = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,15})?")
_NOT_FOUND = re.compile(r"not (?:be )?(?:found|exist|known)|no such|unknown", re.IGNORECASE)
_LONGEST_TEXT = 300


def transient_error(answer: httpx.Response) -> UnavailableError | None:
    """The error where a retry may succeed; None for every other status."""
    status = answer.status_code
    if status not in _TRANSIENT:
        return None
    error = ThrottledError if status == HTTPStatus.TOO_MANY_REQUESTS else UnavailableError
    return error(
        SERVICE,
        answer.reason_phrase or "no reason given",
        status=status,
        retry_after=retry_after(answer.headers.get("Retry-After")),
    )


def json_object(answer: httpx.Response, secret: str) -> dict[str, Any]:
    """The body of an answer that has no transient error.

    Raises LoginError, RequestRejectedError, UnexpectedAnswerError, with `secret` masked.
    """
    status, path = answer.status_code, answer.request.url.path
    if status in (401, 403):
        url = str(answer.request.url.copy_with(query=None, userinfo=b""))
        hint = "Check what [techone] client_id may do in TechOne"
        raise LoginError(url, str(status), "it refuses a new token", hint=hint)
    document = parse_json(answer.content)
    if answer.is_client_error:
        # A 404 with messages comes from the function, not from the server.
        if isinstance(document, dict) and "Messages" in document:
            raise _rejection(_messages(document)[0], secret)
        if status == 404:
            raise UnexpectedAnswerError(SERVICE, f"there is no {path}")
        reason = _reason(document) or answer.reason_phrase
        raise RequestRejectedError(SERVICE, str(status), mask_secret(reason, secret), status=400)
    if status != 200:
        raise UnexpectedAnswerError(SERVICE, f"its status is {status}")
    if document is None:
        raise UnexpectedAnswerError(SERVICE, "it is not JSON")
    if not isinstance(document, dict):
        raise UnexpectedAnswerError(SERVICE, "it is not a JSON object")
    return document


def rate_of(document: dict[str, Any]) -> Rate:
    rows = document.get("DataSet")
    if not isinstance(rows, list):
        raise UnexpectedAnswerError(SERVICE, "it has no DataSet")
    if len(rows) != 1:
        raise UnexpectedAnswerError(SERVICE, f"DataSet has {len(rows)} rows, not one")
    row = rows[0]
    if not isinstance(row, dict):
        raise UnexpectedAnswerError(SERVICE, "the rate is not an object")
    if missing := [name for name in _COLUMNS if _is_blank(row.get(name))]:
        raise UnexpectedAnswerError(SERVICE, f"the rate has no {', '.join(missing)}")
    values = {name.lower(): row[name] for name in _COLUMNS}
    for name in ("start_datei", "end_datei"):
        # Dates also come as numbers: 20261101.
        if type(values[name]) is int:
            values[name] = str(values[name])
    amount = values["exch_rate_amt"]
    if isinstance(amount, bool) or (isinstance(amount, str) and not _DECIMAL.fullmatch(amount)):
        raise UnexpectedAnswerError(SERVICE, "EXCH_RATE_AMT cannot be read")
    # Which of the two is the ledger's currency depends on the installation.
    if [values["major_ccy_code"], values["trans_ccy_code"]] not in (["AUD", "USD"], ["USD", "AUD"]):
        raise UnexpectedAnswerError(SERVICE, "the rate is not between AUD and USD: check rate_path")
    try:
        return Rate.model_validate(values)
    except ValidationError as error:
        fields = ", ".join(str(e["loc"][0]).upper() for e in error.errors())
        raise UnexpectedAnswerError(SERVICE, f"{fields} cannot be read") from None


def credit_of(document: dict[str, Any], debtor: str, secret: str) -> Credit:
    """Raises RequestRejectedError where TechOne's message is an error: 404 for an unknown debtor.

    Errors come first, as they can end in a number too: "There is no debtor with number=10042".
    """
    messages = _messages(document)
    if messages[0]["NotificationType"].casefold() == "error":
        raise _rejection(messages[0], secret, debtor)
    numbers = [(message, trailing_number(message["Message"])) for message in messages]
    matching = [(message, number) for message, number in numbers if number is not None]
    if len(matching) > 1:
        raise UnexpectedAnswerError(SERVICE, f"{len(matching)} messages end in =<number>, not one")
    if not matching:
        raise UnexpectedAnswerError(SERVICE, "its message does not end in =<number>")
    message, number = matching[0]
    return Credit(
        code=message["Code"],
        notification_type=message["NotificationType"],
        remaining_credit_limit=number,
    )


def trailing_number(text: str) -> float | None:
    """The number after the last =; None where there is none, or a float cannot hold it exactly."""
    match = _TRAILING_NUMBER.search(text)
    if match is None:
        return None
    exact = Decimal(match[1].replace(",", ""))
    number = float(exact)
    # `or 0.0` turns -0.0 into 0.0. A float holds 15 digits.
    return (number or 0.0) if Decimal(repr(number)) == exact else None


def mask_secret(text: object, secret: str) -> str:
    """The far end's text on one line, truncated, with `secret` masked."""
    line = " ".join(str(text or "").split()) or "no reason given"
    if secret:
        line = line.replace(secret, "****")
    return line if len(line) <= _LONGEST_TEXT else line[:_LONGEST_TEXT] + "..."


def _messages(document: dict[str, Any]) -> list[dict[str, str]]:
    """At least one; errors come first."""
    messages = document.get("Messages")
    if not isinstance(messages, list) or not messages:
        raise UnexpectedAnswerError(SERVICE, "it has no Messages")
    parsed = [_message(message) for message in messages]
    return sorted(parsed, key=lambda m: m["NotificationType"].casefold() != "error")


def _message(message: object) -> dict[str, str]:
    names = ("Code", "NotificationType", "Message")
    if not isinstance(message, dict):
        raise UnexpectedAnswerError(SERVICE, "a message is not an object")
    values = {name: message.get(name) for name in names}
    if type(values["Code"]) is int:
        values["Code"] = str(values["Code"])
    if missing := [name for name, value in values.items() if not isinstance(value, str)]:
        raise UnexpectedAnswerError(SERVICE, f"a message has no {', '.join(missing)}")
    return {name: str(value) for name, value in values.items()}


def _rejection(message: dict[str, str], secret: str, debtor: str = "") -> RequestRejectedError:
    reason, code = mask_secret(message["Message"], secret), mask_secret(message["Code"], secret)
    if not _NOT_FOUND.search(reason):
        return RequestRejectedError(SERVICE, code, reason, status=400)
    if debtor:
        reason = f"there is no debtor {debtor}: {reason}"
    return RequestRejectedError(SERVICE, code, reason, status=404)


def _is_blank(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def parse_json(content: bytes) -> Any:
    """None where it is not JSON that UTF-8 can hold."""
    try:
        document = json.loads(content)
        # Rejects unpaired surrogates, which UTF-8 cannot encode (RFC 7493, section 2.1).
        json.dumps(document, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    return document


def _reason(document: Any) -> str:
    """The reason in an error of ASP.NET Web API: {"Message": ...}."""
    if not isinstance(document, dict):
        return ""
    return next(
        (v for k, v in document.items() if k.lower() == "message" and isinstance(v, str)), ""
    )
