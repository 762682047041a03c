from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any, cast

import httpx
import pytest
from fastapi import APIRouter
from tests.limits import HANGS

from seil.api.calls import Answer, ServiceCall
from seil.api.edge.app import EdgeOptions, RouterOf, build_edge
from seil.api.edge.dispatch import Dispatch, Limits
from seil.api.edge.routes_gam import gam_router
from seil.api.edge.routes_techone import techone_router
from seil.api.tokens import Expected, Verifier
from seil.sandbox.issuer.issuer import Issuer
from seil.sandbox.issuer.routes import issuer_router

READ, WRITE = "seil-dev-oauth-rs/get", "seil-dev-oauth-rs/post"


@dataclass
class Downstream:
    """A service's stand-in: remembers what it was asked, answers what the test wants."""

    calls: list[ServiceCall] = field(default_factory=list)
    reply: Callable[[ServiceCall], Awaitable[Answer]] | None = None

    async def call(self, call: ServiceCall) -> Answer:
        self.calls.append(call)
        return await self.reply(call) if self.reply else Answer(200, {"id": 1})

    @property
    def last(self) -> ServiceCall:
        return self.calls[-1]


@dataclass
class Edge:
    """The edge with a client that has a token."""

    client: httpx.AsyncClient
    downstream: Downstream
    issuer: Issuer

    def token(self, *scopes: str, client: str = "booking") -> str:
        return self.issuer.token(client, frozenset(scopes))

    async def send(
        self, method: str, path: str, *, scopes: tuple[str, ...] = (READ, WRITE), **options: Any
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token(*scopes)}"} | options.pop("headers", {})
        return await self.client.request(method, path, headers=headers, **options)


Build = Callable[..., Edge]


class _CurrentDispatch:
    """That of the edge built last, whose routes are those of the edges before it."""

    def __init__(self) -> None:
        self.dispatch: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.dispatch, name)


@cache
def _routes(router: RouterOf) -> tuple[_CurrentDispatch, APIRouter]:
    current = _CurrentDispatch()
    return current, router(cast("Dispatch", current))


def _built_once(router: RouterOf) -> RouterOf:
    """FastAPI takes longer to read the routes than most tests take."""

    def of(dispatch: Dispatch) -> APIRouter:
        current, routes = _routes(router)
        current.dispatch = dispatch
        return routes

    return of


@pytest.fixture
def downstream() -> Downstream:
    return Downstream()


@pytest.fixture
def build(issuer: Issuer, downstream: Downstream) -> Build:
    def make_edge(
        *, timeout: float = HANGS, failures: int = 5, pause: float = 30, **options: Any
    ) -> Edge:
        limits = Limits(timeout=timeout, failures=failures, pause=pause)
        app = build_edge(
            Verifier(Expected(issuer.url), issuer),
            downstream,
            EdgeOptions("seil", "dev", limits=limits, **options),
            (_built_once(gam_router), _built_once(techone_router)),
            open_routers=[issuer_router(issuer)],
        )
        transport = httpx.ASGITransport(app)
        return Edge(
            httpx.AsyncClient(transport=transport, base_url="http://edge.test"), downstream, issuer
        )

    return make_edge


@pytest.fixture
async def edge(build: Build) -> AsyncIterator[Edge]:
    edge_ = build()
    async with edge_.client:
        yield edge_
