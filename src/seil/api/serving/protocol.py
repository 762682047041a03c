"""HTTP/1.1 on one connection, with the timeouts that uvicorn lacks."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, ClassVar

import h11
from typing_extensions import override
from uvicorn import Config
from uvicorn.protocols.http.flow_control import HIGH_WATER_LIMIT, FlowControl
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

from seil.api.departures import Departure, attending
from seil.api.serving.connections import Connections
from seil.api.serving.refusals import not_http

__all__ = ["HttpProtocol"]

_log = logging.getLogger(__name__)


class HttpProtocol(H11Protocol):
    """Closes a connection whose client does not send a request's head or the rest of a body after
    the answer, or does not read the answer. The frame limits bodies before the answer, uvicorn
    idle connections.
    """

    # For a request's head to arrive.
    head_seconds: ClassVar[float] = 10
    # For the client to read any part of an answer.
    stall_seconds: ClassVar[float] = 30

    _head_timer: asyncio.TimerHandle | None = None
    _stall_timer: asyncio.TimerHandle | None = None

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        *,
        connections: Connections,
    ) -> None:
        super().__init__(config, server_state, app_state)
        self._connections = connections
        self._departure: Departure | None = None
        self._inner = self.app
        self.app = self._run_app

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn has it
        super().connection_made(transport)
        self.flow = _ReadAheadControl(self, transport)
        # `pause_writing` is called whenever something is unsent.
        transport.set_write_buffer_limits(high=0)
        self._head_timer = self.loop.call_later(self.head_seconds, self._give_up)
        self._report_state()

    @override
    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._awaits_request:
            self._cancel_head_timer()
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(self.head_seconds, self._give_up)
        self._report_state()

    @override
    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._report_state()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_head_timer()
        self._cancel_stall_timer()
        self._connections.release(self)
        super().connection_lost(exc)
        if self._departure is not None and not self._awaits_request:
            self._departure.happen()

    @override
    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch(self.transport.get_write_buffer_size())
        self._report_state()

    @override
    def resume_writing(self) -> None:
        self._cancel_stall_timer()
        super().resume_writing()
        self._report_state()

    @override
    def send_400_response(self, msg: str) -> None:
        """The base class fails if the answer has started, or ended, before the request."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.write(not_http())
        self.transport.close()
        if not self._awaits_request:
            self.cycle.disconnected = True
            self.cycle.message_event.set()

    @override
    def _should_upgrade(self) -> bool:
        """Ignored, as RFC 9110, section 7.8, allows; uvicorn logs two warnings for each."""
        return False

    async def _run_app(self, scope: Any, receive: Any, send: Any) -> None:
        """Runs the app with a Departure, so that it need not poll for a disconnect."""
        self._departure = Departure()
        if self.transport.is_closing():
            self._departure.happen()
        with attending(self._departure):
            await self._inner(scope, receive, send)

    def leave(self) -> None:
        self.transport.close()

    @property
    def ahead(self) -> int:
        """Bytes received and not consumed yet."""
        body = len(self.cycle.body) if self.cycle else 0
        return body + len(self.conn.trailing_data[0])

    @property
    def _awaits_request(self) -> bool:
        """Whether no request is under way."""
        # None before the first request, despite its type.
        return not self.cycle or self.cycle.response_complete

    def _report_state(self) -> None:
        if self._awaits_request and not self.flow.write_paused:
            self._connections.idle(self)
        else:
            self._connections.busy(self)

    def _cancel_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _give_up(self) -> None:
        self._head_timer = None
        if self._awaits_request:
            self.transport.close()

    def _watch(self, unsent: int) -> None:
        self._stall_timer = self.loop.call_later(self.stall_seconds, self._drop_stalled, unsent)

    def _drop_stalled(self, before: int) -> None:
        unsent = self.transport.get_write_buffer_size()
        if unsent < before:
            self._watch(unsent)
            return
        _log.info("dropped a client that does not read its answer: %d bytes unsent", unsent)
        self.transport.abort()

    def _cancel_stall_timer(self) -> None:
        if self._stall_timer is not None:
            self._stall_timer.cancel()
            self._stall_timer = None


class _ReadAheadControl(FlowControl):
    """Keeps reading while a request is answered, to see a pipelining client disconnect."""

    def __init__(self, protocol: HttpProtocol, transport: asyncio.Transport) -> None:
        super().__init__(transport)
        self._protocol = protocol

    @override
    def pause_reading(self) -> None:
        if self._protocol.ahead > HIGH_WATER_LIMIT:
            super().pause_reading()
