"""Edge, services and issuer in one process, as `seil serve` runs them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from seil.api.default_secrets import check_secrets
from seil.api.edge.app import build_edge
from seil.api.edge.gate import scopes_of
from seil.api.edge.issuing import issuing_router
from seil.api.edge.routes_gam import gam_router
from seil.api.edge.routes_techone import techone_router
from seil.api.in_process import InProcess
from seil.api.issuer import Grant, Issuer
from seil.api.services.idempotency import SqliteStore
from seil.api.setup import edge_options, remote_verifier
from seil.api.token_limits import TokenLimits
from seil.api.tokens import Expected, Verifier
from seil.settings import Settings

if TYPE_CHECKING:
    from starlette.types import ASGIApp

__all__ = ["build_local", "check_secrets"]


def build_local(settings: Settings, url: str) -> ASGIApp:
    """`url` is where it is served: the own issuer's name. Raises ConfigurationError."""
    from seil.admanager.client import AdManager
    from seil.api.services.gam import gam_service
    from seil.api.services.techone import techone_service
    from seil.techone.client import TechOne

    api = settings.api
    issuer = None if api.issuer else _issuer(settings, url)
    held = ExitStack()
    keys = SqliteStore(api.state / "requests.sqlite", age=api.idempotency_age.total_seconds())
    held.callback(keys.close)
    techone = held.enter_context(TechOne(settings.techone))
    seconds = api.service_timeout.total_seconds()
    services = {
        "gam": gam_service(AdManager(settings.admanager), keys, seconds=seconds),
        "techone": techone_service(techone, keys, seconds=seconds),
    }
    downstream = InProcess(services, workers=api.workers)
    # Held last, it goes first: outcomes are kept before what keeps them is closed.
    held.callback(downstream.close)
    verifier, close_keys = _verifier(settings, issuer)

    @asynccontextmanager
    async def closer() -> AsyncIterator[None]:
        try:
            yield
        finally:
            await close_keys()
            held.close()

    return build_edge(
        verifier,
        downstream,
        edge_options(settings),
        (gam_router, techone_router),
        issuing=issuing_router(issuer) if issuer else None,
        closer=closer,
    )


def _issuer(settings: Settings, url: str) -> Issuer:
    api = settings.api
    grant = Grant(api.client_secret.reveal(), frozenset(scopes_of(settings.project, settings.env)))
    return Issuer(
        api.state,
        url,
        {api.client_id: grant},
        lifetime=api.token_lifetime.total_seconds(),
        limits=TokenLimits(api.token_rate, api.token_failures),
    )


def _verifier(
    settings: Settings, issuer: Issuer | None
) -> tuple[Verifier, Callable[[], Awaitable[None]]]:
    if issuer:
        api = settings.api
        expected = Expected(issuer.url, frozenset(api.clients), api.audience)
        return Verifier(expected, issuer), _nothing
    return remote_verifier(settings)


async def _nothing() -> None: ...
