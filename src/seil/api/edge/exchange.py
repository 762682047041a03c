"""One request and its answer in the contract's envelope."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from math import ceil
from typing import Any

from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from seil.api.calls import Answer, Fault

__all__ = ["ANSWER_LIMIT", "Exchange", "exchange_of", "plain"]

# For the log: nobody is there to read it.
CALLER_LEFT = 499
_SCOPE_KEY = "seil.exchange"
# A scope has here what says of a body why it is too long to be carried to the caller, or "".
ANSWER_LIMIT = "seil.answer_limit"
# In bytes of JSON: a refusal stays under 16 kB, and so does a line of the log, whatever was sent.
_LONGEST_METHOD = 50
_LONGEST_PATH = 1_000
_LONGEST_ERRORS = 14_000
# Of each message, where all of them are too long.
_LONGEST_MESSAGE = 500


@dataclass
class Exchange:
    """A request without its body.

    A long path or method is truncated.
    """

    method: str
    path: str
    correlation_id: str
    application_label: str | None
    caller: str = ""
    notes: dict[str, Any] = field(default_factory=dict)
    too_long: Callable[[bytes], str] = field(default=lambda _body: "", repr=False)

    def __post_init__(self) -> None:
        self.method = _cut(self.method, _LONGEST_METHOD)
        self.path = _cut(self.path, _LONGEST_PATH)

    def attach(self, scope: MutableMapping[str, Any]) -> None:
        scope[_SCOPE_KEY] = self
        self.too_long = scope.get(ANSWER_LIMIT, self.too_long)

    def success(self, data: Mapping[str, Any]) -> Response:
        return plain(
            {
                "code": 200,
                "message": "success",
                "status": "200000",
                **self._common(),
                "data": data,
            },
            status=200,
        )

    def failure(self, answer: Answer) -> Response:
        self.notes["errors"] = [fault.code for fault in answer.errors]
        headers = {}
        if answer.retry_after is not None:
            headers["Retry-After"] = str(max(1, ceil(answer.retry_after)))
        return plain(
            {
                "code": answer.code,
                "message": HTTPStatus(answer.code).phrase,
                "status": f"{answer.code}000",
                **self._common(),
                "errors": _errors(answer),
                **({} if answer.done is None else {"done": answer.done}),
            },
            status=answer.code,
            headers=headers,
        )

    def refused(self, code: int, fault: str, message: str) -> Response:
        return self.failure(Answer(code, errors=(Fault(fault, message),)))

    def _common(self) -> dict[str, Any]:
        return {
            "applicationLabel": self.application_label,
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "correlationId": self.correlation_id,
            "path": self.path,
            # A HEAD's Content-Length is that of the GET: RFC 9110, section 8.6.
            "method": "GET" if self.method == "HEAD" else self.method,
        }


def exchange_of(request: Request) -> Exchange:
    exchange: Exchange = request.scope[_SCOPE_KEY]
    return exchange


def _error(fault: Fault) -> dict[str, Any]:
    error = {"code": fault.code, "message": _utf8(fault.message)}
    return error if fault.outcome is None else {**error, "ids": fault.ids, "outcome": fault.outcome}


def _errors(answer: Answer) -> list[dict[str, Any]]:
    """All of them, or of too many as much as there is room for, and how many more there are.

    Where something was done, every error stays: its ids are needed.
    """
    errors = [_error(fault) for fault in answer.errors]
    if len(to_json(errors)) <= _LONGEST_ERRORS:
        return errors
    errors = [{**error, "message": _cut(error["message"], _LONGEST_MESSAGE)} for error in errors]
    if answer.done is not None:
        return errors
    first: list[dict[str, Any]] = []
    room = _LONGEST_ERRORS - 100
    for at, error in enumerate(errors):
        room -= len(to_json(error)) + 1
        if room < 0:
            more = f"and at least {len(errors) - at} more"
            return [*first, {"code": error["code"], "message": more}]
        first.append(error)
    return first


def _cut(text: str, most: int) -> str:
    """Its beginning, where the JSON of it is longer than `most` bytes."""
    whole = text
    while (length := len(to_json(text))) > most:
        text = text[: len(text) * (most - 5) // length]
    return text if text is whole else f"{text}..."


def _utf8(text: str) -> str:
    r"""JSON can name half of a surrogate pair, UTF-8 cannot: it is written as \ud83d."""
    return text.encode("utf-8", "backslashreplace").decode()


def plain(
    content: Mapping[str, Any], *, status: int, headers: Mapping[str, str] | None = None
) -> Response:
    """JSON without an envelope."""
    return Response(to_json(content), status, headers, media_type="application/json")
