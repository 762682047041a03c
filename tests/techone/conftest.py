from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.limits import HANGS

from seil.sandbox.techone.faults import TechOneFault
from seil.sandbox.techone.server import TechOneServer
from seil.secret import Secret
from seil.settings import TechOneSettings
from seil.techone.client import TechOne

SECRET = "s3cret/+%:ä"


class StandIn:
    """The stand-in, and what a test asks of it."""

    def __init__(self, server: TechOneServer) -> None:
        self.server = server

    def settings(self, **changed: Any) -> TechOneSettings:
        server = self.server
        return TechOneSettings(base_url=server.url, token_url=server.token_url, **changed)

    def client(self, seconds: float = HANGS, **changed: Any) -> TechOne:
        return TechOne(self.settings(timeout=timedelta(seconds=seconds), **changed))

    def fault(self, **fault: Any) -> None:
        self.server.faults.add(TechOneFault.model_validate({"path": "^/Api", **fault}))

    def is_struck(self) -> bool:
        """Whether the first fault has struck."""
        return bool(self.server.faults.entries()[0]["struck"])

    @property
    def requests(self) -> dict[str, int]:
        """Since the server was started."""
        counts: dict[str, int] = httpx.get(
            f"{self.server.url}/control/summary", timeout=HANGS
        ).json()["requests"]
        return counts

    @property
    def logins(self) -> int:
        return self.requests.get("POST /oauth2/token", 0)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TechOneServer]:
    with TechOneServer(tmp_path_factory.mktemp("techone")) as server:
        yield server


@pytest.fixture
def stand_in(running: TechOneServer) -> Iterator[StandIn]:
    yield StandIn(running)
    running.faults.clear()


class FarEnd:
    """Gives out a token, and then the one answer it is told; keeps what was sent to it."""

    def __init__(self) -> None:
        self.token: tuple[int, Any] = (200, {"access_token": "t0ken-value", "expires_in": 3600})
        self.answer: tuple[int, Any] = (200, {})
        self.headers: dict[str, str] = {}
        self.sent: list[tuple[str, dict[str, str], bytes]] = []
        far_end = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _reply(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                far_end.sent.append((self.path, dict(self.headers), body))
                status, content = far_end.token if self.path == "/oauth2/token" else far_end.answer
                raw = content if isinstance(content, bytes) else json.dumps(content).encode()
                self.send_response(status)
                for name, value in {**far_end.headers, "Content-Length": str(len(raw))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(raw)

            do_GET = do_POST = _reply  # noqa: N815  (names of http.server)

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def settings(self, **changed: Any) -> TechOneSettings:
        return TechOneSettings(base_url=self.url, token_url=f"{self.url}/oauth2/token", **changed)

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def far_end() -> Iterator[FarEnd]:
    end = FarEnd()
    yield end
    end.stop()


@pytest.fixture
def wired(far_end: FarEnd) -> Iterator[TechOne]:
    """A client whose far end is `far_end`."""
    with TechOne(far_end.settings(attempts=1)) as client:
        yield client


@pytest.fixture
def secretive(far_end: FarEnd, tmp_path: Path) -> Iterator[TechOne]:
    """The same, with SECRET as its client's secret."""
    file = tmp_path / "secret"
    file.write_text(SECRET, "utf-8")
    with TechOne(far_end.settings(attempts=1, client_secret=Secret(f"file:{file}"))) as client:
        yield client
