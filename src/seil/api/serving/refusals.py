"""Answers to what never becomes a request: in the contract's envelope, as bytes."""

from __future__ import annotations

from http import HTTPStatus

from starlette.responses import Response

from seil.api.calls import Answer, Fault
from seil.api.edge.exchange import Exchange
from seil.api.edge.frame import with_frame_headers
from seil.observe.correlation import new_id

__all__ = ["no_room", "not_http"]

_RETRY_SECONDS = 1


def no_room(limit: int) -> bytes:
    """For a connection beyond the limit. Its request is not read: it costs as little as it can."""
    text = f"All {limit} connections are taken: nothing was read or done"
    return _closing(Answer(503, errors=(Fault("EC50301", text),), retry_after=_RETRY_SECONDS))


def not_http() -> bytes:
    """RFC 9112, section 2.2 and 6.3: what cannot be understood is refused, and not read on."""
    text = "This is no HTTP/1.1 request, or it has no clear end"
    return _closing(Answer(400, errors=(Fault("EC40005", text),)))


def _closing(answer: Answer) -> bytes:
    exchange = Exchange(method="", path="", correlation_id=new_id(), application_label=None)
    response = exchange.failure(answer)
    response.headers["Connection"] = "close"
    return _wire(response, exchange.correlation_id)


def _wire(response: Response, correlation_id: str) -> bytes:
    headers = with_frame_headers(response.raw_headers, correlation_id)
    code = HTTPStatus(response.status_code)
    head = f"HTTP/1.1 {code.value} {code.phrase}\r\n".encode()
    lines = (name + b": " + value + b"\r\n" for name, value in headers)
    return head + b"".join(lines) + b"\r\n" + bytes(response.body)
