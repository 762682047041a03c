"""The framework's own refusals in the contract's envelope."""

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

__all__ = ["broken", "install", "stopping"]

# 400: a body that the framework cannot read as JSON at all.
_CODES = {400: "EC40002", 404: "EC40401", 405: "EC40501"}


def install(app: FastAPI) -> None:
    app.exception_handler(RequestValidationError)(_invalid)
    app.exception_handler(BodyError)(_unfit)
    app.exception_handler(HTTPException)(_refused)
    # The framework raises it again after the answer, for the frame to log.
    app.exception_handler(Exception)(_broken)


async def _invalid(request: Request, error: RequestValidationError) -> Response:
    exchange = exchange_of(request)
    for problem in error.errors():
        if problem["type"] == "json_invalid":
            reason = problem.get("ctx", {}).get("error", problem["msg"])
            return exchange.refused(400, "EC40002", f"The body is not JSON: {reason}")
        if problem["type"] == "missing" and tuple(problem["loc"]) == ("body",):
            return exchange.refused(400, "EC40003", "The request has no body")
        if tuple(problem["loc"]) == ("body",) and not _json(request):
            text = f"Content-Type has to be application/json (given: {_content_type(request)})"
            return exchange.refused(400, "EC40004", text)
    return exchange.failure(Answer(400, errors=faults_of(error.errors())))


async def _unfit(request: Request, error: BodyError) -> Response:
    answer = Answer(error.status_code, errors=error.faults, retry_after=error.retry_after)
    return exchange_of(request).failure(answer)


async def _refused(request: Request, error: HTTPException) -> Response:
    exchange = exchange_of(request)
    text = {
        400: "The body is not JSON that can be read",
        404: f"There is no {exchange.path}",
        405: f"{exchange.path} does not take {exchange.method}",
    }.get(error.status_code, str(error.detail))
    fault = _CODES.get(error.status_code, f"EC{error.status_code}01")
    response = exchange.refused(error.status_code, fault, text)
    response.headers.update(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        response.headers["Allow"] = ", ".join(sorted(methods_of(request.app, request.scope)))
    return response


def broken(exchange: Exchange) -> Response:
    """The caller learns nothing but where to ask."""
    text = f"Something unexpected happened; quote {exchange.correlation_id}"
    return exchange.refused(500, "EC50001", text)


def stopping(exchange: Exchange) -> Response:
    text = "The API stops: what came of the request is not known"
    return exchange.refused(502, "EC50206", text)


async def _broken(request: Request, _error: Exception) -> Response:
    return broken(exchange_of(request))


def _content_type(request: Request) -> str:
    return request.headers.get("content-type", "none")


def _json(request: Request) -> bool:
    kind = _content_type(request).partition(";")[0].strip().lower()
    return kind == "application/json" or kind.endswith("+json")
