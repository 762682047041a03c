"""Edge, services and issuer in one process, as `seil serve` runs them."""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from typing import TYPE_CHECKING

from seil.api.edge.app import EdgeOptions, build_edge
from seil.api.edge.dispatch import Limits
from seil.api.edge.gate import scopes_of
from seil.api.in_process import InProcess
from seil.api.issuer import Grant, Issuer
from seil.api.services.idempotency import SqliteStore
from seil.api.tokens import Expected, RemoteKeys, Verifier
from seil.errors import ConfigurationError, Problem
from seil.settings import AdManagerSettings, ApiSettings, Secret, Settings, TechOneSettings

if TYPE_CHECKING:
    from starlette.types import ASGIApp

__all__ = ["build_local", "check_secrets"]

_CURE = "set your own: env:NAME or file:PATH"


def check_secrets(settings: Settings, host: str) -> None:
    """Raises ConfigurationError for secrets that everybody knows, where others could use them.

    That is outside the local profile, and on an address that other machines can reach.
    """
    abroad = settings.profile != "local"
    known = []
    reachable = not settings.api.issuer and (abroad or not _loopback(host))
    if reachable and settings.api.client_secret == ApiSettings().client_secret:
        known.append("api.client_secret")
    if abroad and settings.techone.client_secret == TechOneSettings().client_secret:
        known.append("techone.client_secret")
    default = AdManagerSettings().service_account_key.place.removeprefix("file:")
    if abroad and settings.admanager.service_account_key.place.endswith(default):
        known.append("admanager.service_account_key")
    if known:
        raise ConfigurationError(
            [Problem(name, "is the well-known default", _CURE) for name in known]
        )


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
        InProcess(services, workers=api.workers),
        edge_options(settings, issuer),
        closer=closer,
    )


def edge_options(settings: Settings, issuer: Issuer | None = None) -> EdgeOptions:
    api = settings.api
    return EdgeOptions(
        project=settings.project,
        env=settings.env,
        body_limit=api.body_limit,
        rate=api.rate,
        limits=Limits(
            timeout=api.timeout.total_seconds(),
            failures=api.breaker_failures,
            pause=api.breaker_pause.total_seconds(),
        ),
        token_url="/oauth2/token" if issuer else f"{api.issuer}/oauth2/token",
        issuer=issuer,
        checks={
            "gam": lambda: _revealed(settings.admanager.service_account_key),
            "techone": lambda: _revealed(settings.techone.client_secret),
        },
    )


def _issuer(settings: Settings, url: str) -> Issuer:
    api = settings.api
    grant = Grant(api.client_secret.reveal(), frozenset(scopes_of(settings.project, settings.env)))
    return Issuer(
        api.state, url, {api.client_id: grant}, lifetime=api.token_lifetime.total_seconds()
    )


def _verifier(
    settings: Settings, issuer: Issuer | None
) -> tuple[Verifier, Callable[[], Awaitable[None]]]:
    api = settings.api
    clients = frozenset(api.clients)
    if issuer:
        return Verifier(Expected(issuer.url, clients, api.audience), issuer), _nothing
    import httpx

    client = httpx.AsyncClient()
    url = api.jwks_url or f"{api.issuer.rstrip('/')}/.well-known/jwks.json"
    keys = RemoteKeys(url, client, age=api.keys_age.total_seconds())
    return Verifier(Expected(api.issuer, clients, api.audience), keys), client.aclose


async def _nothing() -> None: ...


def _revealed(secret: Secret) -> None:
    secret.reveal()


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
