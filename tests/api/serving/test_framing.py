"""Requests that two servers could read differently, over raw sockets."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from tests.api.serving.servers import serving
from tests.limits import HANGS

HEAD = b"POST / HTTP/1.1\r\nHost: edge.test\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: edge.test\r\n\r\n"

received_paths: list[str] = []


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Reads the body but for /early, which is answered before."""
    if scope["type"] != "http":
        return
    received_paths.append(scope["path"])
    while scope["path"] != "/early" and (await receive()).get("more_body"):
        pass
    headers = [(b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with serving(app) as number:
        yield number


@pytest.fixture(autouse=True)
def forget_paths() -> None:
    received_paths.clear()


def answers(port: int, sent: bytes) -> bytes:
    """All that comes until the connection is closed."""
    content = b""
    with socket.create_connection(("127.0.0.1", port), timeout=HANGS) as connection:
        connection.sendall(sent)
        try:
            while piece := connection.recv(9999):
                content += piece
        except ConnectionResetError:
            pass
    return content


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(HEAD + CHUNKED + b"Content-Length: 5\r\n\r\n0\r\n\r\n" + SMUGGLED, id="both"),
        pytest.param(
            HEAD + b"Content-Length: 5\r\n" + CHUNKED + b"\r\n0\r\n\r\n" + SMUGGLED,
            id="both, the other way round",
        ),
        pytest.param(
            HEAD
            + b"Transfer-Encoding:\r\n chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"
            + SMUGGLED,
            id="both, one folded",
        ),
        pytest.param(
            HEAD.replace(b"1.1", b"1.0") + CHUNKED + b"\r\n0\r\n\r\n" + SMUGGLED, id="HTTP/1.0"
        ),
        pytest.param(
            HEAD + b"Content-Length: 0\r\nContent-Length: 5\r\n\r\n" + SMUGGLED, id="two lengths"
        ),
        pytest.param(HEAD + b"Content-Length: 0, 5\r\n\r\n" + SMUGGLED, id="two in one"),
        pytest.param(HEAD + b"Content-Length: +5\r\n\r\n" + SMUGGLED, id="length with a sign"),
        pytest.param(HEAD + CHUNKED * 2 + b"\r\n0\r\n\r\n" + SMUGGLED, id="chunked twice"),
        pytest.param(
            HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
            id="other coding",
        ),
        pytest.param(
            HEAD + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + SMUGGLED, id="unknown coding"
        ),
        pytest.param(
            HEAD + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" + SMUGGLED, id="space in a name"
        ),
        pytest.param(HEAD + CHUNKED + b"\r\n0x5\r\nhello\r\n0\r\n\r\n", id="bad chunk length"),
        pytest.param(HEAD + CHUNKED + b"\r\n5\r\nhelloXX0\r\n\r\n", id="chunk without an end"),
        pytest.param(HEAD + b"Host: other.test\r\n\r\n" + SMUGGLED, id="two hosts"),
        pytest.param(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", id="TLS"),
    ],
)
def test_request_without_a_clear_end_is_refused_and_closed(port: int, request_: bytes) -> None:
    head, _, body = answers(port, request_).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"connection: close" in head.lower()
    assert json.loads(body)["errors"][0]["code"] == "EC40005"
    assert "/smuggled" not in received_paths


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(HEAD + b"Content-Length: 5\r\n" * 2 + b"\r\nhello", id="one length"),
        pytest.param(HEAD + CHUNKED + b"\r\n5;ext=1\r\nhello\r\n0\r\n\r\n", id="chunk extension"),
    ],
)
def test_request_with_a_clear_end_is_accepted(port: int, request_: bytes) -> None:
    once = request_.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
    assert answers(port, once).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    ("target", "path"),
    [
        pytest.param(b"http://edge.test/healthz?a=http://b", "/healthz", id="path"),
        pytest.param(b"HTTPS://edge.test:443/v1/%2Fa", "/v1//a", id="capitals, port"),
        pytest.param(b"http://edge.test", "/", id="host alone"),
        pytest.param(b"/http://edge.test/", "/http://edge.test/", id="within a path"),
    ],
)
def test_target_in_absolute_form_is_its_path(port: int, target: bytes, path: str) -> None:
    sent = b"GET " + target + b" HTTP/1.1\r\nHost: edge.test\r\nConnection: close\r\n\r\n"
    assert answers(port, sent).startswith(b"HTTP/1.1 200 ")
    assert received_paths == [path]


def test_nonsense_behind_an_early_answer_closes_and_logs_no_traceback(
    port: int, caplog: pytest.LogCaptureFixture
) -> None:
    early = b"POST /early HTTP/1.1\r\nHost: edge.test\r\n" + CHUNKED + b"\r\n"
    with (
        caplog.at_level(logging.INFO),
        socket.create_connection(("127.0.0.1", port), timeout=HANGS) as connection,
    ):
        connection.sendall(early)
        content = b""
        while not content.endswith(b"ok"):
            content += connection.recv(9999)
        connection.sendall(b"no chunk\r\n")
        assert connection.recv(9999) == b""
    assert not [record for record in caplog.records if record.exc_info]
