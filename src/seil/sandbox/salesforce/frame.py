"""An org's frame: size limits, sessions, usage, and streamed replies."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime
from email.utils import format_datetime
from typing import BinaryIO, TypeAlias, cast

from aiohttp import web
from multidict import CIMultiDict
from typing_extensions import override

from seil.sandbox.base.faults import FaultTable, fault_problems
from seil.sandbox.base.frame import ServerFrame, reset_connection
from seil.sandbox.salesforce import bodies
from seil.sandbox.salesforce.auth import Logins
from seil.sandbox.salesforce.errors import OrgApiError
from seil.sandbox.salesforce.fault_kinds import KINDS
from seil.sandbox.salesforce.faults import OrgFault
from seil.sandbox.salesforce.messages import FileRange, OrgReply, OrgRequest, OrgRoute, OrgRouter
from seil.sandbox.salesforce.usage import Usage

_log = logging.getLogger(__name__)

_MAX_HEAD = 16_384
_IN_MEMORY = 1 << 20
_WORTH_COMPRESSING = 1_024
_METERED = ("/services/data/", "/services/apexrest/")
_TAKES_JSON = ("POST", "PATCH")
_FAULT = web.RequestKey("fault", OrgFault)
_NO_MORE = b""
_SERVER = "sfdcedge"
_WITHOUT_BODY = (204, 304)

_Aim: TypeAlias = tuple[OrgRoute, dict[str, str]]


class OrgFrame(ServerFrame[OrgFault]):
    def __init__(
        self,
        router: OrgRouter,
        logins: Logins,
        usage: Usage,
        faults: FaultTable[OrgFault],
        *,
        expire_jobs: Callable[[], None],
        clock: Callable[[], datetime],
    ) -> None:
        super().__init__(faults, KINDS, name="sandbox-request", threads=16)
        self._router = router
        self._logins = logins
        self._expire_jobs = expire_jobs
        self._clock = clock
        self._usage = usage

    @override
    def application(self) -> web.Application:
        app = super().application()
        app.on_response_prepare.append(_spoil_headers)
        return app

    @override
    async def handle(self, request: web.Request) -> web.StreamResponse:
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as spool:
            body = cast(BinaryIO, spool)
            aim = await self._receive(request, body)
            try:
                fault = self.strike(request, body.read(_IN_MEMORY))
            except ValueError as error:
                wrong = OrgApiError(400, "INVALID_FAULT", fault_problems(error))
                aim, fault = OrgReply(wrong.status, wrong.body), None
            if fault is not None:
                await self._prepare(request, fault)
            if fault is not None and fault.reset == "before":
                return reset_connection(request)
            reply = await self._reply(request, body, aim, fault)
        if fault is not None and fault.reset:
            return reset_connection(request)
        _log.debug("%s %s answered %d", request.method, request.path, reply.status)
        return await self._send(request, self._with_usage(request, reply), fault)

    async def _reply(
        self, request: web.Request, body: BinaryIO, aim: _Aim | OrgReply, fault: OrgFault | None
    ) -> OrgReply:
        answers = fault.reply() if fault is not None and fault.answers else None
        if answers and not (fault and fault.commit):
            return answers
        reply = aim if isinstance(aim, OrgReply) else await self._answer(request, body, aim, fault)
        return answers or reply

    async def _receive(self, request: web.Request, body: BinaryIO) -> _Aim | OrgReply:
        """(the route and the request with its body) or a refusing reply."""
        if refusal := _head_too_large(request):
            return refusal
        try:
            route, args = self._router.find(request.method, _path(request))
            await _read(request, body, limit=route.max_body)
        except OrgApiError as error:
            return OrgReply(error.status, error.body)
        return route, args

    async def _prepare(self, request: web.Request, fault: OrgFault) -> None:
        """Applies a fault before the request runs."""
        request[_FAULT] = fault
        await self.delay(request, fault, fault.delay)
        if fault.expire_session:
            self._logins.end_all_sessions()
        if fault.expire_jobs:
            await self.in_thread(self._expire_jobs)

    async def _answer(
        self, request: web.Request, body: BinaryIO, aim: _Aim, fault: OrgFault | None
    ) -> OrgReply:
        route, args = aim
        call = OrgRequest(
            request.method,
            _path(request),
            request.query,
            request.headers,
            body,
            base_url=f"{request.scheme}://{request.host}",
            args=args,
            fail_job=fault.fail_job if fault else "",
        )
        return await self.in_thread(self._run, route, call)

    def _run(self, route: OrgRoute, call: OrgRequest) -> OrgReply:
        """Runs the handler in a thread; answers and logs unexpected errors."""
        try:
            if not route.open:
                self._logins.require_session(call.headers)
                self._usage.spend_request()
                _check_content_type(route, call)
            return route.handler(call)
        except OrgApiError as error:
            return OrgReply(error.status, error.body)
        except Exception:  # noqa: BLE001  (the last barrier: answered as 500, logged in full)
            _log.exception("%s %s failed", call.method, call.path)
            message = "An unexpected error occurred; the stand-in's log has the details"
            return OrgReply(500, OrgApiError(500, "UNKNOWN_EXCEPTION", message).body)

    def _with_usage(self, request: web.Request, reply: OrgReply) -> OrgReply:
        if not _path(request).startswith(_METERED):
            return reply
        headers = {
            "Date": format_datetime(self._clock(), usegmt=True),
            "Sforce-Limit-Info": self._usage.limit_info(),
            **reply.headers,
        }
        return OrgReply(reply.status, reply.content, reply.content_type, headers)

    async def _send(
        self, request: web.Request, reply: OrgReply, fault: OrgFault | None
    ) -> web.StreamResponse:
        response, pieces = _prepare_response(request, reply, fault)
        try:
            await response.prepare(request)
            if request.method != "HEAD":
                await self._write(request, response, pieces, fault)
            if fault and fault.cut is not None and request.transport:
                request.transport.close()
            else:
                await response.write_eof()
        except ConnectionError:
            _log.info("%s: the client went away", request.path)
        return response

    async def _write(
        self,
        request: web.Request,
        response: web.StreamResponse,
        pieces: Iterator[bytes],
        fault: OrgFault | None,
    ) -> None:
        while piece := await self.in_thread(next, pieces, _NO_MORE):
            await response.write(piece)
            if fault is not None:
                await self.delay(request, fault, fault.drip_delay)


def _prepare_response(
    request: web.Request, reply: OrgReply, fault: OrgFault | None
) -> tuple[web.StreamResponse, Iterator[bytes]]:
    if fault and not fault.answers:
        content = fault.spoil(reply.content, request.raw_path)
        reply = OrgReply(reply.status, content, reply.content_type, reply.headers)
    content = bodies.render(reply, pretty=request.headers.get("X-PrettyPrint") == "1")
    size = content.size if isinstance(content, FileRange) else len(content)
    response = web.StreamResponse(status=reply.status, headers=CIMultiDict(reply.headers))
    response.headers["Server"] = _SERVER
    if size == 0:
        response.content_length = None if reply.status in _WITHOUT_BODY else 0
        return response, iter(())
    response.headers["Content-Type"] = bodies.content_type(reply, fault)
    pieces = bodies.chunks(content)
    if fault and fault.rows_twice:
        pieces = bodies.with_rows_twice(content)
    if fault and not fault.answers:
        pieces = bodies.spoil(pieces, fault)
    if "gzip" in request.headers.get("Accept-Encoding", "") and size >= _WORTH_COMPRESSING:
        response.headers["Content-Encoding"] = "gzip"
        pieces = bodies.compress(pieces)
        response.enable_chunked_encoding()
    elif fault and fault.changes_size:
        response.enable_chunked_encoding()
    else:
        response.content_length = size
    return response, bodies.slow_down(pieces, fault) if fault else pieces


async def _read(request: web.Request, into: BinaryIO, *, limit: int) -> None:
    size = 0
    async for chunk in request.content.iter_chunked(_IN_MEMORY):
        size += len(chunk)
        if size > limit:
            raise OrgApiError(413, "REQUEST_TOO_LARGE", f"The request body exceeds {limit} bytes")
        into.write(chunk)
    into.seek(0)


def _path(request: web.Request) -> str:
    """Percent-encoded. Salesforce's own clients sometimes start it with two slashes."""
    return "/" + request.rel_url.raw_path.lstrip("/")


