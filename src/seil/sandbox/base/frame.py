"""Between socket and handlers: faults, threads, errors, and sending replies.

Handlers are plain functions that run in threads; only frames know of aiohttp.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, ClassVar, Generic, TypeVar

from aiohttp import web
from multidict import CIMultiDict
from typing_extensions import override

from seil.sandbox.base.faults import (
    FAULT_HEADER,
    FaultKinds,
    FaultTable,
    HttpFault,
    TokenFault,
    fault_problems,
)
from seil.sandbox.base.messages import ReceivedRequest, Reply

__all__ = ["ServerFrame", "WholeBodyFrame", "reset_connection"]

_log = logging.getLogger(__name__)

_DELAY_STEP = 0.05

F = TypeVar("F", bound=HttpFault)
T = TypeVar("T", bound=TokenFault)
R = TypeVar("R", bound=ReceivedRequest)
V = TypeVar("V")


class ServerFrame(ABC, Generic[F]):
    """One aiohttp application for every path. Paths of `control` meet no faults."""

    control: ClassVar[tuple[str, ...]] = ("/sandbox/",)
    max_body: ClassVar[int] = 1 << 20

    def __init__(
        self, faults: FaultTable[F], kinds: FaultKinds[F], *, name: str, threads: int
    ) -> None:
        self._faults = faults
        self._kinds = kinds
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=name)
        self._stops = False

    def application(self) -> web.Application:
        app = web.Application(client_max_size=self.max_body)
        app.router.add_route("*", "/{path:.*}", self.handle)
        app.on_shutdown.append(self._end_delays)
        return app

    def close(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)

    @abstractmethod
    async def handle(self, request: web.Request) -> web.StreamResponse: ...

    def strike(self, request: web.Request, body: bytes) -> F | None:
        """The fault that the request asks for, or else the one of the table that strikes it.

        Raises ValueError where it asks for something that is no fault.
        """
        if request.path.startswith(self.control):
            return None
        if text := request.headers.get(FAULT_HEADER):
            return self._kinds.parse(text)[-1]
        text = body.decode(errors="replace")
        return self._faults.strike(request.method, request.raw_path, text)

    async def delay(self, request: web.Request, fault: F, seconds: float) -> None:
        """Waits until the delay is over, `fault` is removed, the client leaves or the server stops.

        Every pause of a stand-in is this one: none outlives what it is for.
        """
        loop = asyncio.get_running_loop()
        ends = loop.time() + seconds
        while (remaining := ends - loop.time()) > 0 and not self._is_over(request, fault):
            await asyncio.sleep(min(remaining, _DELAY_STEP))

    def _is_over(self, request: web.Request, fault: F) -> bool:
        is_listed = FAULT_HEADER not in request.headers
        is_gone = request.transport is None or request.transport.is_closing()
        return self._stops or is_gone or (is_listed and fault not in self._faults)

    async def _end_delays(self, _app: web.Application) -> None:
        self._stops = True

    async def in_thread(self, function: Callable[..., V], *arguments: Any) -> V:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, function, *arguments)


class WholeBodyFrame(ServerFrame[T], Generic[T, R]):
    """Of a service whose requests and replies fit into memory."""

    server_header: ClassVar[str]
    request_type: type[R]

    @abstractmethod
    def answer(self, received: R) -> Reply:
        """Runs the handler in a thread; answers the service's own errors, and re-raises others."""

    @abstractmethod
    def internal_error(self, received: R) -> Reply:
        """The answer to an unexpected error, which the log has in full."""

    @abstractmethod
    def no_fault(self, problem: str) -> Reply:
        """The answer to a request for an unknown fault."""

    @abstractmethod
    def fault_reply(self, fault: T, received: R) -> Reply:
        """The fault's own answer, instead of the service's."""

    @abstractmethod
    def end_tokens(self) -> None: ...

    def alter(self, received: R, fault: T) -> R:
        """The request, modified by the fault before it is carried out."""
        return received

    def spoil(self, reply: Reply, fault: T) -> Reply:
        """The service's reply, modified by the fault."""
        return reply

    @override
    async def handle(self, request: web.Request) -> web.StreamResponse:
        received = self.request_type(
            request.method,
            request.path,
            request.query,
            request.headers,
            await request.read(),
            base_url=f"{request.scheme}://{request.host}",
        )
        try:
            fault = self.strike(request, received.body)
        except ValueError as error:
            return await self._send(request, self.no_fault(fault_problems(error)), None)
        if fault is None:
            return await self._send(request, await self._answer_in_thread(received), None)
        await self.delay(request, fault, fault.delay)
        if fault.end_tokens:
            self.end_tokens()
        if fault.reset == "before":
            return reset_connection(request)
        if fault.answers:
            reply = self.fault_reply(fault, received)
        else:
            reply = await self._answer_in_thread(self.alter(received, fault))
            reply = self.spoil(reply, fault)
        return reset_connection(request) if fault.reset else await self._send(request, reply, fault)

    async def _answer_in_thread(self, received: R) -> Reply:
        reply = await self.in_thread(self._run, received)
        _log.debug("%s %s answered %d", received.method, received.path, reply.status)
        return reply

    def _run(self, received: R) -> Reply:
        try:
            return self.answer(received)
        except Exception:  # noqa: BLE001  (the last barrier: answered as 500, logged in full)
            _log.exception("%s %s failed", received.method, received.path)
            return self.internal_error(received)

    async def _send(
        self, request: web.Request, reply: Reply, fault: T | None
    ) -> web.StreamResponse:
        headers = CIMultiDict(reply.headers)
        headers["Content-Type"] = reply.content_type
        headers["Server"] = self.server_header
        if fault is None or (fault.cut is None and fault.drip is None):
            return web.Response(status=reply.status, body=reply.body, headers=headers)
        response = web.StreamResponse(status=reply.status, headers=headers)
        response.content_length = len(reply.body)
        body = reply.body[: fault.cut]
        size = fault.drip or len(body) or 1
        try:
            await response.prepare(request)
            for start in range(0, len(body), size):
                await response.write(body[start : start + size])
                await self.delay(request, fault, fault.drip_delay if fault.drip else 0)
        except ConnectionError:
            _log.info("%s: the client went away", request.path)
        if fault.cut is not None and request.transport:
            request.transport.close()
        return response


def reset_connection(request: web.Request) -> web.StreamResponse:
    """Breaks the connection without an answer."""
    if request.transport:
        request.transport.abort()
    return web.Response()
