"""From the settings to the edge's parts, wherever it runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from seil.api.edge.app import EdgeOptions
from seil.api.edge.dispatch import Limits
from seil.api.keys import RemoteKeys
from seil.api.tokens import Expected, Verifier
from seil.errors import ConfigurationError, Problem
from seil.secret import Secret
from seil.settings import Settings

__all__ = ["check_issuer", "edge_options", "expected_tokens", "remote_verifier"]


def check_issuer(settings: Settings) -> None:
    """Raises ConfigurationError if nobody is named who issues the callers' tokens."""
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
            "gam": lambda: _revealed(settings.admanager.service_account_key),
            "techone": lambda: _revealed(settings.techone.client_secret),
        },
    )


def remote_verifier(settings: Settings) -> tuple[Verifier, Callable[[], Awaitable[None]]]:
    """Judges tokens by the keys of `[api] issuer`; the second part closes its connections."""
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


def _revealed(secret: Secret) -> None:
    secret.reveal()
