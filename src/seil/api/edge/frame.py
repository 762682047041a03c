"""The frame around every request: correlation id, gate, body limit, headers, one log line.

It stands before the framework, which reads a body before it looks at who sent it.
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

_GUARDED = "/v1"
_LONGEST_LABEL = 100
_BODY_SECONDS = 10.0
_LINGER_SECONDS = 5.0
# Of bodies that are read before anybody has shown a token: a token request has some hundred bytes.
_OPEN_BODY_LIMIT = 16 << 10
_HEAD = "HEAD"
_TOKEN_HEADER = "Authorization"  # noqa: S105 - a name, no secret
_SINGLE = (
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
# The docs page starts itself with a script of its own.
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

    `route_of` is for requests that are refused before the app looks for their route.
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
            # Answered as GET is, without the body: RFC 9110, section 9.3.2.
            scope = {**scope, "method": "GET"}
        headers = _first_of_each(scope["headers"])
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
            await self._framed(_Sender(send, exchange, span), scope, receive, headers)

    async def _framed(
        self, sender: _Sender, scope: Scope, receive: Receive, headers: Mapping[str, str]
    ) -> None:
        exchange = sender.exchange
        try:
            if len(headers) < len(scope["headers"]):
                _refuse_repeated(exchange, scope["headers"])
            if response := await self._refusal(exchange, headers):
                raise _RefusedError(response)
            body = await self._body(exchange, headers, receive)
            await self._app(scope, _replayed(body, receive), sender)
        except _RefusedError as refused:
            sender.route = self._route_of(scope)
            closes = headers.get("connection", "").lower() == "close"
            send = _lingering(sender, receive) if closes else sender
            await refused.response(scope, receive, send)
        except _CallerLeftError:
            sender.status = CALLER_LEFT
        except asyncio.CancelledError:  # The server stops, and waits no longer.
            if not sender.started:
                await problems.stopping(exchange)(scope, receive, sender)
            raise
        except Exception:  # noqa: BLE001 - the outermost barrier, told in the log
            _log.exception("%s %s broke", exchange.method, exchange.path)
            if not sender.started:
                await problems.broken(exchange)(scope, receive, sender)
        finally:
            if departure().happened:
                sender.status = CALLER_LEFT
            sender.tell(scope)

    async def _refusal(self, exchange: Exchange, headers: Mapping[str, str]) -> Response | None:
        if not _guarded(exchange.path):
            return None
        if refusal := await self._gate.refusal(exchange, headers):
            return refusal
        if "x-application-label" in headers and exchange.application_label is None:
            text = f"X-Application-Label: 1 to {_LONGEST_LABEL} printable ASCII characters"
            return exchange.refused(400, "EC40004", text)
        return None

    async def _body(
        self, exchange: Exchange, headers: Mapping[str, str], receive: Receive
    ) -> bytes:
        """The whole body. Raises _RefusedError where it is too long or takes too long."""
        announced = headers.get("content-length", "")
        if not announced and "transfer-encoding" not in headers:
            return b""
        most = self._body_limit if _guarded(exchange.path) else _OPEN_BODY_LIMIT
        if announced.isdecimal() and int(announced) > most:
            raise _RefusedError(_too_long(exchange, most))
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
                    if length > most:
                        raise _RefusedError(_too_long(exchange, most))
                    if not message.get("more_body", False):
                        return b"".join(chunks)
        except TimeoutError as error:
            text = f"The body did not arrive within {_BODY_SECONDS:g} seconds"
            response = exchange.refused(408, "EC40801", text)
            # The rest of it may come bit by bit, for ever: RFC 9110, section 15.5.9.
            response.headers["Connection"] = "close"
            raise _RefusedError(response) from error


class _Sender:
    """Adds the headers that every answer has, and remembers how it went."""

    def __init__(self, send: Send, exchange: Exchange, span: trace.Span) -> None:
        self._send = send
        self._span = span
        self._begun = time.perf_counter()
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

    def tell(self, scope: MutableMapping[str, Any]) -> None:
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
                "milliseconds": round((time.perf_counter() - self._begun) * 1000, 2),
                "caller": self.exchange.caller,
                "application_label": self.exchange.application_label,
            },
        )


def _guarded(path: str) -> bool:
    return path == _GUARDED or path.startswith(f"{_GUARDED}/")


def _too_long(exchange: Exchange, most: int) -> Response:
    return exchange.refused(413, "EC41301", f"The body is longer than {most} bytes")


def _refuse_repeated(exchange: Exchange, headers: Sequence[_Header]) -> None:
    """Raises _RefusedError: who is first, who last, is read differently by others on the way.

    RFC 9110, section 5.3; for a token RFC 6750, section 3.1.
    """
    given = Counter(name for name, _ in headers)
    repeated = [name for name in _SINGLE if given[name.lower().encode()] > 1]
    if not repeated:
        return
    response = exchange.refused(400, "EC40004", f"{', '.join(repeated)}: given more than once")
    if _TOKEN_HEADER in repeated:
        response.headers["WWW-Authenticate"] = 'Bearer error="invalid_request"'
    raise _RefusedError(response)


def _first_of_each(headers: Sequence[_Header]) -> dict[str, str]:
    """By name; the first counts where one is given again."""
    return {name.decode("latin-1"): value.decode("latin-1") for name, value in reversed(headers)}


def with_frame_headers(headers: Sequence[_Header], identity: str) -> list[_Header]:
    """What the app says for itself stays."""
    given = dict(headers)
    page = given.get(b"content-type", b"").startswith(b"text/html")
    ours = [one for one in (_PAGE_HEADERS if page else _HEADERS) if one[0] not in given]
    return [*headers, *ours, (b"x-correlation-id", identity.encode())]


def _lingering(send: Send, receive: Receive) -> Send:
    """Ends an answer once the body has been read, and thrown away, for a while.

    A caller who sends all of it first would see a reset connection and no answer: RFC 9112,
    section 9.6. Where the connection is kept the server reads on anyway.
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
    """X-Application-Label, where it is one."""
    label = headers.get("x-application-label", "")
    fits = 0 < len(label) <= _LONGEST_LABEL and label.isascii() and label.isprintable()
    return label if fits else None


def _replayed(body: bytes, receive: Receive) -> Receive:
    """A body that was read already; after it, what the server says."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
