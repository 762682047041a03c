"""A router function: the edge for one system, behind an API Gateway, an ALB or a function URL."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

from mangum import Mangum

from seil.api.calls import Downstream
from seil.api.edge.app import RouterOf, build_edge
from seil.api.edge.exchange import ANSWER_LIMIT
from seil.api.setup import edge_options, remote_verifier
from seil.aws import events
from seil.aws.invoke import LambdaInvoke, lambda_client
from seil.aws.limits import LONGEST_BALANCED, LONGEST_PAYLOAD, length, seconds_left
from seil.aws.runtime import RESERVE, flush_traces, start
from seil.deadline import deadline
from seil.errors import ConfigurationError, Problem
from seil.settings import Settings

if TYPE_CHECKING:
    from mangum.types import ASGI
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Router"]

_log = logging.getLogger(__name__)

_CURE = "set it with the function's environment"
# Bytes of an answer beside its body: status, headers and their JSON keys.
_ENVELOPE = 8192


class Router:
    """The handler of `system`, built at the first event. It never raises.

    A request is answered in the contract's envelope before Lambda's timeout. `invoke` builds the
    downstream from the settings; default: Lambda's Invoke.
    """

    def __init__(
        self,
        system: str,
        routes: RouterOf,
        *,
        invoke: Callable[[Settings], Downstream] | None = None,
    ) -> None:
        self._system = system
        self._routes = routes
        self._invoke = invoke or _lambda_downstream
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._mangum: Mangum | None = None
        self._closing: list[Callable[[], Any]] = []

    def __call__(self, event: Any, context: Any) -> dict[str, Any]:
        if not events.is_http(event):
            return _json_response(400, "This function takes the events of an API Gateway or an ALB")
        with self._lock, deadline(seconds_left(context, reserve=RESERVE)):
            try:
                answer = self._answer(events.drop_bad_host(event), context)
            except ConfigurationError as error:
                _log.critical("%s", error.message)
                answer = _json_response(502, "The function is not set up")
            except Exception:  # noqa: BLE001 - the outermost barrier: the caller learns no details
                _log.exception("the event could not be read")
                answer = _json_response(400, "The event could not be read")
            finally:
                flush_traces(context)
        return _with_status_description(answer) if events.is_balanced(event) else answer

    def close(self) -> None:
        """For tests: Lambda never closes a handler."""
        if self._loop is None:
            return
        for close in self._closing:
            self._loop.run_until_complete(close())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()
        self._loop = self._mangum = None

    def _answer(self, event: Any, context: Any) -> dict[str, Any]:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
        # One loop for all events: connections and locks belong to their loop.
        asyncio.set_event_loop(self._loop)
        if self._mangum is None:
            self._mangum = self._build_app()
        return self._mangum(event, context)

    def _build_app(self) -> Mangum:
        settings = start()
        _check(settings, self._system)
        # No checks: only the client functions hold secrets.
        options = replace(edge_options(settings), checks={}, docs=False)
        verifier, close = remote_verifier(settings)
        self._closing.append(close)
        app = build_edge(verifier, self._invoke(settings), options, [self._routes])
        return Mangum(cast("ASGI", _with_event_scope(app, f"/v1/{self._system}")), lifespan="off")


def _check(settings: Settings, system: str) -> None:
    """Raises ConfigurationError with every setting that a router lacks."""
    api = settings.api
    problems = []
    if not api.issuer:
        problems.append(Problem("api.issuer", "is not set: SEIL_API__ISSUER", _CURE))
    if system not in api.functions:
        problems.append(
            Problem("api.functions", f"does not name {system}: SEIL_API__FUNCTIONS", _CURE)
        )
    if problems:
        raise ConfigurationError(problems)


def _lambda_downstream(settings: Settings) -> Downstream:
    api = settings.api
    seconds = api.timeout.total_seconds()
    return LambdaInvoke(
        api.functions,
        lambda: lambda_client(seconds=seconds, workers=api.workers),
        workers=api.workers,
    )


def _with_event_scope(app: ASGIApp, routes: str) -> ASGIApp:
    """Completes the ASGI scope from the event: see `_scope`."""

    async def complete(scope: Scope, receive: Receive, send: Send) -> None:
        body = await receive()
        replayed = iter([body])

        async def replay() -> Message:
            return next(replayed, None) or await receive()

        await app(_scope(scope, len(body["body"]), routes), replay, send)

    return complete


def _scope(scope: Scope, body: int, routes: str) -> Scope:
    """Strips the gateway's prefix from the path, and adds the body's length, which HTTP/2 callers
    may omit, and the limit of the answer.
    """
    event = scope["aws.event"]
    prefix, path = events.split_path(event, scope["path"], routes)
    headers = [(name, value) for name, value in scope["headers"] if name != b"content-length"]
    return {
        **scope,
        "path": path,
        # The stage, for the OpenAPI document. The framework strips root_path from the path, so
        # it is left out where a route itself begins with it.
        "root_path": "" if path.startswith(prefix) else prefix,
        "headers": [*headers, (b"content-length", str(body).encode())],
        ANSWER_LIMIT: _over_balanced if events.is_balanced(event) else _over_payload,
    }


def _over_balanced(body: bytes) -> str:
    return _over_limit(body, LONGEST_BALANCED, "the load balancer")


def _over_payload(body: bytes) -> str:
    return _over_limit(body, LONGEST_PAYLOAD, "Lambda")


def _over_limit(body: bytes, limit: int, carrier: str) -> str:
    if len(body) * 6 + _ENVELOPE <= limit:  # In JSON a byte takes six at most: \u0000.
        return ""
    is_over = length(body.decode("utf-8", "replace")) + _ENVELOPE > limit
    return f"{carrier} carries {limit} bytes" if is_over else ""


def _with_status_description(answer: dict[str, Any]) -> dict[str, Any]:
    """With the `statusDescription` that load balancers document."""
    status = answer["statusCode"]
    with suppress(ValueError):
        return {**answer, "statusDescription": f"{status} {HTTPStatus(status).phrase}"}
    return answer


def _json_response(status: int, message: str) -> dict[str, Any]:
    return {
        "statusCode": status,
        "headers": {"content-type": "application/json"},
        "body": json.dumps({"message": message}),
        "isBase64Encoded": False,
    }
