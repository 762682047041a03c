"""The client function of TechOne."""

from __future__ import annotations

from seil.api.default_secrets import refuse_defaults
from seil.api.services.service import Service
from seil.api.services.techone import techone_service
from seil.aws.client import Client
from seil.aws.idempotency import request_store
from seil.settings import Settings
from seil.techone.client import TechOne


def build(settings: Settings) -> Service:
    """Raises ConfigurationError."""
    refuse_defaults(settings, ["techone.client_secret"])
    keys = request_store(settings.api)
    client = TechOne(settings.techone)
    return techone_service(client, keys, seconds=settings.api.service_timeout.total_seconds())


handler = Client("techone", build)
