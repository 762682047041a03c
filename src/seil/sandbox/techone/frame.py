"""TechOne's frame: counted requests, and the shape of its errors."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable

from aiohttp import web
from typing_extensions import override

from seil.sandbox.base.faults import FAULT_HEADER, FaultTable
from seil.sandbox.base.frame import WholeBodyFrame
from seil.sandbox.base.messages import Reply
from seil.sandbox.techone.faults import KINDS, TechOneFault
from seil.sandbox.techone.messages import (
    TechOneApiError,
    TechOneHandler,
    TechOneRequest,
    json_reply,
)

CONTROL = ("/sandbox/", "/control/")


class TechOneFrame(WholeBodyFrame[TechOneFault, TechOneRequest]):
    """`find` gives a request's handler; it raises TechOneApiError if there is none.

    `end_tokens` ends every token that was issued.
    """

    control = CONTROL
    max_body = 64 << 20
    server_header = "Microsoft-IIS/10.0"
    request_type = TechOneRequest

    def __init__(
        self,
        find: Callable[[TechOneRequest], TechOneHandler],
        faults: FaultTable[TechOneFault],
        *,
        end_tokens: Callable[[], None],
    ) -> None:
        super().__init__(faults, KINDS, name="sandbox-techone", threads=8)
        self._find = find
        self._end_tokens = end_tokens
        self._lock = threading.Lock()
        self._requests: Counter[str] = Counter()

    def requests(self) -> dict[str, int]:
        """How often each method and path was requested since the start."""
        with self._lock:
            return dict(sorted(self._requests.items()))

    @override
    def strike(self, request: web.Request, body: bytes) -> TechOneFault | None:
        if not request.path.startswith(self.control):
            with self._lock:
                self._requests[f"{request.method} {request.path}"] += 1
        return super().strike(request, body)

    @override
    def answer(self, received: TechOneRequest) -> Reply:
        try:
            return self._find(received)(received)
        except TechOneApiError as error:
            return error.reply

    @override
    def internal_error(self, received: TechOneRequest) -> Reply:
        return json_reply({"Message": "An error has occurred; the log has the details."}, 500)

    @override
    def no_fault(self, problem: str) -> Reply:
        return TechOneApiError(400, f"{FAULT_HEADER}: {problem}").reply

    @override
    def fault_reply(self, fault: TechOneFault, received: TechOneRequest) -> Reply:
        return fault.reply()

    @override
    def alter(self, received: TechOneRequest, fault: TechOneFault) -> TechOneRequest:
        return fault.alter(received)

    @override
    def spoil(self, reply: Reply, fault: TechOneFault) -> Reply:
        return fault.spoil(reply)

    @override
    def end_tokens(self) -> None:
        self._end_tokens()
