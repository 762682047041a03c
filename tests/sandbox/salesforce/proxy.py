"""A proxy that leads every address to one port of this machine: names need not resolve."""

from __future__ import annotations

import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

_PIECE = 65_536


class _Tunnel(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        while self.rfile.readline().strip():
            pass
        target: tuple[str, int] = self.server.target  # type: ignore[attr-defined]
        with socket.create_connection(target) as far:
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_pump, args=(far, self.connection), daemon=True)
            back.start()
            _pump(self.connection, far)
            back.join()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(_PIECE):
            sink.sendall(piece)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True

    def __init__(self, target: tuple[str, int]) -> None:
        super().__init__(("127.0.0.1", 0), _Tunnel)
        self.target = target


@contextmanager
def proxy_to(host: str, port: int) -> Iterator[str]:
    """Its URL, for HTTPS_PROXY."""
    with _Server((host, port)) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        address: Any = server.server_address
        yield f"http://127.0.0.1:{address[1]}"
        server.shutdown()
        thread.join()
