"""ASGI middleware around the API: correlation id, gate, body limit, headers, one log line.

It precedes the framework, which would read a body before checking who sent it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from contextlib import suppress
from typing import Any

from opentelemetry import trace
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from seil.api.departures import departure
from seil.api.edge import problems
from seil.api.edge.exchange import CALLER_LEFT, Exchange
from seil.api.edge.gate import Gate
from seil.observe.correlation import correlation, new_id, valid_id
from seil.observe.spans import name_by_route, server_span

__all__ = ["Frame", "with_frame_headers"]

_log = logging.getLogger(__name__)

_Header = tuple[bytes, bytes]

_PROTECTED = "/v1"
_LONGEST_LABEL = 100
_BODY_SECONDS = 10.0
_LINGER_SECONDS = 5.0
# For bodies read without a token: a token request has a few hundred bytes.
_OPEN_BODY_LIMIT = 16 << 10
_HEAD = "HEAD"
_TOKEN_HEADER = "Authorization"  # noqa: S105 - a name, no secret
_UNREPEATABLE = (
    *(_TOKEN_HEADER, "Content-Type", "Idempotency-Key"),
    *("X-Correlation-Id", "X-Application-Label"),
)

_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"strict-transport-security", b"max-age=31536000; includeSubDomains"),
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)
# The docs page has an inline script.
_PAGE_POLICY = (
    b"default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    b"img-src 'self' data:; frame-ancestors 'none'"
)
_PAGE_HEADERS = (*_HEADERS[:-1], (b"content-security-policy", _PAGE_POLICY))


class _CallerLeftError(Exception):
    pass


class _RefusedError(Exception):
    def __init__(self, response: Response) -> None:
        self.response = response


class Frame:
    """ASGI middleware; `body_limit` is in bytes.

    `route_of` names the route of requests that are refused before the app routes them.
    """

    def __init__(
        self, app: ASGIApp, *, gate: Gate, body_limit: int, route_of: Callable[[Scope], str]
    ) -> None:
        self._app = app
        self._gate = gate
        self._body_limit = body_limit
        self._route_of = route_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        method = scope["method"]
        if method == _HEAD:
            # Answered like GET, without the body: RFC 9110, section 9.3.2.
            scope = {**scope, "method": "GET"}
        headers = _first_values(scope["headers"])
        identity = valid_id(headers.get("x-correlation-id", "")) or new_id()
        exchange = Exchange(
            method=method,
            path=scope["path"],
            correlation_id=identity,
            application_label=_label(headers),
        )
        exchange.attach(scope)
        with (
            correlation(identity),
            server_span(exchange.method, headers) as span,
        ):
            await self._handle(_Response(send, exchange, span), scope, receive, headers)

    async def _handle(
        self, sender: _Response, scope: Scope, receive: Receive, headers: Mapping[str, str]
    ) -> None:
        exchange = sender.exchange
        try:
            if len(headers) < len(scope["headers"]):
                _refuse_repeated(exchange, scope["headers"])
            if response := await self._refusal(exchange, headers):
                raise _RefusedError(response)
            body = await self._body(exchange, headers, receive)
            await self._app(scope, _replay(body, receive), sender)
        except _RefusedError as refusal:
            sender.route = self._route_of(scope)
            closes = headers.get("connection", "").lower() == "close"
            send = _linger(sender, receive) if closes else sender
            await refusal.response(scope, receive, send)
        except _CallerLeftError:
            sender.status = CALLER_LEFT
        except asyncio.CancelledError:  # The server's grace period is over.
            if not sender.started:
                await problems.shutting_down(exchange)(scope, receive, sender)
            raise
        except Exception:  # noqa: BLE001 - the outermost barrier, which logs it
            _log.exception("%s %s failed", exchange.method, exchange.path)
            if not sender.started:
                await problems.internal_error(exchange)(scope, receive, sender)
        finally:
            if departure().happened:
                sender.status = CALLER_LEFT
            sender.finish(scope)

    async def _refusal(self, exchange: Exchange, headers: Mapping[str, str]) -> Response | None:
        if not _is_protected(exchange.path):
            return None
        if refusal := await self._gate.refusal(exchange, headers):
            return refusal
        if "x-application-label" in headers and exchange.application_label is None:
            text = f"X-Application-Label: 1 to {_LONGEST_LABEL} printable ASCII characters"
            return exchange.refuse(400, "EC40004", text)
        return None

    async def _body(
        self, exchange: Exchange, headers: Mapping[str, str], receive: Receive
    ) -> bytes:
        """The whole body. Raises _RefusedError where it is too long or takes too long."""
        announced = headers.get("content-length", "")
        if not announced and "transfer-encoding" not in headers:
            return b""
        limit = self._body_limit if _is_protected(exchange.path) else _OPEN_BODY_LIMIT
        if announced.isdecimal() and int(announced) > limit:
            raise _RefusedError(_too_long(exchange, limit))
        chunks: list[bytes] = []
        length = 0
        try:
            async with asyncio.timeout(_BODY_SECONDS):
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise _CallerLeftError
                    chunks.append(message.get("body", b""))
                    length += len(chunks[-1])
                    if length > limit:
                        raise _RefusedError(_too_long(exchange, limit))
                    if not message.get("more_body", False):
                        return b"".join(chunks)
        except TimeoutError as error:
            text = f"The body did not arrive within {_BODY_SECONDS:g} seconds"
            response = exchange.refuse(408, "EC40801", text)
            # The rest may trickle in for ever: RFC 9110, section 15.5.9.
            response.headers["Connection"] = "close"
            raise _RefusedError(response) from error


class _Response:
    """Adds the common headers to an answer, and logs it."""

    def __init__(self, send: Send, exchange: Exchange, span: trace.Span) -> None:
        self._send = send
        self._span = span
        self._started_at = time.perf_counter()
        self.exchange = exchange
        self.started = False
        self.status = 500
        self.route = ""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            self.status = message["status"]
            message["headers"] = with_frame_headers(
                message["headers"], self.exchange.correlation_id
            )
        elif self.exchange.method == _HEAD:
            message["body"] = b""
        await self._send(message)

    def finish(self, scope: MutableMapping[str, Any]) -> None:
        route = self.route or getattr(scope.get("route"), "path", "")
        name_by_route(
            self._span,
            self.exchange.method,
            route,
            path=self.exchange.path,
            status=self.status,
        )
        _log.info(
            "%s %s %d",
            self.exchange.method,
            self.exchange.path,
            self.status,
            extra={
                **self.exchange.notes,
                "method": self.exchange.method,
                "path": self.exchange.path,
                "route": route,
                "status": self.status,
                "milliseconds": round((time.perf_counter() - self._started_at) * 1000, 2),
                "caller": self.exchange.caller,
                "application_label": self.exchange.application_label,
            },
        )


def _is_protected(path: str) -> bool:
    return path == _PROTECTED or path.startswith(f"{_PROTECTED}/")


def _too_long(exchange: Exchange, limit: int) -> Response:
    return exchange.refuse(413, "EC41301", f"The body is longer than {limit} bytes")


def _refuse_repeated(exchange: Exchange, headers: Sequence[_Header]) -> None:
    """Raises _RefusedError: a proxy may take the first value where we take the last.

    RFC 9110, section 5.3; for a token RFC 6750, section 3.1.
    """
    counts = Counter(name for name, _ in headers)
    repeated = [name for name in _UNREPEATABLE if counts[name.lower().encode()] > 1]
    if not repeated:
        return
    response = exchange.refuse(400, "EC40004", f"{', '.join(repeated)}: given more than once")
    if _TOKEN_HEADER in repeated:
        response.headers["WWW-Authenticate"] = 'Bearer error="invalid_request"'
    raise _RefusedError(response)


def _first_values(headers: Sequence[_Header]) -> dict[str, str]:
    """By name; the first value of a repeated header."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(headers)}


