"""Whether the process is up (`/healthz`) and can do its work (`/readyz`), for load balancers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import Response

from seil.api.edge.dispatch import Dispatch
from seil.api.edge.exchange import plain
from seil.api.edge.refusals import failures, operation_id
from seil.api.keys import KeySource, KeysUnavailableError
from seil.errors import SeilError

__all__ = ["ReadinessCheck", "health_router"]

_log = logging.getLogger(__name__)

# Raises SeilError with what is missing.
ReadinessCheck = Callable[[], None]


class Health(BaseModel):
    """`status` is ok or failing; `checks` says of each part what is wrong, or ok."""

    status: str = Field(description="ok, or failing.", examples=["ok"])
    checks: dict[str, str] = Field(
        {},
        description="Of each part: ok, or what is wrong.",
        examples=[{"tokens": "ok", "gam": "ok"}],
    )


def health_router(
    keys: KeySource, dispatch: Dispatch, checks: Mapping[str, ReadinessCheck]
) -> APIRouter:
    """`checks` are each system's own: whether its settings and secrets are there."""
    router = APIRouter(
        tags=["health"],
        responses=failures(408, 413, 500),
        generate_unique_id_function=operation_id,
    )

    @router.get("/healthz", response_model=Health, summary="The process answers")
    async def healthz() -> Response:
        """Says that the process runs. Nothing else is looked at; no token is needed."""
        return plain({"status": "ok", "checks": {}}, status=200)

    @router.get(
        "/readyz",
        response_model=Health,
        summary="The process can do its work",
        responses={503: {"model": Health, "description": "Something is missing"}},
    )
    async def readyz() -> Response:
        """Says whether requests would succeed; 503 where not, and what is missing. No token is
        needed.
        """
        # Not in the loop: a secret may be read over the network.
        probes = [asyncio.to_thread(_probe, name, check) for name, check in checks.items()]
        states = dict(zip(checks, await asyncio.gather(*probes), strict=True))
        states |= dict.fromkeys(dispatch.open(), "left alone after failures")
        try:
            await keys.check()
            states["tokens"] = "ok"
        except KeysUnavailableError as error:
            states["tokens"] = str(error)
        fine = all(text == "ok" for text in states.values())
        status = "ok" if fine else "failing"
        return plain({"status": status, "checks": states}, status=200 if fine else 503)

    return router


def _probe(name: str, check: ReadinessCheck) -> str:
    """The endpoint is public, so where a secret is kept goes to the log only."""
    try:
        check()
    except SeilError as error:
        _log.error("%s is not ready: %s", name, error)
        return "its settings or secrets are not complete"
    return "ok"
