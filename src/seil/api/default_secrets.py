"""Well-known default secrets, and where they are refused."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection

from seil.errors import ConfigurationError, Problem, SeilError
from seil.secret import Secret
from seil.settings import AdManagerSettings, ApiSettings, Settings, TechOneSettings

__all__ = ["check_secrets", "refuse_defaults"]

_DOOR = "api.client_secret"
_CURE = "set your own: env:NAME, file:PATH or aws:NAME"


def check_secrets(settings: Settings, host: str) -> None:
    """Raises ConfigurationError for well-known secrets where others could use them.

    That is outside the local profile, and on an address that other machines can reach. Without
    `[api] issuer` the API's client secret is the stand-in issuer's.
    """
    abroad = settings.profile != "local"
    refused = []
    if not settings.api.issuer and (abroad or not _loopback(host)):
        refused.append(_DOOR)
    if abroad:
        refused += ["techone.client_secret", "admanager.service_account_key"]
    refuse_defaults(settings, refused)


def refuse_defaults(settings: Settings, names: Collection[str]) -> None:
    """Raises ConfigurationError if a secret of `names` is the well-known default."""
    key = AdManagerSettings().service_account_key.location.removeprefix("file:")
    is_default = {
        _DOOR: _DOOR in names and _opens_the_door(settings.api.client_secret),
        "techone.client_secret": settings.techone.client_secret == TechOneSettings().client_secret,
        "admanager.service_account_key": settings.admanager.service_account_key.location.endswith(
            key
        ),
    }
    if defaults := [name for name in names if is_default[name]]:
        raise ConfigurationError(
            [Problem(name, "is the well-known default", _CURE) for name in defaults]
        )


def _opens_the_door(secret: Secret) -> bool:
    """Wherever it is kept: an example's text may have been copied into a variable.

    The other secrets open nothing but a stand-in.
    """
    default = ApiSettings().client_secret
    try:
        return secret == default or secret.reveal() == default.reveal()
    except SeilError:  # Told where it is needed.
        return False


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
