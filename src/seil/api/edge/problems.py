"""The framework's own refusals in the contract's envelope."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from seil.api.calls import Answer, Fault
from seil.api.edge.exchange import exchange_of

__all__ = ["faults_of", "install"]

_MOST_FAULTS = 50
_LONGEST_VALUE = 60
_CODES = {404: "EC40401", 405: "EC40501"}
# Parts of a location that the framework adds and the caller never wrote.
_OURS = ("body", "query", "path", "header")


def install(app: FastAPI) -> None:
    app.exception_handler(RequestValidationError)(_invalid)
    app.exception_handler(HTTPException)(_refused)


def faults_of(errors: Sequence[Any], *, prefix: str = "") -> tuple[Fault, ...]:
    """What pydantic found wrong, a fault each: where, what, and the value where it is short."""
    faults = [
        Fault("EC40001", f"{_place(e['loc'], prefix)}: {e['msg']}{_given(e)}") for e in errors
    ]
    if (more := len(faults) - _MOST_FAULTS) > 0:
        return (*faults[:_MOST_FAULTS], Fault("EC40001", f"and {more} more"))
    return tuple(faults)


async def _invalid(request: Request, error: RequestValidationError) -> Response:
    exchange = exchange_of(request)
    for found in error.errors():
        if found["type"] == "json_invalid":
            reason = found.get("ctx", {}).get("error", found["msg"])
            return exchange.refused(400, "EC40002", f"The body is not JSON: {reason}")
        if found["type"] == "missing" and tuple(found["loc"]) == ("body",):
            return exchange.refused(400, "EC40003", "The request has no body")
    return exchange.failure(Answer(400, errors=faults_of(error.errors())))


async def _refused(request: Request, error: HTTPException) -> Response:
    exchange = exchange_of(request)
    text = {
        404: f"There is no {exchange.path}",
        405: f"{exchange.path} does not take {exchange.method}",
    }.get(error.status_code, str(error.detail))
    fault = _CODES.get(error.status_code, f"EC{error.status_code}01")
    response = exchange.refused(error.status_code, fault, text)
    response.headers.update(error.headers or {})
    return response


def _given(error: Any) -> str:
    value = error.get("input")
    if error["type"] == "missing" or not isinstance(value, str | int | float | bool | None):
        return ""
    text = json.dumps(value)
    return f" (given: {text})" if len(text) <= _LONGEST_VALUE else ""


def _place(location: Sequence[Any], prefix: str) -> str:
    parts = list(location)
    if parts and parts[0] in _OURS:
        parts = parts[1:] or parts
    text = prefix
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text or "the request"
