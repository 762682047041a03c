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
# Of an answer beside its body: status, headers, and the names of it all.
_ENVELOPE = 8192


class Router:
    """The handler of `system`, built when the first event comes. It never raises.

    A request ends before the function is killed, with an envelope that says what is known of it.
    `invoke` makes the way to the client function of the settings.
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
        self._invoke = invoke or _lambdas
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._mangum: Mangum | None = None
        self._closing: list[Callable[[], Any]] = []

    def __call__(self, event: Any, context: Any) -> dict[str, Any]:
        if not events.is_http(event):
            return _plain(400, "This function takes the events of an API Gateway or an ALB")
        with self._lock, deadline(seconds_left(context, reserve=RESERVE)):
            try:
                answer = self._answer(events.readable(event), context)
            except ConfigurationError as error:
                _log.critical("%s", error.message)
                answer = _plain(502, "The function is not set up")
            except Exception:  # noqa: BLE001 - the outermost barrier: the caller learns no details
                _log.exception("the event could not be read")
                answer = _plain(400, "The event could not be read")
            finally:
                flush_traces(context)
        return _described(answer) if events.is_balanced(event) else answer

    def close(self) -> None:
        """Closes what was built; Lambda itself never does."""
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
        # One loop for all events: connections and locks of one cannot be used in another.
        asyncio.set_event_loop(self._loop)
        if self._mangum is None:
            self._mangum = self._built()
        return self._mangum(event, context)

    def _built(self) -> Mangum:
        settings = start()
        _check(settings, self._system)
        # The secrets are the client functions' alone: there is nothing to look after here.
        options = replace(edge_options(settings), checks={}, docs=False)
        verifier, close = remote_verifier(settings)
        self._closing.append(close)
        app = build_edge(verifier, self._invoke(settings), options, [self._routes])
        return Mangum(cast("ASGI", _mended(app, f"/v1/{self._system}")), lifespan="off")


def _check(settings: Settings, system: str) -> None:
    """Raises ConfigurationError for what a router needs and does not have."""
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


def _lambdas(settings: Settings) -> Downstream:
    api = settings.api
    seconds = api.timeout.total_seconds()
    return LambdaInvoke(
        api.functions,
        lambda: lambda_client(seconds=seconds, workers=api.workers),
        workers=api.workers,
    )


def _mended(app: ASGIApp, routes: str) -> ASGIApp:
    """With what the event says, and Mangum does not read out of it: see `_scope`."""

    async def mended(scope: Scope, receive: Receive, send: Send) -> None:
        message = await receive()
        given = iter([message])

        async def replay() -> Message:
            return next(given, None) or await receive()

        await app(_scope(scope, len(message["body"]), routes), replay, send)

    return mended


def _scope(scope: Scope, body: int, routes: str) -> Scope:
    """The path without what a gateway put before it; the body's length, which HTTP/2 does not ask
    callers to say; and how long the answer may be.
    """
    event = scope["aws.event"]
    prefix, path = events.split_path(event, scope["path"], routes)
    headers = [(name, value) for name, value in scope["headers"] if name != b"content-length"]
    return {
        **scope,
        "path": path,
        # Names the stage in the OpenAPI document. Where a path of ours begins like it, the
        # framework would take it off that.
        "root_path": "" if path.startswith(prefix) else prefix,
        "headers": [*headers, (b"content-length", str(body).encode())],
        ANSWER_LIMIT: _over_balanced if events.is_balanced(event) else _over_payload,
    }


def _over_balanced(body: bytes) -> str:
    return _over(body, LONGEST_BALANCED, "the load balancer")


def _over_payload(body: bytes) -> str:
    return _over(body, LONGEST_PAYLOAD, "Lambda")


def _over(body: bytes, limit: int, carrier: str) -> str:
    if len(body) * 6 + _ENVELOPE <= limit:  # JSON in JSON: no byte becomes more than \u0000.
        return ""
    long = length(body.decode("utf-8", "replace")) + _ENVELOPE > limit
    return f"{carrier} carries {limit} bytes" if long else ""


def _described(answer: dict[str, Any]) -> dict[str, Any]:
    """As a load balancer's documentation shows it, with the status in words."""
    status = answer["statusCode"]
    with suppress(ValueError):
        return {**answer, "statusDescription": f"{status} {HTTPStatus(status).phrase}"}
    return answer


def _plain(status: int, message: str) -> dict[str, Any]:
    return {
        "statusCode": status,
        "headers": {"content-type": "application/json"},
        "body": json.dumps({"message": message}),
        "isBase64Encoded": False,
    }
