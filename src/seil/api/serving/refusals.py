"""Answers sent before there is a request: in the contract's envelope, as bytes."""

from __future__ import annotations

from email.utils import formatdate
from http import HTTPStatus

from starlette.responses import Response

from seil.api.calls import Answer, Fault
from seil.api.edge.exchange import Exchange
from seil.api.edge.frame import with_frame_headers
from seil.observe.correlation import new_id

__all__ = ["bad_request", "no_room", "not_http"]

_RETRY_SECONDS = 1


def no_room(limit: int) -> bytes:
    """For a connection over the limit. Its request is not read, which would cost time."""
    text = f"All {limit} connections are taken: nothing was read or done"
    answer = Answer(503, errors=(Fault("EC50301", text),), retry_after=_RETRY_SECONDS)
    return _wire(_closing(answer))


def not_http() -> bytes:
    return _wire(bad_request("This is not an HTTP/1.1 request"))


def bad_request(text: str) -> Response:
    """Closes the connection: RFC 9112, sections 2.2 and 6.3."""
    return _closing(Answer(400, errors=(Fault("EC40005", text),)))


def _closing(answer: Answer) -> Response:
    exchange = Exchange(method="", path="", correlation_id=new_id(), application_label=None)
    response = exchange.failure(answer)
    response.headers["Connection"] = "close"
    response.raw_headers[:] = with_frame_headers(response.raw_headers, exchange.correlation_id)
    return response


def _wire(response: Response) -> bytes:
    code = HTTPStatus(response.status_code)
    date = formatdate(usegmt=True)
    head = f"HTTP/1.1 {code.value} {code.phrase}\r\ndate: {date}\r\n".encode()
    lines = (name + b": " + value + b"\r\n" for name, value in response.raw_headers)
    return head + b"".join(lines) + b"\r\n" + bytes(response.body)
