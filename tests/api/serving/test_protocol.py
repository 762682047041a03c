"""Connections that keep the server waiting, over real sockets."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest
from tests.api.serving.servers import serving
from tests.limits import HANGS

from seil.api.serving.protocol import HttpProtocol

ASK = b"GET /%s HTTP/1.1\r\nHost: edge.test\r\n\r\n"


class Quick(HttpProtocol):
    head_seconds = 1.5


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Reads no body; /slow takes longer than a head may."""
    if scope["type"] == "http":
        await asyncio.sleep(2 if scope["path"] == "/slow" else 0)
        headers = [(b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving(app, protocol=Quick) as number:
        yield number


@pytest.fixture
def connection(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=HANGS) as client:
        yield client


def answered(connection: socket.socket) -> bool:
    content = b""
    while not content.endswith(b"ok"):
        if not (piece := connection.recv(999)):
            return False
        content += piece
    return True


def dripped(connection: socket.socket, piece: bytes) -> bool:
    """Whether the connection is closed while more and more comes."""
    try:
        while True:
            connection.sendall(piece)
            time.sleep(0.02)
    except ConnectionError:
        return True


def test_silent_connection_is_closed(connection: socket.socket) -> None:
    assert connection.recv(1) == b""


def test_head_that_comes_bit_by_bit_is_given_up(connection: socket.socket) -> None:
    connection.sendall(b"GET / HTTP/1.1\r\n")
    assert dripped(connection, b"X: y\r\n")


def test_second_head_is_given_up_as_well(connection: socket.socket) -> None:
    connection.sendall(ASK % b"")
    assert answered(connection)
    connection.sendall(b"GET / HTTP/1.1\r\n")
    assert dripped(connection, b"X: y\r\n")


def test_body_that_goes_on_after_the_answer_is_given_up(connection: socket.socket) -> None:
    connection.sendall(b"POST / HTTP/1.1\r\nHost: edge.test\r\nContent-Length: 99999\r\n\r\n")
    assert answered(connection)
    assert dripped(connection, b"x")


def test_request_may_take_longer_than_its_head(connection: socket.socket) -> None:
    for _ in range(2):
        connection.sendall(ASK % b"slow")
        assert answered(connection)


def test_requests_that_come_one_after_the_other_go_on(connection: socket.socket) -> None:
    for _ in range(6):
        connection.sendall(ASK % b"")
        assert answered(connection)
        time.sleep(0.3)
