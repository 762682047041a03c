"""Between the socket and the handlers: faults and errors. Only this module knows of aiohttp."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from aiohttp import web
from multidict import CIMultiDict

from seil.sandbox.admanager.errors import ApiError, invalid
from seil.sandbox.admanager.faults import Fault, Faults, ordered
from seil.sandbox.admanager.messages import Call, Handler, Reply
from seil.sandbox.admanager.store import Store
from seil.sandbox.fault_table import described

_log = logging.getLogger(__name__)

_CONTROL = "/sandbox/"
_HEADER = "X-Sandbox-Fault"
_MAX_BODY = 10 << 20
_SERVER = "ESF"


class Frame:
    """`handlers` are by the start of the path."""

    def __init__(self, handlers: Mapping[str, Handler], store: Store, faults: Faults) -> None:
        self._handlers = handlers
        self._store = store
        self._faults = faults
        self._threads = ThreadPoolExecutor(8, thread_name_prefix="sandbox-admanager")

    def application(self) -> web.Application:
        app = web.Application(client_max_size=_MAX_BODY)
        app.router.add_route("*", "/{path:.*}", self._handle)
        return app

    def close(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        call = Call(
            request.method,
            request.path,
            tuple(request.query.items()),
            request.headers,
            await request.read(),
            base_url=f"{request.scheme}://{request.host}",
        )
        try:
            fault = self._struck(request, call)
        except ApiError as error:
            return _sent(Reply.json(error.body, error.http_status))
        if fault is None:
            return _sent(await self._answered(call))
        await asyncio.sleep(fault.delay)
        if fault.end_tokens:
            self._store.forget_tokens()
        if fault.reset == "before":
            return _reset(request)
        reply = _told(fault, call) if fault.answers else await self._answered(call)
        if fault.reset:
            return _reset(request)
        return await _broken(request, reply, fault.cut) if fault.cut is not None else _sent(reply)

    def _struck(self, request: web.Request, call: Call) -> Fault | None:
        if call.path.startswith(_CONTROL):
            return None
        if text := request.headers.get(_HEADER):
            try:
                return ordered(text)
            except ValueError as error:
                raise invalid(described(error), field=_HEADER) from error
        body = call.body.decode(errors="replace")
        return self._faults.strike(call.method, request.raw_path, body)

    async def _answered(self, call: Call) -> Reply:
        loop = asyncio.get_running_loop()
        reply = await loop.run_in_executor(self._threads, self._run, call)
        _log.debug("%s %s answered %d", call.method, call.path, reply.status)
        return reply

    def _run(self, call: Call) -> Reply:
        """In a thread. Whatever a handler did not foresee is answered, and logged in full."""
        try:
            for start, handler in self._handlers.items():
                if call.path.startswith(start):
                    return handler(call)
        except ApiError as error:
            return error_reply(call, error)
        except Exception:  # noqa: BLE001  (the last barrier: answered as 500, logged in full)
            _log.exception("%s %s failed", call.method, call.path)
            message = "Internal error encountered; the stand-in's log has the details."
            return error_reply(call, ApiError("INTERNAL", "ServerError", "SERVER_ERROR", message))
        return _unknown_address(call)


def error_reply(call: Call, error: ApiError) -> Reply:
    """In the shape of the API that was asked."""
    if call.path.startswith("/apis/"):
        from seil.sandbox.admanager.soap.envelope import fault_reply

        return fault_reply(call.path, error)
    return Reply.json(error.body, error.http_status)


def _told(fault: Fault, call: Call) -> Reply:
    headers = {"Retry-After": fault.retry_after} if fault.retry_after is not None else {}
    status = fault.status or 200
    if fault.html is not None:
        return Reply(status, fault.html.encode(), "text/html; charset=UTF-8", headers)
    if fault.text is not None:
        return Reply(status, fault.text.encode(), headers=headers)
    if fault.error:
        reply = error_reply(call, fault.api_error())
        return Reply(reply.status, reply.body, reply.content_type, headers)
    problem = ApiError("UNAVAILABLE", "ServerError", "SERVER_BUSY", "The service is unavailable.")
    return Reply(status, error_reply(call, problem).body, headers=headers)


def _unknown_address(call: Call) -> Reply:
    """The edge in front of the real service answers this, in HTML."""
    page = f"<html><title>Error 404 (Not Found)!!1</title><p>{len(call.path)} characters</html>"
    return Reply(404, page.encode(), "text/html; charset=UTF-8")


def _headers(reply: Reply) -> CIMultiDict[str]:
    headers = CIMultiDict(reply.headers)
    headers["Content-Type"] = reply.content_type
    headers["Server"] = _SERVER
    return headers


def _sent(reply: Reply) -> web.Response:
    return web.Response(status=reply.status, body=reply.body, headers=_headers(reply))


def _reset(request: web.Request) -> web.StreamResponse:
    """The client sees its connection broken, and no answer."""
    if request.transport:
        request.transport.abort()
    return web.Response()


async def _broken(request: web.Request, reply: Reply, size: int) -> web.StreamResponse:
    response = web.StreamResponse(status=reply.status, headers=_headers(reply))
    response.content_length = len(reply.body)
    await response.prepare(request)
    await response.write(reply.body[:size])
    if request.transport:
        request.transport.close()
    return response
