"""TechOne's operations."""

from __future__ import annotations

from collections.abc import Mapping

from seil.api.services.idempotency import IdempotencyStore
from seil.api.services.service import Handler, Service
from seil.techone.client import TechOne

__all__ = ["techone_service"]


def techone_service(client: TechOne, keys: IdempotencyStore, *, seconds: float) -> Service:
    handlers: Mapping[str, Handler] = {
        "techone.rate": client.rate,
        "techone.credit": client.credit,
    }
    return Service("techone", handlers, keys, seconds=seconds)
