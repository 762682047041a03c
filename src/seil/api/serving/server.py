"""uvicorn as `seil serve` runs it."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING

import uvicorn
from typing_extensions import override

from seil.api.serving.connections import Connections
from seil.api.serving.framing import Framing
from seil.api.serving.listener import Listener
from seil.api.serving.protocol import HttpProtocol

if TYPE_CHECKING:
    from starlette.types import ASGIApp

__all__ = ["HttpServer"]

_GRACE_SECONDS = 10
_LONGEST_HEADERS = 32 * 1024


class HttpServer(uvicorn.Server):
    """Serves `app` on a bound socket; `announce` is called once it listens.

    `connections` is the limit of open ones, `grace` the seconds that requests have to finish in
    when it stops.
    """

    def __init__(
        self,
        app: ASGIApp,
        bound: socket.socket,
        *,
        connections: int,
        announce: Callable[[], None],
        grace: int = _GRACE_SECONDS,
        protocol: type[HttpProtocol] = HttpProtocol,
    ) -> None:
        super().__init__(
            uvicorn.Config(
                Framing(app),
                http="h11",
                ws="none",
                log_config=None,
                access_log=False,
                # Nothing here uses the client's address, so no header may set it.
                proxy_headers=False,
                server_header=False,
                h11_max_incomplete_event_size=_LONGEST_HEADERS,
                timeout_graceful_shutdown=grace,
            )
        )
        self._bound = bound
        self._connections = Connections(connections)
        self._announce = announce
        self._protocol = protocol
        self._listener: Listener | None = None

    @override
    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=[])
        self._listener = Listener(self._bound, self._connections, self._build)
        self._announce()

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        if self._listener is not None:
            self._listener.close()
        await super().shutdown(sockets)

    def _build(self) -> HttpProtocol:
        return self._protocol(
            self.config, self.server_state, self.lifespan.state, connections=self._connections
        )
