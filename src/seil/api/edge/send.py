"""Sends validated requests to a service and answers in the envelope."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Annotated, Any

from fastapi import Header, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, ValidationError
from starlette.responses import Response

from seil.api.calls import Answer, ServiceCall, too_long
from seil.api.contract.envelope import Success
from seil.api.contract.operation import AnyOperation, Operation, RequestModel
from seil.api.departures import CallerLeftError
from seil.api.edge.bodies import run_off_loop
from seil.api.edge.dispatch import Dispatch
from seil.api.edge.exchange import CALLER_LEFT, exchange_of
from seil.api.faults import validation_faults

__all__ = ["IdempotencyKey", "Sender", "success", "values_of"]


IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description="Repeating key and body returns the first answer, without a second effect. "
        "Kept for a day, per caller and route.",
        examples=["a0B5g00000XyZ1aEAF-1"],
    ),
]


class Sender:
    """Sends operations to their service."""

    def __init__(self, dispatch: Dispatch) -> None:
        self._dispatch = dispatch

    async def __call__(
        self,
        request: Request,
        operation: Operation[RequestModel, Any],
        body: RequestModel,
        *,
        key: str | None = None,
    ) -> Response:
        _check_parameters(request)
        return await self._send(request, operation, body, key)

    async def from_values(
        self,
        request: Request,
        operation: AnyOperation,
        values: dict[str, Any],
        *,
        key: str | None = None,
    ) -> Response:
        """Builds the operation's request from path, query and body."""
        _check_parameters(request)  # First, so that a misspelt one is named.
        try:
            body = await run_off_loop(request, partial(operation.request.model_validate, values))
        except ValidationError as error:
            answer = Answer(400, errors=validation_faults(error))
            return exchange_of(request).failure(answer)
        return await self._send(request, operation, body, key)

    async def _send(
        self, request: Request, operation: AnyOperation, body: BaseModel, key: str | None
    ) -> Response:
        exchange = exchange_of(request)
        exchange.notes["operation"] = operation.name
        call = ServiceCall(
            operation.name,
            await run_off_loop(request, partial(values_of, body)),
            correlation_id=exchange.correlation_id,
            application_label=exchange.application_label or "",
            caller=exchange.caller,
            idempotency_key=key,
        )
        try:
            reply = await self._dispatch.answer(call, repeatable=not operation.effect)
        except CallerLeftError:
            return Response(status_code=CALLER_LEFT)
        if reply.code == 200 and reply.data is not None:
            response = exchange.success(reply.data)
            if not (reason := exchange.too_long(bytes(response.body))):
                return response
            reply = too_long(operation.name, reason, effect=operation.effect)
        return exchange.failure(reply)


def values_of(body: BaseModel) -> dict[str, Any]:
    """The fields that the caller sent, null included: it clears a value."""
    return body.model_dump(mode="json", by_alias=True, exclude_unset=True)


def success(operation: AnyOperation) -> Any:
    """The envelope's model around the operation's response."""
    return Success.__class_getitem__(operation.response)


def _check_parameters(request: Request) -> None:
    """Refuses unknown and repeated parameters, which would be ignored. Raises
    RequestValidationError.
    """
    if not request.scope["query_string"]:
        return
    route: APIRoute = request.scope["route"]
    parameters = {field.alias for field in route.dependant.query_params}
    choices = f"it takes {', '.join(sorted(parameters))}" if parameters else "the route takes none"
    counts = Counter(name for name, _ in request.query_params.multi_items())
    problems = [
        {"type": "extra_forbidden", "loc": ("query", name), "msg": f"is unknown: {choices}"}
        for name in counts
        if name not in parameters
    ]
    problems += [
        {"type": "too_many", "loc": ("query", name), "msg": "is given more than once"}
        for name, count in counts.items()
        if name in parameters and count > 1
    ]
    if problems:
        raise RequestValidationError(problems)
