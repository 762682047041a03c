"""The client function of Google Ad Manager."""

from __future__ import annotations

import tempfile
from pathlib import Path

from seil.admanager.client import AdManager
from seil.api.default_secrets import refuse_defaults
from seil.api.services.gam import gam_service
from seil.api.services.service import Service
from seil.aws.client import Client
from seil.aws.idempotency import request_store
from seil.settings import AdManagerSettings, Settings


def build(settings: Settings) -> Service:
    """Raises ConfigurationError."""
    refuse_defaults(settings, ["admanager.service_account_key"])
    keys = request_store(settings.api)
    client = AdManager(_writable(settings.admanager))
    return gam_service(client, keys, seconds=settings.api.service_timeout.total_seconds())


def _writable(settings: AdManagerSettings) -> AdManagerSettings:
    """With the WSDL cache in the temporary folder, the only one a function can write to."""
    if settings.wsdl_cache != AdManagerSettings().wsdl_cache.resolve():
        return settings
    return settings.model_copy(update={"wsdl_cache": Path(tempfile.gettempdir()) / "seil-wsdl"})


handler = Client("gam", build)
