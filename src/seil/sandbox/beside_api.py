"""The stand-ins of `seil serve --sandbox`: for Cognito, Ad Manager and TechOne."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from seil.secret import Secret
from seil.settings import AdManagerSettings, Settings, TechOneSettings

if TYPE_CHECKING:
    from starlette.types import ASGIApp

    from seil.sandbox.issuer.issuer import Issuer

__all__ = ["build_with_issuer", "far_ends"]


def build_with_issuer(settings: Settings, url: str) -> ASGIApp:
    """The API in one process; `url` is where it is served.

    The stand-in issuer is served beside it, unless `[api] issuer` names another. Raises
    ConfigurationError.
    """
    from seil.api.local import build_local
    from seil.sandbox.issuer.routes import issuer_router

    if settings.api.issuer:
        return build_local(settings)
    issuer = _issuer(settings, url)
    # Relative, so that the docs page asks the address it was read from.
    addresses = {"issuer": url, "token_url": settings.api.token_url or "/oauth2/token"}
    settings = settings.model_copy(update={"api": settings.api.model_copy(update=addresses)})
    return build_local(settings, keys=issuer, routers=[issuer_router(issuer)])


def _issuer(settings: Settings, url: str) -> Issuer:
    from seil.api.edge.gate import scopes_of
    from seil.sandbox.issuer.issuer import ClientGrant, Issuer
    from seil.sandbox.issuer.limits import TokenLimits

    api = settings.api
    grant = ClientGrant(
        api.client_secret.reveal(), frozenset(scopes_of(settings.project, settings.env))
    )
    return Issuer(
        api.state / "sandbox" / "issuer",
        url,
        {api.client_id: grant},
        lifetime=api.token_lifetime.total_seconds(),
        limits=TokenLimits(api.token_rate, api.token_failures),
    )


@contextmanager
def far_ends(settings: Settings) -> Iterator[Settings]:
    """Runs the stand-ins for Ad Manager and TechOne; the settings with their addresses."""
    from seil.sandbox.admanager.server import AdManagerServer
    from seil.sandbox.techone.server import TechOneServer

    folder = settings.api.state / "sandbox"
    with (
        AdManagerServer(folder / "admanager") as network,
        TechOneServer(folder / "techone") as ledger,
    ):
        admanager = {
            "endpoint": network.url,
            "soap_endpoint": network.url,
            "network_code": AdManagerSettings().network_code,
            "service_account_key": Secret(f"file:{network.service_account_key}"),
        }
        techone = {
            "client_id": TechOneSettings().client_id,
            "client_secret": TechOneSettings().client_secret,
            "base_url": ledger.url,
            "token_url": ledger.token_url,
        }
        yield settings.model_copy(
            update={
                "admanager": settings.admanager.model_copy(update=admanager),
                "techone": settings.techone.model_copy(update=techone),
            }
        )
