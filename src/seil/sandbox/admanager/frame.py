"""Ad Manager's frame: handlers by path, and the shape of errors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from typing_extensions import override

from seil.sandbox.admanager.errors import AdManagerApiError, invalid
from seil.sandbox.admanager.faults import KINDS, AdManagerFault
from seil.sandbox.admanager.messages import JSON, AdManagerHandler, AdManagerRequest, json_reply
from seil.sandbox.admanager.store import NetworkStore
from seil.sandbox.base.faults import FAULT_HEADER, FaultTable
from seil.sandbox.base.frame import WholeBodyFrame
from seil.sandbox.base.messages import Reply

_HTML = "text/html; charset=UTF-8"


class AdManagerFrame(WholeBodyFrame[AdManagerFault, AdManagerRequest]):
    """`handlers` maps path prefixes to handlers."""

    max_body = 10 << 20
    server_header = "ESF"
    request_type = AdManagerRequest

    def __init__(
        self,
        handlers: Mapping[str, AdManagerHandler],
        store: NetworkStore,
        faults: FaultTable[AdManagerFault],
    ) -> None:
        super().__init__(faults, KINDS, name="sandbox-admanager", threads=8)
        self._handlers = handlers
        self._store = store

    @override
    def answer(self, received: AdManagerRequest) -> Reply:
        try:
            for start, handler in self._handlers.items():
                if received.path.startswith(start):
                    return handler(received)
        except AdManagerApiError as error:
            return error_reply(received, error)
        return _unknown_address(received)

    @override
    def internal_error(self, received: AdManagerRequest) -> Reply:
        message = "Internal error encountered; the stand-in's log has the details."
        error = AdManagerApiError("INTERNAL", "ServerError", "SERVER_ERROR", message)
        return error_reply(received, error)

    @override
    def no_fault(self, problem: str) -> Reply:
        error = invalid(problem, field=FAULT_HEADER)
        return json_reply(error.body, error.http_status)

    @override
    def fault_reply(self, fault: AdManagerFault, received: AdManagerRequest) -> Reply:
        status = fault.status or 200
        if fault.html is not None:
            return Reply(status, fault.html.encode(), _HTML, fault.headers)
        if fault.text is not None:
            return Reply(status, fault.text.encode(), JSON, fault.headers)
        if fault.error:
            return replace(error_reply(received, fault.api_error()), headers=fault.headers)
        message = "The service is unavailable."
        error = AdManagerApiError("UNAVAILABLE", "ServerError", "SERVER_BUSY", message)
        return Reply(status, error_reply(received, error).body, JSON, fault.headers)

    @override
    def end_tokens(self) -> None:
        self._store.forget_tokens()


def error_reply(request: AdManagerRequest, error: AdManagerApiError) -> Reply:
    """In the called API's shape."""
    if request.path.startswith("/apis/"):
        from seil.sandbox.admanager.soap.envelope import fault_reply

        return fault_reply(request.path, error)
    return json_reply(error.body, error.http_status)


def _unknown_address(request: AdManagerRequest) -> Reply:
    """The real service's edge answers this, in HTML."""
    page = f"<html><title>Error 404 (Not Found)!!1</title><p>{len(request.path)} characters</html>"
    return Reply(404, page.encode(), _HTML)
