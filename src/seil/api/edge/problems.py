"""The framework's errors in the contract's envelope."""

from __future__ import annotations

from http import HTTPStatus

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from seil.api.calls import Answer
from seil.api.edge.bodies import BodyError
from seil.api.edge.exchange import Exchange, exchange_of
from seil.api.edge.routes import methods_of
from seil.api.faults import faults_of

__all__ = ["install", "internal_error", "shutting_down"]

# 400: a body that the framework cannot parse as JSON.
_CODES = {400: "EC40002", 404: "EC40401", 405: "EC40501"}


def install(app: FastAPI) -> None:
    app.exception_handler(RequestValidationError)(_validation_error)
    app.exception_handler(BodyError)(_body_error)
    app.exception_handler(HTTPException)(_http_error)
    # The framework re-raises it after the answer, and the frame logs it.
    app.exception_handler(Exception)(_unexpected_error)


async def _validation_error(request: Request, error: RequestValidationError) -> Response:
    exchange = exchange_of(request)
    for problem in error.errors():
        if problem["type"] == "json_invalid":
            reason = problem.get("ctx", {}).get("error", problem["msg"])
            return exchange.refuse(400, "EC40002", f"The body is not JSON: {reason}")
        if problem["type"] == "missing" and tuple(problem["loc"]) == ("body",):
            return exchange.refuse(400, "EC40003", "The request has no body")
        if tuple(problem["loc"]) == ("body",) and not _is_json(request):
            text = f"Content-Type must be application/json (given: {_content_type(request)})"
            return exchange.refuse(400, "EC40004", text)
    return exchange.failure(Answer(400, errors=faults_of(error.errors())))


async def _body_error(request: Request, error: BodyError) -> Response:
    answer = Answer(error.status_code, errors=error.faults, retry_after=error.retry_after)
    return exchange_of(request).failure(answer)


async def _http_error(request: Request, error: HTTPException) -> Response:
    exchange = exchange_of(request)
    text = {
        400: "The body is not JSON that can be read",
        404: f"There is no {exchange.path}",
        405: f"{exchange.path} does not take {exchange.method}",
    }.get(error.status_code, str(error.detail))
    fault = _CODES.get(error.status_code, f"EC{error.status_code}01")
    response = exchange.refuse(error.status_code, fault, text)
    response.headers.update(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        response.headers["Allow"] = ", ".join(sorted(methods_of(request.app, request.scope)))
    return response


def internal_error(exchange: Exchange) -> Response:
    """Tells the caller the correlation id alone."""
    text = f"Something unexpected happened; quote {exchange.correlation_id}"
    return exchange.refuse(500, "EC50001", text)


def shutting_down(exchange: Exchange) -> Response:
    text = "The API is shutting down: the request's outcome is unknown"
    return exchange.refuse(502, "EC50206", text)


async def _unexpected_error(request: Request, _error: Exception) -> Response:
    return internal_error(exchange_of(request))


def _content_type(request: Request) -> str:
    return request.headers.get("content-type", "none")


def _is_json(request: Request) -> bool:
    kind = _content_type(request).partition(";")[0].strip().lower()
    return kind == "application/json" or kind.endswith("+json")
