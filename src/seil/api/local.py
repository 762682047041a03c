"""Edge and services in one process, as `seil serve` runs them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import ExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from seil.api.edge.app import build_edge
from seil.api.edge.routes_gam import gam_router
from seil.api.edge.routes_techone import techone_router
from seil.api.in_process import InProcess
from seil.api.services.request_file import SqliteStore
from seil.api.setup import check_issuer, edge_options, expected_tokens, remote_verifier
from seil.api.tokens import Verifier
from seil.settings import Settings

if TYPE_CHECKING:
    from fastapi import APIRouter
    from starlette.types import ASGIApp

    from seil.api.keys import KeySource

__all__ = ["build_local"]


def build_local(
    settings: Settings, *, keys: KeySource | None = None, routers: Iterable[APIRouter] = ()
) -> ASGIApp:
    """`keys` are those of `[api] issuer`; default: read from its JWKS. `routers` are served beside
    the API's own, without a token.

    Raises ConfigurationError, also if `[api] issuer` is not set.
    """
    from seil.admanager.client import AdManager
    from seil.api.services.gam import gam_service
    from seil.api.services.techone import techone_service
    from seil.techone.client import TechOne

    check_issuer(settings)
    api = settings.api
    resources = ExitStack()
    requests = SqliteStore(api.state / "requests.sqlite", age=api.idempotency_age.total_seconds())
    resources.callback(requests.close)
    techone = resources.enter_context(TechOne(settings.techone))
    seconds = api.service_timeout.total_seconds()
    services = {
        "gam": gam_service(AdManager(settings.admanager), requests, seconds=seconds),
        "techone": techone_service(techone, requests, seconds=seconds),
    }
    downstream = InProcess(services, workers=api.workers)
    # Registered last, closed first: running calls store their outcomes before the store closes.
    resources.callback(downstream.close)
    verifier, close_keys = _verifier(settings, keys)

    @asynccontextmanager
    async def closer() -> AsyncIterator[None]:
        try:
            yield
        finally:
            await close_keys()
            resources.close()

    return build_edge(
        verifier,
        downstream,
        edge_options(settings),
        (gam_router, techone_router),
        open_routers=routers,
        closer=closer,
    )


def _verifier(
    settings: Settings, keys: KeySource | None
) -> tuple[Verifier, Callable[[], Awaitable[None]]]:
    """(verifier, function that closes its connections)"""
    if keys:
        return Verifier(expected_tokens(settings), keys), _nothing
    return remote_verifier(settings)


async def _nothing() -> None: ...
