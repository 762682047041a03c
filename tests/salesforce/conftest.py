"""A far end on loopback that answers what a test tells it to, byte for byte."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from typing_extensions import override

from seil.salesforce.org import Org
from seil.secret import Secret
from seil.settings import SalesforceSettings

DATA = "/services/data/v66.0"
TOKEN = "/services/oauth2/token"


@dataclass
class Request:
    method: str
    path: str
    params: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode()))


@dataclass
class Reply:
    """`claims`: a Content-Length other than the body's; `framing`: how the body's end is told;
    `linger`: seconds of silence behind the body.
    """

    status: int = 200
    body: Any = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    framing: str = "length"
    claims: int | None = None
    chunks: Sequence[bytes] = ()
    delay: float = 0.0
    hang_up: bool = False
    linger: float = 0.0
    lower_case: bool = False

    def pieces(self) -> list[bytes]:
        if self.chunks:
            return list(self.chunks)
        if isinstance(self.body, bytes):
            return [self.body]
        return [json.dumps(self.body).encode()]


Answerer = Callable[[Request], Reply]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    @override
    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is what some tests are about."""


class FarEnd:
    """`on` registers replies for a method and a path pattern: in turn, the last one for ever."""

    def __init__(self) -> None:
        self.requests: list[Request] = []
        self.token = 0
        self._routes: list[tuple[str, re.Pattern[str], list[Reply | Answerer]]] = []
        self._lock = Lock()
        self._released = Event()

        class Quiet(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            @override
            def log_message(self, format: str, *args: Any) -> None: ...

        def serve(handler: BaseHTTPRequestHandler) -> None:
            self._serve(handler)

        methods = ("GET", "POST", "PATCH", "DELETE")
        handler = type("Handler", (Quiet,), {f"do_{method}": serve for method in methods})
        self._server = _Server(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        self.on("POST", TOKEN, self._grant)

    def close(self) -> None:
        self._released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def on(self, method: str, path: str, *replies: Reply | Answerer) -> None:
        self._routes.insert(0, (method, re.compile(path), list(replies)))

    def paths(self, method: str) -> list[str]:
        return [r.path for r in self.requests if r.method == method and r.path != TOKEN]

    def _grant(self, _request: Request) -> Reply:
        self.token += 1
        return Reply(
            body={
                "access_token": f"token-{self.token}",
                "instance_url": self.url,
                "id": "https://login.salesforce.com/id/00Dxx0000001gPLEAY/005xx000001SwiUAAS",
                "token_type": "Bearer",
            }
        )

    def _reply_to(self, request: Request) -> Reply:
        with self._lock:
            self.requests.append(request)
            for method, path, replies in self._routes:
                if method == request.method and path.fullmatch(request.path):
                    reply = replies.pop(0) if len(replies) > 1 else replies[0]
                    return reply(request) if callable(reply) else reply
        return Reply(404, [{"errorCode": "NOT_FOUND", "message": "no such route in the test"}])

    def _serve(self, handler: BaseHTTPRequestHandler) -> None:
        parts = urlsplit(handler.path)
        length = int(handler.headers.get("Content-Length") or 0)
        request = Request(
            handler.command,
            parts.path,
            dict(parse_qsl(parts.query, keep_blank_values=True)),
            dict(handler.headers.items()),
            handler.rfile.read(length),
        )
        reply = self._reply_to(request)
        self._released.wait(reply.delay)
        if reply.hang_up:
            handler.close_connection = True
            return
        self._write(handler, reply)

    def _write(self, handler: BaseHTTPRequestHandler, reply: Reply) -> None:
        pieces = reply.pieces()
        headers = dict(reply.headers)
        headers.setdefault("Content-Type", "application/json;charset=UTF-8")
        if reply.framing == "length" and reply.status != 204:
            headers["Content-Length"] = str(reply.claims or sum(map(len, pieces)))
        elif reply.framing == "chunked":
            headers["Transfer-Encoding"] = "chunked"
        if reply.framing == "close" or reply.claims:
            headers["Connection"] = "close"
            handler.close_connection = True
        head = [f"HTTP/1.1 {reply.status} Whatever"]
        head += [f"{n.lower() if reply.lower_case else n}: {v}" for n, v in headers.items()]
        handler.wfile.write("\r\n".join([*head, "", ""]).encode("latin-1"))
        for piece in pieces:
            framed = b"%x\r\n%s\r\n" % (len(piece), piece)
            handler.wfile.write(framed if reply.framing == "chunked" else piece)
        if reply.framing == "chunked":
            handler.wfile.write(b"0\r\n\r\n")
        if reply.linger:
            handler.wfile.flush()
            self._released.wait(reply.linger)


@pytest.fixture
def far() -> Iterator[FarEnd]:
    end = FarEnd()
    yield end
    end.close()


@pytest.fixture
def moved() -> Iterator[FarEnd]:
    """Another host."""
    end = FarEnd()
    yield end
    end.close()


@pytest.fixture
def settings(far: FarEnd) -> SalesforceSettings:
    return SalesforceSettings(
        login_url=far.url,
        client_id="app",
        client_secret=Secret("plain:s3cr3t"),
        attempts=3,
    )


@pytest.fixture
def pauses() -> list[float]:
    """What the client would have slept."""
    return []


@pytest.fixture
def org(settings: SalesforceSettings, pauses: list[float]) -> Iterator[Org]:
    with Org(settings, sleep=pauses.append) as opened:
        yield opened


def errors(code: str, message: str) -> list[dict[str, str]]:
    return [{"errorCode": code, "message": message}]
