"""The edge as one ASGI app."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi_offline import FastAPIOffline
from starlette.types import ASGIApp

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
`X-Correlation-Id`. Errors are told by `errors[].code`.
"""

Closer = Callable[[], AbstractAsyncContextManager[None]]
RouterOf = Callable[[Dispatch], APIRouter]


@dataclass(frozen=True)
class EdgeOptions:
    """`body_limit` is in bytes, `rate` in requests a minute and caller.

    `token_url` is where the docs page gets its tokens; without `docs` there is no such page.
    """

    project: str
    env: str
    body_limit: int = 1 << 20
    rate: int = 600
    limits: Limits = field(default_factory=Limits)
    token_url: str = "/oauth2/token"  # noqa: S105 - a path, no secret
    checks: Mapping[str, Check] = field(default_factory=dict)
    docs: bool = True


def build_edge(
    verifier: Verifier,
    downstream: Downstream,
    options: EdgeOptions,
    routers: Iterable[RouterOf],
    *,
    issuing: APIRouter | None = None,
    closer: Closer | None = None,
) -> ASGIApp:
    """`routers` make the routes of a system each, `issuing` those of an issuer in this process.

    `closer` is entered while the app runs: what it built is closed with it.
    """
    app = (FastAPIOffline if options.docs else FastAPI)(
        docs_url="/docs" if options.docs else None,
        redoc_url=None,
        title="SEIL",
        version=seil.__version__,
        description=_ABOUT,
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
    app.router.routes[:0] = [route for router in routers for route in router(dispatch).routes]
    app.include_router(health_router(verifier.keys, dispatch, options.checks))
    if issuing:
        app.include_router(issuing)
    _secure(app, options.token_url, {read: "Read", write: "Change"})
    gate = Gate(verifier, read, write, RateLimit(options.rate))
    return Frame(app, gate=gate, body_limit=options.body_limit)


def _lifespan(closer: Closer | None) -> Any:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        if closer is None:
            yield
            return
        async with closer():
            yield

    return lifespan


def _secure(app: FastAPI, token_url: str, scopes: Mapping[str, str]) -> None:
    """Says in the OpenAPI document what the gate asks for, before the framework is reached."""
    made = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema:
            return app.openapi_schema
        document = made()
        complete(document, token_url, scopes)
        return document

    app.openapi = openapi  # type: ignore[method-assign] # FastAPI's documented way to extend it