def with_frame_headers(headers: Sequence[_Header], identity: str) -> list[_Header]:
    """Headers that the app has set itself take precedence."""
    own = dict(headers)
    is_page = own.get(b"content-type", b"").startswith(b"text/html")
    defaults = _PAGE_HEADERS if is_page else _HEADERS
    added = [header for header in defaults if header[0] not in own]
    return [*headers, *added, (b"x-correlation-id", identity.encode())]


def _linger(send: Send, receive: Receive) -> Send:
    """Reads and discards the request's body for a while before the answer ends.

    Otherwise a caller who is still sending gets a reset instead of the answer: RFC 9112, section
    9.6. On a connection that is kept alive the server reads on anyway.
    """

    async def lingering(message: Message) -> None:
        if message["type"] != "http.response.body":
            await send(message)
            return
        await send({**message, "more_body": True})
        with suppress(TimeoutError):
            async with asyncio.timeout(_LINGER_SECONDS):
                while (await receive()).get("more_body", False):
                    pass
        await send({"type": "http.response.body"})

    return lingering


def _label(headers: Mapping[str, str]) -> str | None:
    """X-Application-Label, if valid."""
    label = headers.get("x-application-label", "")
    fits = 0 < len(label) <= _LONGEST_LABEL and label.isascii() and label.isprintable()
    return label if fits else None


def _replay(body: bytes, receive: Receive) -> Receive:
    """Receives `body`, which has been read already, and then from the server."""
    is_sent = False

    async def replay() -> Message:
        nonlocal is_sent
        if is_sent:
            return await receive()
        is_sent = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
