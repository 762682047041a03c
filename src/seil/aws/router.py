"""A router function: the edge for one system, behind an API Gateway (HTTP API) or an ALB."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from mangum import Mangum

from seil.api.calls import Downstream
from seil.api.edge.app import RouterOf, build_edge
from seil.api.setup import edge_options, remote_verifier
from seil.aws.invoke import LambdaInvoke, lambda_client
from seil.aws.runtime import flush_traces, start
from seil.errors import ConfigurationError, Problem
from seil.settings import Settings

if TYPE_CHECKING:
    from mangum.types import ASGI
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["Router"]

_log = logging.getLogger(__name__)

_CURE = "set it with the function's environment"


class Router:
    """The handler of `system`, built when the first event comes. It never raises.

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
        if not _is_http(event):
            return _plain(400, "This function takes the events of an API Gateway or an ALB")
        with self._lock:
            try:
                return self._answered(event, context)
            except ConfigurationError as error:
                _log.critical("%s", error.message)
                return _plain(502, "The function is not set up")
            except Exception:  # noqa: BLE001 - the outermost barrier: the caller learns no details
                _log.exception("the event could not be read")
                return _plain(400, "The event could not be read")
            finally:
                flush_traces()

    def close(self) -> None:
        """Closes what was built; Lambda itself never does."""
        if self._loop is None:
            return
        for close in self._closing:
            self._loop.run_until_complete(close())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()
        self._loop = self._mangum = None

    def _answered(self, event: Any, context: Any) -> dict[str, Any]:
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
        options = replace(edge_options(settings), checks={})
        verifier, close = remote_verifier(settings)
        self._closing.append(close)
        app = build_edge(verifier, self._invoke(settings), options, [self._routes])
        return Mangum(cast("ASGI", _measured(app)), lifespan="off")


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


def _measured(app: ASGIApp) -> ASGIApp:
    """With the length of the body that the event has; HTTP/2 does not ask callers to say it."""

    async def measured(scope: Scope, receive: Receive, send: Send) -> None:
        message = await receive()
        length = str(len(message["body"])).encode()
        others = [(name, value) for name, value in scope["headers"] if name != b"content-length"]
        given = iter([message])

        async def replay() -> Message:
            return next(given, None) or await receive()

        await app({**scope, "headers": [*others, (b"content-length", length)]}, replay, send)

    return measured


def _is_http(event: Any) -> bool:
    context = event.get("requestContext") if isinstance(event, Mapping) else None
    return isinstance(context, Mapping) and ("http" in context or "elb" in context)


def _plain(status: int, message: str) -> dict[str, Any]:
    return {
        "statusCode": status,
        "headers": {"content-type": "application/json"},
        "body": json.dumps({"message": message}),
        "isBase64Encoded": False,
    }
