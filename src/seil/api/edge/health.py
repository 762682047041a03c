"""Liveness (`/healthz`) and readiness (`/readyz`), for load balancers."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import Response

from seil.api.edge.dispatch import Dispatch
from seil.api.edge.exchange import json_response
from seil.api.edge.refusals import failures, operation_id
from seil.api.keys import KeySource, KeysUnavailableError
from seil.errors import SeilError

__all__ = ["ReadinessCheck", "health_router"]

_log = logging.getLogger(__name__)

# Raises SeilError naming what is missing.
ReadinessCheck = Callable[[], object]


class Health(BaseModel):
    """`status` is ok or failing; so are the `checks`, each with its reason."""

    status: str = Field(description="ok, or failing.", examples=["ok"])
    checks: dict[str, str] = Field(
        {},
        description="For each part ok, or the reason why not.",
        examples=[{"tokens": "ok", "gam": "ok"}],
    )


def health_router(
    keys: KeySource, dispatch: Dispatch, checks: Mapping[str, ReadinessCheck]
) -> APIRouter:
    """`checks` maps a system to the check of its settings and secrets."""
    router = APIRouter(
        tags=["health"],
        responses=failures(408, 413, 500),
        generate_unique_id_function=operation_id,
    )

    @router.get("/healthz", response_model=Health, summary="Liveness")
    async def healthz() -> Response:
        """Always ok while the process runs. Needs no token."""
        return json_response({"status": "ok", "checks": {}}, status=200)

    @router.get(
        "/readyz",
        response_model=Health,
        summary="Readiness",
        responses={503: {"model": Health, "description": "Something is missing"}},
    )
    async def readyz() -> Response:
        """503 where requests would fail, with the reasons. Needs no token."""
        # In threads: a secret may be read over the network.
        probes = [asyncio.to_thread(_probe, name, check) for name, check in checks.items()]
        states = dict(zip(checks, await asyncio.gather(*probes), strict=True))
        states |= dict.fromkeys(dispatch.open_circuits(), "not called for now, after failures")
        try:
            await keys.check()
            states["tokens"] = "ok"
        except KeysUnavailableError as error:
            states["tokens"] = str(error)
        is_ready = all(text == "ok" for text in states.values())
        status = "ok" if is_ready else "failing"
        return json_response({"status": status, "checks": states}, status=200 if is_ready else 503)

    return router


def _probe(name: str, check: ReadinessCheck) -> str:
    """The endpoint is public: only the log names a secret's location."""
    try:
        check()
    except SeilError as error:
        _log.error("%s is not ready: %s", name, error)
        return "its settings or secrets are incomplete"
    return "ok"
