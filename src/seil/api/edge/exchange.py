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

__all__ = ["ANSWER_LIMIT", "Exchange", "exchange_of", "json_response"]

# For the log alone: the caller has gone.
CALLER_LEFT = 499
_SCOPE_KEY = "seil.exchange"
# Scope key of a function from a body to the reason why it is too long for the carrier, or "".
ANSWER_LIMIT = "seil.answer_limit"
# In bytes of JSON: they keep a refusal, and its log line, under 16 kB.
_LONGEST_METHOD = 50
_LONGEST_PATH = 1_000
_LONGEST_ERRORS = 14_000
# Of each message, once all of them together are too long.
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
        self.method = _truncate(self.method, _LONGEST_METHOD)
        self.path = _truncate(self.path, _LONGEST_PATH)

    def attach(self, scope: MutableMapping[str, Any]) -> None:
        scope[_SCOPE_KEY] = self
        self.too_long = scope.get(ANSWER_LIMIT, self.too_long)

    def success(self, data: Mapping[str, Any]) -> Response:
        return json_response(
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
        return json_response(
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

    def refuse(self, code: int, fault: str, message: str) -> Response:
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
    error = {"code": fault.code, "message": _escape_surrogates(fault.message)}
    return error if fault.outcome is None else {**error, "ids": fault.ids, "outcome": fault.outcome}


def _errors(answer: Answer) -> list[dict[str, Any]]:
    """Truncated where they are too long: messages first, then the list, with a count of the rest.

    After a partial success all of them stay, for their ids.
    """
    errors = [_error(fault) for fault in answer.errors]
    if len(to_json(errors)) <= _LONGEST_ERRORS:
        return errors
    errors = [
        {**error, "message": _truncate(error["message"], _LONGEST_MESSAGE)} for error in errors
    ]
    if answer.done is not None:
        return errors
    fitting: list[dict[str, Any]] = []
    room = _LONGEST_ERRORS - 100
    for at, error in enumerate(errors):
        room -= len(to_json(error)) + 1
        if room < 0:
            more = f"and at least {len(errors) - at} more"
            return [*fitting, {"code": error["code"], "message": more}]
        fitting.append(error)
    return fitting


def _truncate(text: str, limit: int) -> str:
    """To `limit` bytes of JSON."""
    original = text
    while (length := len(to_json(text))) > limit:
        text = text[: len(text) * (limit - 5) // length]
    return text if text is original else f"{text}..."


def _escape_surrogates(text: str) -> str:
    r"""Escapes unpaired surrogates as \ud83d: JSON can name them, UTF-8 cannot hold them."""
    return text.encode("utf-8", "backslashreplace").decode()


def json_response(
    content: Mapping[str, Any], *, status: int, headers: Mapping[str, str] | None = None
) -> Response:
    """JSON without an envelope."""
    return Response(to_json(content), status, headers, media_type="application/json")