def _head_too_large(request: web.Request) -> OrgReply | None:
    """The real service's edge answers these, in HTML."""
    head = sum(len(name) + len(value) + 4 for name, value in request.raw_headers)
    if len(request.raw_path) > _MAX_HEAD:
        return _edge_error(414, "URI Too Long")
    if len(request.raw_path) + head > _MAX_HEAD:
        return _edge_error(431, "Request Header Fields Too Large")
    return None


def _edge_error(status: int, reason: str) -> OrgReply:
    page = f"<h1>Bad Message {status}</h1><pre>reason: {reason}</pre>"
    return OrgReply(status, page.encode(), "text/html;charset=iso-8859-1")


def _check_content_type(route: OrgRoute, call: OrgRequest) -> None:
    sent = call.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if call.method in (*_TAKES_JSON, "PUT") and sent and sent not in route.accepts:
        raise OrgApiError(
            415,
            "UNSUPPORTED_MEDIA_TYPE",
            f"Content type not supported: {sent}. Supported are {', '.join(route.accepts)}",
        )


async def _spoil_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Called with all headers, those of the HTTP server included."""
    fault = request.get(_FAULT)
    if fault is None:
        return
    headers = response.headers
    if fault.number_of_records is not None and "Sforce-NumberOfRecords" in headers:
        true = int(headers["Sforce-NumberOfRecords"])
        headers["Sforce-NumberOfRecords"] = str(fault.record_count(true))
    locator = request.query.get("locator")
    if fault.stuck_locator and locator and "Sforce-Locator" in headers:
        headers["Sforce-Locator"] = locator
    for name in fault.drop_headers:
        headers.popall(name, None)
    headers.update(fault.set_headers)
    if fault.lower_case_headers:
        lowered = [(name.lower(), value) for name, value in headers.items()]
        headers.clear()
        headers.extend(lowered)
