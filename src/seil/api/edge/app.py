"""The edge as one ASGI app."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi_offline import FastAPIOffline
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Scope

import seil
from seil.api.calls import Downstream
from seil.api.edge import problems
from seil.api.edge.dispatch import Dispatch, Limits
from seil.api.edge.document import complete
from seil.api.edge.frame import Frame
from seil.api.edge.gate import Gate, scopes_of
from seil.api.edge.health import Check, health_router
from seil.api.edge.refusals import operation_id
from seil.api.rate import RateLimit
from seil.api.tokens import Verifier

__all__ = ["EdgeOptions", "RouterOf", "build_edge"]

_ABOUT = """
Books and checks advertising in Google Ad Manager, and asks TechOne for rates and credit.

Every answer under `/v1` is in the envelope shown below each route, and carries the header
`X-Correlation-Id`. `errors[].code` says which error it is.
"""

_LICENSE = {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"}

Closer = Callable[[], AbstractAsyncContextManager[None]]
RouterOf = Callable[[Dispatch], APIRouter]


@dataclass(frozen=True)
class EdgeOptions:
    """`body_limit` is in bytes, `rate` in requests a minute and caller.

    `token_url` is where the docs page gets its tokens; without `docs` there is no such page.
    `contact` is an e-mail address or a page's.
    """

    project: str
    env: str
    body_limit: int = 1 << 20
    rate: int = 600
    limits: Limits = field(default_factory=Limits)
    contact: str = ""
    token_url: str = "/oauth2/token"  # noqa: S105 - a path, no secret
    checks: Mapping[str, Check] = field(default_factory=dict)
    docs: bool = True


def build_edge(
    verifier: Verifier,
    downstream: Downstream,
    options: EdgeOptions,
    routers: Iterable[RouterOf],
    *,
    beside: Iterable[APIRouter] = (),
    closer: Closer | None = None,
) -> ASGIApp:
    """`routers` make the routes of a system each; the routes of `beside` need no token.

    `closer` is entered while the app runs: what it built is closed with it.
    """
    app = (FastAPIOffline if options.docs else FastAPI)(
        docs_url="/docs" if options.docs else None,
        redoc_url=None,
        title="SEIL",
        version=seil.__version__,
        description=_ABOUT,
        contact=_contact(options.contact),
        license_info=dict(_LICENSE),
        lifespan=_lifespan(closer),
        generate_unique_id_function=operation_id,
        separate_input_output_schemas=True,
        redirect_slashes=False,
        # The frame's span covers refused requests, too.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    problems.install(app)
    dispatch = Dispatch(downstream, options.limits)
    read, write = scopes_of(options.project, options.env)
    # Taken over rather than included: an included router is searched twice for each request.
    parts = [router(dispatch) for router in routers]
    parts.append(health_router(verifier.keys, dispatch, options.checks))
    parts += beside
    app.router.routes[:0] = [route for part in parts for route in part.routes]
    document = _Document(app, options.token_url, {read: "Read", write: "Change"})
    # In place of the framework's own, which makes it in the loop.
    app.router.routes[:] = [route for route in app.routes if _path(route) != app.openapi_url]
    app.add_route(str(app.openapi_url), document.answer, include_in_schema=False)
    gate = Gate(verifier, read, write, RateLimit(options.rate))
    return Frame(
        app,
        gate=gate,
        body_limit=options.body_limit,
        route_of=partial(_route_of, app.router.routes),
    )


def _route_of(routes: Iterable[BaseRoute], scope: Scope) -> str:
    """The route's path where there is one, whether it takes the method or not."""
    fits = (route for route in routes if route.matches(scope)[0] is not Match.NONE)
    return next(map(_path, fits), "")


def _path(route: BaseRoute) -> str:
    return getattr(route, "path", "")


def _lifespan(closer: Closer | None) -> Any:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with closer() if closer else nullcontext():
            yield

    return lifespan


def _contact(address: str) -> dict[str, str]:
    kind = "email" if "@" in address else "url"
    return {"name": "Whoever operates this API", **({kind: address} if address else {})}


class _Document:
    """The OpenAPI document, with what the gate asks for before the framework is reached.

    It is made beside the loop: it takes a second, the first time.
    """

    def __init__(self, app: FastAPI, token_url: str, scopes: Mapping[str, str]) -> None:
        self._make = app.openapi
        self._complete = partial(complete, token_url=token_url, scopes=scopes)
        self._lock = threading.Lock()
        # By the prefix that a proxy in front takes off: its settings name it, no caller.
        self._contents: dict[str, bytes] = {}

    async def answer(self, request: Request) -> Response:
        prefix = request.scope.get("root_path", "").rstrip("/")
        content = self._contents.get(prefix) or await asyncio.to_thread(self._content, prefix)
        return Response(content, media_type="application/json")

    def _content(self, prefix: str) -> bytes:
        with self._lock:
            document = self._document
            servers = [{**one, "url": prefix or one["url"]} for one in document["servers"]]
            document = {**document, "servers": servers}
            return self._contents.setdefault(prefix, to_json(document))

    @cached_property
    def _document(self) -> dict[str, Any]:
        document = self._make()
        self._complete(document)
        return document
