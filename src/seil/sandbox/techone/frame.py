"""Between the socket and the handlers: faults and errors. Only this module knows of aiohttp."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from aiohttp import web
from multidict import CIMultiDict

from seil.sandbox.fault_table import FaultTable, described
from seil.sandbox.techone.faults import Fault, ordered
from seil.sandbox.techone.messages import Call, Handler, RefusedError, Reply

_log = logging.getLogger(__name__)

CONTROL = ("/sandbox/", "/control/")
_HEADER = "X-Sandbox-Fault"
_MAX_BODY = 64 << 20
_SERVER = "Microsoft-IIS/10.0"


class Frame:
    """`find` gives the handler of a method and a path; it raises RefusedError where there is none.

    `end_tokens` ends every token that was given out.
    """

    def __init__(
        self,
        find: Callable[[Call], Handler],
        faults: FaultTable[Fault],
        *,
        end_tokens: Callable[[], None],
    ) -> None:
        self._find = find
        self._faults = faults
        self._end_tokens = end_tokens
        self._threads = ThreadPoolExecutor(8, thread_name_prefix="sandbox-techone")
        self._lock = threading.Lock()
        self._requests: Counter[str] = Counter()

    def application(self) -> web.Application:
        app = web.Application(client_max_size=_MAX_BODY)
        app.router.add_route("*", "/{path:.*}", self._handle)
        return app

    def close(self) -> None:
        self._threads.shutdown(wait=True, cancel_futures=True)

    def requests(self) -> dict[str, int]:
        """How often each method and path was asked for since the start."""
        with self._lock:
            return dict(sorted(self._requests.items()))

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        call = Call(
            request.method,
            request.path,
            dict(request.query),
            request.headers,
            await request.read(),
            base_url=f"{request.scheme}://{request.host}",
        )
        try:
            fault = self._struck(request, call)
        except RefusedError as error:
            return await _sent(request, error.reply, None)
        if fault is None:
            return await _sent(request, await self._answered(call), None)
        await asyncio.sleep(fault.delay)
        if fault.end_tokens:
            self._end_tokens()
        if fault.reset == "before":
            return _reset(request)
        reply = fault.reply() if fault.answers else fault.retold(await self._answered(call))
        return _reset(request) if fault.reset else await _sent(request, reply, fault)

    def _struck(self, request: web.Request, call: Call) -> Fault | None:
        if call.path.startswith(CONTROL):
            return None
        with self._lock:
            self._requests[f"{call.method} {call.path}"] += 1
        if text := request.headers.get(_HEADER):
            try:
                return ordered(text)
            except ValueError as error:
                raise RefusedError(400, f"{_HEADER}: {described(error)}") from error
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
            return self._find(call)(call)
        except RefusedError as error:
            return error.reply
        except Exception:  # noqa: BLE001  (the last barrier: answered as 500, logged in full)
            _log.exception("%s %s failed", call.method, call.path)
            return Reply.json({"Message": "An error has occurred; the log has the details."}, 500)


async def _sent(request: web.Request, reply: Reply, fault: Fault | None) -> web.StreamResponse:
    headers = CIMultiDict({**reply.headers, "Content-Type": reply.content_type, "Server": _SERVER})
    if fault is None or (fault.cut is None and fault.drip is None):
        return web.Response(status=reply.status, body=reply.body, headers=headers)
    response = web.StreamResponse(status=reply.status, headers=headers)
    response.content_length = len(reply.body)
    kept = reply.body[: fault.cut]
    size = fault.drip or len(kept) or 1
    try:
        await response.prepare(request)
        for start in range(0, len(kept), size):
            await response.write(kept[start : start + size])
            await asyncio.sleep(fault.drip_delay if fault.drip else 0)
    except ConnectionError:
        _log.info("%s: the client went away", request.path)
    if fault.cut is not None and request.transport:
        request.transport.close()
    return response


def _reset(request: web.Request) -> web.StreamResponse:
    """The client sees its connection broken, and no answer."""
    if request.transport:
        request.transport.abort()
    return web.Response()
