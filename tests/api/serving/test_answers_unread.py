"""Clients that do not read their answers, and those that do it slowly."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from tests.api.serving.servers import serving
from tests.limits import HANGS
from typing_extensions import override

from seil.api.serving.protocol import HttpProtocol

ASK = b"GET / HTTP/1.1\r\nHost: edge.test\r\n\r\n"
LENGTH = 24 << 20
lost = threading.Event()


class Quick(HttpProtocol):
    stall_seconds = 2

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        lost.set()


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        headers = [(b"content-length", b"%d" % LENGTH)]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": bytes(LENGTH)})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving(app, protocol=Quick) as number:
        yield number


@pytest.fixture
def connection(port: int) -> Iterator[socket.socket]:
    lost.clear()
    with socket.socket() as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 << 10)
        client.settimeout(60)
        client.connect(("127.0.0.1", port))
        yield client


def length(connection: socket.socket, *, pause: float = 0) -> int:
    """What there is to read, a megabyte after each pause."""
    total = 0
    try:
        while total < LENGTH:
            time.sleep(pause)
            ends = min(LENGTH, total + (1 << 20))
            while total < ends:
                if not (piece := connection.recv(1 << 16)):
                    return total
                total += len(piece)
    except ConnectionResetError:
        pass
    return total


def test_client_that_does_not_read_is_dropped(connection: socket.socket) -> None:
    connection.sendall(ASK)
    assert lost.wait(HANGS)
    assert length(connection) < LENGTH


def test_client_that_sends_on_without_reading_is_dropped(
    connection: socket.socket,
) -> None:
    connection.sendall(ASK * 50)
    assert lost.wait(HANGS)


def test_client_that_reads_slowly_gets_all_of_it(connection: socket.socket) -> None:
    connection.sendall(ASK)
    assert length(connection, pause=0.1) >= LENGTH
