"""More connections than there may be, over real sockets."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from typing import Any

import pytest
from tests.api.serving.servers import serving
from tests.limits import HANGS, LATER, until

from seil.api.contract.envelope import FailureEnvelope

ASK = b"GET /%s HTTP/1.1\r\nHost: edge.test\r\n\r\n"
LIMIT = 5


class App:
    """/held is answered when `go_on` is set."""

    def __init__(self) -> None:
        self.held = 0
        self.go_on = False

    def holds(self, count: int) -> bool:
        return self.held == count

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        if scope["path"] == "/held":
            self.held += 1
            while not self.go_on:
                await asyncio.sleep(0.01)
        headers = [(b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"ok"})


@pytest.fixture
def app() -> App:
    return App()


@pytest.fixture
def connect(app: App) -> Iterator[Callable[[], socket.socket]]:
    with serving(app, connections=LIMIT) as port, ExitStack() as stack:
        try:
            yield lambda: stack.enter_context(
                socket.create_connection(("127.0.0.1", port), timeout=HANGS)
            )
        finally:
            app.go_on = True


Connect = Callable[[], socket.socket]


def answer(connection: socket.socket) -> bytes:
    """All that comes until the connection is closed, or an ok."""
    content = b""
    while not content.endswith(b"ok") and (piece := connection.recv(9999)):
        content += piece
    return content


def busy(app: App, connect: Connect) -> None:
    """Takes every connection there is, with a request each."""
    for count in range(1, LIMIT + 1):
        connect().sendall(ASK % b"held")
        until(partial(app.holds, count))


def test_caller_beyond_the_limit_is_refused_politely(app: App, connect: Connect) -> None:
    busy(app, connect)
    refused = connect()
    refused.sendall(ASK % b"")
    head, _, body = answer(refused).partition(b"\r\n\r\n")
    lines = head.decode().lower().split("\r\n")
    refusal = json.loads(body)
    FailureEnvelope.model_validate(refusal)
    assert lines[0] == "http/1.1 503 service unavailable"
    assert {"retry-after: 1", "connection: close", "cache-control: no-store"} <= {*lines}
    assert f"x-correlation-id: {refusal['correlationId']}" in lines
    assert (refusal["code"], refusal["errors"][0]["code"]) == (503, "EC50301")


def test_there_is_room_again_when_a_caller_left(app: App, connect: Connect) -> None:
    busy(app, connect)
    assert answer(connect()).startswith(b"HTTP/1.1 503 ")
    app.go_on = True

    def is_served() -> bool:
        newcomer = connect()
        newcomer.sendall(ASK % b"")
        return answer(newcomer).endswith(b"ok")

    until(is_served)


def test_connection_that_is_idle_for_longest_gives_way(app: App, connect: Connect) -> None:
    idle = [connect() for _ in range(LIMIT)]
    for connection in idle[1:]:
        connection.sendall(ASK % b"")
        assert answer(connection).endswith(b"ok")
    time.sleep(1.1)  # Younger ones are not taken for idle.
    newcomer = connect()
    newcomer.sendall(ASK % b"")
    assert answer(newcomer).endswith(b"ok")
    assert answer(idle[0]) == b""


def test_many_refusals_are_two_lines_in_the_log(
    app: App, connect: Connect, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seil.api.serving.listener._EPISODE_SECONDS", LATER)
    with caplog.at_level(logging.INFO, "seil.api.serving"):
        busy(app, connect)
        for _ in range(50):
            assert answer(connect()).startswith(b"HTTP/1.1 503 ")
        until(lambda: "50 callers were refused" in caplog.text)
    assert [record.levelname for record in caplog.records] == ["WARNING", "WARNING"]
