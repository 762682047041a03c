"""Builds the edge's parts from the settings, for every deployment."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from seil.api.edge.app import EdgeOptions
from seil.api.edge.dispatch import Limits
from seil.api.keys import RemoteKeys
from seil.api.tokens import Expected, Verifier
from seil.errors import ConfigurationError, Problem
from seil.settings import Settings

__all__ = ["check_issuer", "edge_options", "expected_tokens", "remote_verifier"]


def check_issuer(settings: Settings) -> None:
    """Raises ConfigurationError if `[api] issuer` is not set."""
    if settings.api.issuer:
        return
    cure = "set it to the URL of your tokens' issuer, or start `seil serve --sandbox`"
    raise ConfigurationError([Problem("api.issuer", "is not set", cure)])


def edge_options(settings: Settings) -> EdgeOptions:
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
        contact=api.contact,
        token_url=api.token_url or f"{api.issuer.rstrip('/')}/oauth2/token",
        checks={
            "gam": settings.admanager.service_account_key.reveal,
            "techone": settings.techone.client_secret.reveal,
        },
    )


def remote_verifier(settings: Settings) -> tuple[Verifier, Callable[[], Awaitable[None]]]:
    """(a verifier with the keys of `[api] issuer`, a function that closes its connections)"""
    import httpx

    api = settings.api
    client = httpx.AsyncClient()
    url = api.jwks_url or f"{api.issuer.rstrip('/')}/.well-known/jwks.json"
    keys = RemoteKeys(url, client, age=api.keys_age.total_seconds())

    async def close() -> None:
        await keys.close()
        await client.aclose()

    return Verifier(expected_tokens(settings), keys), close


def expected_tokens(settings: Settings) -> Expected:
    api = settings.api
    return Expected(api.issuer, frozenset(api.clients), api.audience)
