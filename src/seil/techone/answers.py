"""What TechOne answers, read strictly: a number that is misread would be somebody's credit."""

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
    "mask_secret",
    "number_at_end",
    "object_of",
    "parse_json",
    "rate_of",
    "unavailable",
]

_COLUMNS = ("MAJOR_CCY_CODE", "TRANS_CCY_CODE", "START_DATEI", "END_DATEI", "EXCH_RATE_AMT")
_TRANSIENT = (408, 429, 500, 502, 503, 504)
# As in: Remaining credit limit for debtor C100=1597.14. A comma groups thousands where a point
# follows; without one, "1,597" may be a decimal comma.
_AT_END = re.compile(
    r"=[ ]*(-?(?:[0-9]{1,15}(?:\.[0-9]{1,6})?|[0-9]{1,3}(?:,[0-9]{3}){1,4}\.[0-9]{1,6}))\s*\Z"
)
# float() also takes "1_000" and " 1".
_PLAIN = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,15})?")
_ABSENT = re.compile(r"not (?:be )?(?:found|exist|known)|no such|unknown", re.IGNORECASE)
_LONGEST_TEXT = 300


def unavailable(answer: httpx.Response) -> UnavailableError | None:
    """The error where the same request may be answered later."""
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


def object_of(answer: httpx.Response, hidden: str) -> dict[str, Any]:
    """The JSON object of an answer that is none of the transient errors.

    Raises LoginError, RequestRejectedError, UnexpectedAnswerError; `hidden` is in none of them.
    """
    status, path = answer.status_code, answer.request.url.path
    if status in (401, 403):
        url = str(answer.request.url.copy_with(query=None, userinfo=b""))
        hint = "Check what [techone] client_id may do in TechOne"
        raise LoginError(url, str(status), "a new token is refused", hint=hint)
    document = parse_json(answer.content)
    if answer.is_client_error:
        # A 404 with messages is the function's own.
        if isinstance(document, dict) and "Messages" in document:
            raise _rejected(_messages(document)[0], hidden)
        if status == 404:
            raise UnexpectedAnswerError(SERVICE, f"there is no {path}")
        reason = _reason(document) or answer.reason_phrase
        raise RequestRejectedError(SERVICE, str(status), mask_secret(reason, hidden), status=400)
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
        raise UnexpectedAnswerError(SERVICE, "the rate is no object")
    if missing := [name for name in _COLUMNS if _is_blank(row.get(name))]:
        raise UnexpectedAnswerError(SERVICE, f"the rate has no {', '.join(missing)}")
    values = {name.lower(): row[name] for name in _COLUMNS}
    for name in ("start_datei", "end_datei"):
        # As a number too: 20261101.
        if type(values[name]) is int:
            values[name] = str(values[name])
    amount = values["exch_rate_amt"]
    if isinstance(amount, bool) or (isinstance(amount, str) and not _PLAIN.fullmatch(amount)):
        raise UnexpectedAnswerError(SERVICE, "EXCH_RATE_AMT cannot be read")
    # Which of the two is the ledger's own is the installation's matter.
    if [values["major_ccy_code"], values["trans_ccy_code"]] not in (["AUD", "USD"], ["USD", "AUD"]):
        raise UnexpectedAnswerError(SERVICE, "the rate is not of AUD and USD: check rate_path")
    try:
        return Rate.model_validate(values)
    except ValidationError as error:
        fields = ", ".join(str(wrong["loc"][0]).upper() for wrong in error.errors())
        raise UnexpectedAnswerError(SERVICE, f"{fields} cannot be read") from None


def credit_of(document: dict[str, Any], debtor: str, hidden: str) -> Credit:
    """Raises RequestRejectedError where TechOne's message is an error: 404 for no such debtor.

    An error's number is no credit: "There is no debtor with number=10042".
    """
    messages = _messages(document)
    if messages[0]["NotificationType"].casefold() == "error":
        raise _rejected(messages[0], hidden, debtor)
    numbers = [(message, number_at_end(message["Message"])) for message in messages]
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


def number_at_end(text: str) -> float | None:
    """The number after the last =, None where there is none that can be given exactly."""
    document = _AT_END.search(text)
    if document is None:
        return None
    exact = Decimal(document[1].replace(",", ""))
    number = float(exact)
    # 0.0 and not -0.0; a float tells 15 digits.
    return (number or 0.0) if Decimal(repr(number)) == exact else None


def mask_secret(text: object, hidden: str) -> str:
    """A far end's words on one line, not too many, and without our own secret in them."""
    line = " ".join(str(text or "").split()) or "no reason given"
    if hidden:
        line = line.replace(hidden, "****")
    return line if len(line) <= _LONGEST_TEXT else line[:_LONGEST_TEXT] + "..."


def _messages(document: dict[str, Any]) -> list[dict[str, str]]:
    """At least one; errors come first."""
    messages = document.get("Messages")
    if not isinstance(messages, list) or not messages:
        raise UnexpectedAnswerError(SERVICE, "it has no Messages")
    read = [_message(message) for message in messages]
    return sorted(read, key=lambda one: one["NotificationType"].casefold() != "error")


def _message(message: object) -> dict[str, str]:
    names = ("Code", "NotificationType", "Message")
    if not isinstance(message, dict):
        raise UnexpectedAnswerError(SERVICE, "a message is no object")
    values = {name: message.get(name) for name in names}
    if type(values["Code"]) is int:
        values["Code"] = str(values["Code"])
    if wrong := [name for name, value in values.items() if not isinstance(value, str)]:
        raise UnexpectedAnswerError(SERVICE, f"a message has no {', '.join(wrong)}")
    return {name: str(value) for name, value in values.items()}


def _rejected(message: dict[str, str], hidden: str, debtor: str = "") -> RequestRejectedError:
    reason, code = mask_secret(message["Message"], hidden), mask_secret(message["Code"], hidden)
    if not _ABSENT.search(reason):
        return RequestRejectedError(SERVICE, code, reason, status=400)
    if debtor:
        reason = f"there is no debtor {debtor}: {reason}"
    return RequestRejectedError(SERVICE, code, reason, status=404)


def _is_blank(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def parse_json(content: bytes) -> Any:
    try:
        document = json.loads(content)
        # Half of a surrogate pair, which no answer of ours could hold (RFC 7493, section 2.1).
        json.dumps(document, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return None
    return document


def _reason(document: Any) -> str:
    """As ASP.NET Web API words it: {"Message": ...}."""
    if not isinstance(document, dict):
        return ""
    return next(
        (v for k, v in document.items() if k.lower() == "message" and isinstance(v, str)), ""
    )
