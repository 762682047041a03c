from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

import pytest
from tests.api.deployments import running_stand_ins
from tests.limits import HANGS
from tests.ministack import Ministack, ministack

__all__ = ["running_stand_ins"]


@pytest.fixture(scope="session")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ministack]:
    """An AWS with nothing in it."""
    with ministack(tmp_path_factory.mktemp("aws")) as server:
        yield server


@pytest.fixture
def aws_environment(aws: Ministack, monkeypatch: pytest.MonkeyPatch) -> Ministack:
    """boto3's own clients reach it."""
    for name, value in aws.environment.items():
        monkeypatch.setenv(name, value)
    return aws


class Context:
    """Of a function that is killed in so many seconds."""

    def __init__(self, seconds: float) -> None:
        self._ends = time.monotonic() + seconds

    def get_remaining_time_in_millis(self) -> int:
        return int((self._ends - time.monotonic()) * 1000)

    def is_over(self, *, by: float) -> bool:
        """A busy machine stands still now and then, which is nothing of ours."""
        return time.monotonic() - self._ends > by


@dataclass
class Reply:
    """What the Lambda API answers: `error` is its own, `failed` the function's."""

    payload: Any = None
    error: str = ""
    status: int = 200
    failed: str = ""
    delay: float = 0
    hang_up: bool = False


@dataclass
class LambdaApi:
    """The Invoke operation over HTTP, with the answers a test wants; the last one goes on.

    Delays end when `released`; none is answered before all of `together` have asked.
    """

    url: str
    replies: list[Reply] = field(default_factory=list)
    invoked: list[tuple[str, Any]] = field(default_factory=list)
    at: list[float] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    together: threading.Barrier | None = None
    connections: int = 0

    def hold(self, delay: float) -> None:
        if self.together:
            self.together.wait(HANGS)
        self.released.wait(delay)

    def next(self) -> Reply:
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]


def _handler(api: LambdaApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            api.connections += 1
            super().setup()

        def do_POST(self) -> None:
            name = unquote(self.path.split("/")[3])
            event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            api.invoked.append((name, event))
            api.at.append(time.monotonic())
            reply = api.next()
            api.hold(reply.delay)
            if reply.hang_up:
                self.close_connection = True
                return
            self._send(reply)

        def _send(self, reply: Reply) -> None:
            content = reply.payload
            if reply.error:
                content = {"Message": "no", "Type": "User"}
            body = content if isinstance(content, bytes) else json.dumps(content).encode()
            try:
                self.send_response(reply.status)
                self.send_header("Content-Length", str(len(body)))
                if reply.error:
                    self.send_header("x-amzn-ErrorType", reply.error)
                if reply.failed:
                    self.send_header("X-Amz-Function-Error", reply.failed)
                self.end_headers()
                self.wfile.write(body)
            except OSError:
                self.close_connection = True

        def log_message(self, *_: Any) -> None: ...

    return Handler


@contextmanager
def lambda_server() -> Iterator[LambdaApi]:
    api = LambdaApi("")
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(api)) as server:
        api.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield api
        finally:
            api.released.set()
            server.shutdown()
            thread.join()


@pytest.fixture
def lambda_api(monkeypatch: pytest.MonkeyPatch) -> Iterator[LambdaApi]:
    """boto3's own clients reach it."""
    with lambda_server() as api:
        for name, value in Ministack(api.url).environment.items():
            monkeypatch.setenv(name, value)
        yield api
