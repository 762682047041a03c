"""A system's router, with the errors of its routes for the OpenAPI document."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import APIRouter
from fastapi.routing import APIRoute
from pydantic.alias_generators import to_camel

from seil.api.contract.envelope import CORRELATION, TIME, FailureEnvelope, Refusal
from seil.api.edge.bodies import JsonRoute

__all__ = ["RETRY_AFTER", "failures", "operation_id", "system_router"]

RETRY_AFTER: dict[str, Any] = {
    "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}
}
_FAILURES = {
    400: ("The request is invalid, or the system refuses it", "EC40001", "name: Field required"),
    404: ("Not found", "EC40402", "There is no order 1"),
    408: ("The body took too long to arrive", "EC40801", "The body did not arrive"),
    409: ("A concurrent change, or a repeated Idempotency-Key", "EC40901", "Modified meanwhile"),
    413: ("The body is too long", "EC41301", "The body is longer than 1048576 bytes"),
    429: ("Too many requests", "EC42901", "Too many requests; try again in 12 seconds"),
    500: ("Unexpected error", "EC50001", "Something unexpected happened"),
    502: ("The downstream system is down, or answers wrongly", "EC50201", "gam is not reachable"),
    503: ("No connection is free: nothing was done", "EC50301", "All 864 connections are taken"),
    504: ("The downstream system is too slow", "EC50401", "gam did not answer within 29 seconds"),
}


def system_router(system: str) -> APIRouter:
    """For all routes under /v1 and the system's name."""
    return APIRouter(
        prefix=f"/v1/{system}",
        tags=[system],
        responses=_refusals(),
        generate_unique_id_function=operation_id,
        route_class=JsonRoute,
    )


def operation_id(route: APIRoute) -> str:
    """In camelCase, a valid function name wherever clients are generated."""
    return to_camel(route.name)


def _refusals() -> dict[int | str, dict[str, Any]]:
    """The answers that every route under /v1 can give, with an example each."""
    return {
        401: _refusal("No token, or an invalid one", "Unauthorized"),
        403: _refusal("The token does not have the scope", "Forbidden"),
        **failures(*_FAILURES),
    }


def failures(*codes: int) -> dict[int | str, dict[str, Any]]:
    """The answers with these codes in the envelope, with an example each."""
    answers: dict[int | str, dict[str, Any]] = {}
    for code in codes:
        text, fault, message = _FAILURES[code]
        example = _example(code, fault, message)
        answers[code] = {"model": FailureEnvelope, "description": text, "content": _json(example)}
        if code in (429, 502, 503, 504):
            answers[code]["headers"] = dict(RETRY_AFTER)
    return answers


def _refusal(text: str, message: str) -> dict[str, Any]:
    return {"model": Refusal, "description": text, "content": _json({"message": message})}


def _json(example: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"example": example}}


def _example(code: int, fault: str, message: str) -> dict[str, Any]:
    return {
        "code": code,
        "message": HTTPStatus(code).phrase,
        "status": f"{code}000",
        "applicationLabel": "salesforce",
        "time": TIME,
        "correlationId": CORRELATION,
        "path": "/v1/gam/order",
        "method": "POST",
        "errors": [{"code": fault, "message": message}],
    }
