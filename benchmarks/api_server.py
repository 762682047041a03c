"""The API's edge, and a bare FastAPI route beside it, over the same downstream call."""

from __future__ import annotations

import logging
import socket
import sys
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvicorn

from seil.api.calls import Answer
from seil.api.serving.server import HttpServer

if TYPE_CHECKING:
    from pydantic import BaseModel
    from starlette.types import ASGIApp

    from seil.api.calls import ServiceCall

PATH = "/v1/gam/order/3102455871"
# A near downstream that is quick: what the edge adds shows most.
_DOWNSTREAM_SECONDS = 0.002
_ORDER = {
    "id": 3102455871,
    "name": "Acme summer 2026",
    "status": "APPROVED",
    "advertiserId": 5110021,
    "traffickerId": 244001,
    "isArchived": False,
}
_MANY = 10_000_000
_WORKERS = 40


def downstream() -> dict[str, Any]:
    time.sleep(_DOWNSTREAM_SECONDS)
    return _ORDER


class Service:
    """What stands where Ad Manager's service does: its answer is of the model, too."""

    def __init__(self, order: type[BaseModel]) -> None:
        self._order = order

    def run(self, _call: ServiceCall) -> Answer:
        order = self._order.model_validate(downstream())
        return Answer(200, order.model_dump(mode="json", by_alias=True, exclude_none=True))


def bare() -> tuple[ASGIApp, str]:
    """As a route is mostly written: its parameter and its answer are checked, and nothing else."""
    import anyio
    import anyio.to_thread
    from fastapi import FastAPI

    from seil.admanager.models import Order

    app = FastAPI()
    threads = anyio.CapacityLimiter(_WORKERS)

    @app.get("/v1/gam/order/{orderid}", response_model=Order, response_model_exclude_none=True)
    async def get_order(orderid: int) -> dict[str, Any]:
        return await anyio.to_thread.run_sync(downstream, limiter=threads)

    return app, ""


def edge() -> tuple[ASGIApp, str]:
    from seil.admanager.models import Order
    from seil.api.edge.app import EdgeOptions, build_edge
    from seil.api.edge.gate import scopes_of
    from seil.api.edge.routes_gam import gam_router
    from seil.api.in_process import InProcess
    from seil.api.tokens import Expected, Verifier
    from seil.observe import logs
    from seil.sandbox.issuer.issuer import ClientGrant, Issuer

    logs.configure("INFO", "json")
    scopes = frozenset(scopes_of("seil", "dev"))
    folder = Path(tempfile.mkdtemp(prefix="seil-bench-"))
    issuer = Issuer(folder, "http://127.0.0.1", {"bench": ClientGrant("", scopes)})
    options = EdgeOptions("seil", "dev", rate=_MANY)
    services = InProcess({"gam": Service(Order)}, workers=_WORKERS)
    app = build_edge(Verifier(Expected(issuer.url), issuer), services, options, [gam_router])
    return app, issuer.token("bench", scopes)


def _main(name: str) -> None:
    app, token = {"bare": bare, "edge": edge}[name]()
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    with socket.socket(proto=socket.IPPROTO_TCP) as listening:  # for TCP_NODELAY
        listening.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{listening.getsockname()[1]}{PATH} {token}"
        if name == "edge":
            announce = partial(print, address, flush=True)
            HttpServer(app, listening, connections=_MANY, announce=announce).run()
            return
        print(address, flush=True)
        config = uvicorn.Config(
            app,
            http="h11",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
        )
        uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    _main(sys.argv[1])
