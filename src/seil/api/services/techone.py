"""TechOne's operations."""

from __future__ import annotations

from seil.api.contract import techone
from seil.api.services.idempotency import IdempotencyStore
from seil.api.services.service import Service, bind
from seil.techone.client import TechOne

__all__ = ["techone_service"]


def techone_service(client: TechOne, keys: IdempotencyStore, *, seconds: float) -> Service:
    operations = (
        bind(techone.RATE, client.rate),
        bind(techone.CREDIT, client.credit),
    )
    return Service("techone", operations, keys, seconds=seconds)
