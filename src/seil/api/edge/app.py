"""The edge as one ASGI app."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

import seil
from seil.api.calls import Downstream
from seil.api.edge import problems
from seil.api.edge.dispatch import Dispatch, Limits
from seil.api.edge.document import OpenApiDocument
from seil.api.edge.frame import Frame
from seil.api.edge.gate import Gate, scopes_of
from seil.api.edge.health import ReadinessCheck, health_router
from seil.api.edge.refusals import operation_id
from seil.api.edge.routes import path_of
from seil.api.rate import RateLimit
from seil.api.tokens import Verifier

__all__ = ["EdgeOptions", "RouterOf", "build_edge"]

_ABOUT = """
Books and checks advertising in Google Ad Manager, and reads rates and credit from TechOne.

Every answer under `/v1` is in the envelope shown below each route, and carries the header
`X-Correlation-Id`. `errors[].code` identifies the error.
"""

_LICENSE = {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"}

_DOCUMENT = "/openapi.json"
_DOCS_FILES = "/static-offline-docs"

Closer = Callable[[], AbstractAsyncContextManager[None]]
RouterOf = Callable[[Dispatch], APIRouter]


@dataclass(frozen=True)
class EdgeOptions:
    """`body_limit` is in bytes, `rate` in requests a minute per caller.

    `token_url` is the docs page's token endpoint; `docs` serves that page. `contact` is an e-mail
    address or a URL.
    """

    project: str
    env: str
    body_limit: int = 1 << 20
    rate: int = 600
    limits: Limits = field(default_factory=Limits)
    contact: str = ""
    token_url: str = "/oauth2/token"  # noqa: S105 - a path, no secret
    checks: Mapping[str, ReadinessCheck] = field(default_factory=dict)
    docs: bool = True


def build_edge(
    verifier: Verifier,
    downstream: Downstream,
    options: EdgeOptions,
    routers: Iterable[RouterOf],
    *,
    open_routers: Iterable[APIRouter] = (),
    closer: Closer | None = None,
) -> ASGIApp:
    """Each of `routers` builds a system's routes; those of `open_routers` need no token.

    `closer` is entered while the app runs, and closes its resources.
    """
    dispatch = Dispatch(downstream, options.limits)
    parts = [router(dispatch) for router in routers]
    parts.append(health_router(verifier.keys, dispatch, options.checks))
    parts += open_routers
    app = FastAPI(
        # Flat, as included routers would be matched twice.
        routes=[route for part in parts for route in part.routes],
        # Both are served below: the document from a thread, the page without a CDN.
        openapi_url=None,
        docs_url=None,
        title="SEIL",
        version=seil.__version__,
        description=_ABOUT,
        contact=_contact(options.contact),
        license_info=dict(_LICENSE),
        lifespan=_lifespan(closer),
        generate_unique_id_function=operation_id,
        separate_input_output_schemas=True,
        redirect_slashes=False,
        # The frame has the span, which covers refused requests too.
        telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False},
    )
    problems.install(app)
    read, write = scopes_of(options.project, options.env)
    document = OpenApiDocument(app, options.token_url, {read: "Read", write: "Change"})
    app.add_route(_DOCUMENT, document.response, include_in_schema=False)
    if options.docs:
        _add_docs_page(app)
    gate = Gate(verifier, read, write, RateLimit(options.rate))
    return Frame(app, gate=gate, body_limit=options.body_limit, route_of=partial(path_of, app))


def _add_docs_page(app: FastAPI) -> None:
    import fastapi_offline
    from fastapi.openapi.docs import get_swagger_ui_html
    from fastapi.staticfiles import StaticFiles

    files = Path(fastapi_offline.__file__).parent / "static"
    app.mount(_DOCS_FILES, StaticFiles(directory=files))

    @app.get("/docs", include_in_schema=False)
    async def docs(request: Request) -> Response:
        prefix = request.scope.get("root_path", "")
        return get_swagger_ui_html(
            openapi_url=f"{prefix}{_DOCUMENT}",
            title=app.title,
            swagger_js_url=f"{prefix}{_DOCS_FILES}/swagger-ui-bundle.js",
            swagger_css_url=f"{prefix}{_DOCS_FILES}/swagger-ui.css",
            swagger_favicon_url=f"{prefix}{_DOCS_FILES}/favicon.png",
        )


def _lifespan(closer: Closer | None) -> Any:
    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with closer() if closer else nullcontext():
            yield

    return lifespan


def _contact(address: str) -> dict[str, str]:
    kind = "email" if "@" in address else "url"
    return {"name": "Whoever operates this API", **({kind: address} if address else {})}
