from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from seil.admanager.client import AdManager
from seil.sandbox.admanager.options import AdManagerOptions
from seil.sandbox.admanager.server import AdManagerServer
from seil.secret import Secret
from seil.settings import AdManagerSettings


class Wire:
    """A far end that answers what it is told, one reply a request; the last one stays.

    With `holds` set no answer comes until it stops.
    """

    def __init__(self) -> None:
        self.replies: list[tuple[int, dict[str, str], bytes]] = []
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.lock = threading.Lock()
        self.holds = False
        self.released = threading.Event()
        wire = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                with wire.lock:
                    wire.requests.append((self.command, self.path, dict(self.headers), body))
                    status, headers, content = (
                        wire.replies.pop(0) if len(wire.replies) > 1 else wire.replies[0]
                    )
                if status == 0:
                    self.connection.shutdown(socket.SHUT_RDWR)
                    self.close_connection = True
                    return
                if wire.holds:
                    wire.released.wait()
                    self.close_connection = True
                    return
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PATCH = _answer  # noqa: N815  (names of http.server)

            def log_message(self, *_: object) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def reply(self, content: Any, status: int = 200, **headers: str) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        self.replies.append((status, fields, body))

    def sent(self, at: int = -1) -> Any:
        return json.loads(self.requests[at][3])

    def stop(self) -> None:
        self.released.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@pytest.fixture
def wire() -> Iterator[Wire]:
    far_end = Wire()
    yield far_end
    far_end.stop()


@pytest.fixture(scope="session")
def far_end(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdManagerServer]:
    """The stand-in, one for all tests: each makes what it needs."""
    options = AdManagerOptions(report_polls=0)
    with AdManagerServer(tmp_path_factory.mktemp("admanager"), options=options) as server:
        yield server


@pytest.fixture
def stand_in(far_end: AdManagerServer) -> Iterator[AdManagerServer]:
    yield far_end
    far_end.faults.clear()


@pytest.fixture
def settings(far_end: AdManagerServer, tmp_path: Path) -> AdManagerSettings:
    return AdManagerSettings(
        network_code=far_end.network_code,
        endpoint=far_end.url,
        soap_endpoint=far_end.url,
        service_account_key=Secret(f"file:{far_end.service_account_key}"),
        wsdl_cache=tmp_path / "wsdl",
    )


@pytest.fixture(scope="session")
def shared(far_end: AdManagerServer, tmp_path_factory: pytest.TempPathFactory) -> AdManager:
    return AdManager(
        AdManagerSettings(
            network_code=far_end.network_code,
            endpoint=far_end.url,
            soap_endpoint=far_end.url,
            service_account_key=Secret(f"file:{far_end.service_account_key}"),
            wsdl_cache=tmp_path_factory.mktemp("wsdl"),
        )
    )


@pytest.fixture
def gam(shared: AdManager, stand_in: AdManagerServer) -> AdManager:
    """The client in front of the stand-in."""
    return shared


@pytest.fixture
def anonymous() -> Any:
    from google.auth.credentials import AnonymousCredentials

    return AnonymousCredentials()


@pytest.fixture
def wired(wire: Wire, anonymous: Any, tmp_path: Path) -> AdManager:
    """A client whose far end is `wire`."""
    return AdManager(
        AdManagerSettings(
            endpoint=wire.url,
            soap_endpoint=wire.url,
            service_account_key=Secret("plain:none"),
            wsdl_cache=tmp_path / "wsdl",
        ),
        anonymous,
    )
