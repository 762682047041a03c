"""From the settings to the edge's parts, wherever it runs."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, Collection

from seil.api.edge.app import EdgeOptions
from seil.api.edge.dispatch import Limits
from seil.api.issuer import Issuer
from seil.api.tokens import Expected, RemoteKeys, Verifier
from seil.errors import ConfigurationError, Problem
from seil.settings import AdManagerSettings, ApiSettings, Secret, Settings, TechOneSettings

__all__ = ["check_secrets", "edge_options", "refuse_defaults", "remote_verifier"]

_CURE = "set your own: env:NAME, file:PATH or aws:NAME"


def check_secrets(settings: Settings, host: str) -> None:
    """Raises ConfigurationError for secrets that everybody knows, where others could use them.

    That is outside the local profile, and on an address that other machines can reach.
    """
    abroad = settings.profile != "local"
    refused = []
    if not settings.api.issuer and (abroad or not _loopback(host)):
        refused.append("api.client_secret")
    if abroad:
        refused += ["techone.client_secret", "admanager.service_account_key"]
    refuse_defaults(settings, refused)


def refuse_defaults(settings: Settings, names: Collection[str]) -> None:
    """Raises ConfigurationError where a secret of `names` is the one that everybody knows."""
    key = AdManagerSettings().service_account_key.place.removeprefix("file:")
    known = {
        "api.client_secret": settings.api.client_secret == ApiSettings().client_secret,
        "techone.client_secret": settings.techone.client_secret == TechOneSettings().client_secret,
        "admanager.service_account_key": settings.admanager.service_account_key.place.endswith(key),
    }
    if found := [name for name in names if known[name]]:
        raise ConfigurationError(
            [Problem(name, "is the well-known default", _CURE) for name in found]
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


def remote_verifier(settings: Settings) -> tuple[Verifier, Callable[[], Awaitable[None]]]:
    """Judges tokens by the keys of `[api] issuer`; the second part closes its connections."""
    import httpx

    api = settings.api
    client = httpx.AsyncClient()
    url = api.jwks_url or f"{api.issuer.rstrip('/')}/.well-known/jwks.json"
    keys = RemoteKeys(url, client, age=api.keys_age.total_seconds())
    expected = Expected(api.issuer, frozenset(api.clients), api.audience)
    return Verifier(expected, keys), client.aclose


def _revealed(secret: Secret) -> None:
    secret.reveal()


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
