"""Refuses well-known default secrets where others could use them."""

from __future__ import annotations

import ipaddress
from collections.abc import Collection

from seil.errors import ConfigurationError, Problem, SeilError
from seil.secret import Secret
from seil.settings import AdManagerSettings, ApiSettings, Settings, TechOneSettings

__all__ = ["check_secrets", "refuse_defaults"]

_API_CLIENT = "api.client_secret"
_CURE = "set your own: env:NAME, file:PATH or aws:NAME"


def check_secrets(settings: Settings, host: str) -> None:
    """Raises ConfigurationError for default secrets outside the local profile, and on an address
    that other machines can reach.

    Without `[api] issuer` the API's client secret is the stand-in issuer's.
    """
    is_deployed = settings.profile != "local"
    names = []
    if not settings.api.issuer and (is_deployed or not _loopback(host)):
        names.append(_API_CLIENT)
    if is_deployed:
        names += ["techone.client_secret", "admanager.service_account_key"]
    refuse_defaults(settings, names)


def refuse_defaults(settings: Settings, names: Collection[str]) -> None:
    """Raises ConfigurationError if a secret of `names` is the well-known default."""
    key = AdManagerSettings().service_account_key.location.removeprefix("file:")
    is_default = {
        _API_CLIENT: _API_CLIENT in names and _is_default_client_secret(settings.api.client_secret),
        "techone.client_secret": settings.techone.client_secret == TechOneSettings().client_secret,
        "admanager.service_account_key": settings.admanager.service_account_key.location.endswith(
            key
        ),
    }
    if defaults := [name for name in names if is_default[name]]:
        raise ConfigurationError(
            [Problem(name, "is the well-known default", _CURE) for name in defaults]
        )


def _is_default_client_secret(secret: Secret) -> bool:
    """Compares values, too: the default may have been copied into a variable.

    The other defaults give access to a stand-in only.
    """
    default = ApiSettings().client_secret
    try:
        return secret == default or secret.reveal() == default.reveal()
    except SeilError:  # Reported where the secret is used.
        return False


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
