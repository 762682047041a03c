"""Callers who leave before they are answered, over raw sockets."""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

import pytest
from tests.api.serving.servers import serving
from tests.limits import HANGS, until

from seil.api.calls import Answer, ServiceCall
from seil.api.edge.app import EdgeOptions, build_edge
from seil.api.edge.dispatch import Limits
from seil.api.edge.routes_gam import gam_router
from seil.api.in_process import InProcess
from seil.api.tokens import Expected, Verifier
from seil.sandbox.issuer.issuer import Issuer

NEW_ORDER = b'{"orders": [{"name": "Acme", "advertiserId": "5110021", "traffickerId": 244001}]}'


@dataclass
class Slow:
    """A service that answers when `go_on` is set."""

    begun: list[int] = field(default_factory=list)
    ended: list[int] = field(default_factory=list)
    go_on: threading.Event = field(default_factory=threading.Event)

    def run(self, call: ServiceCall) -> Answer:
        order = int(call.request.get("orderId", 0))
        self.begun.append(order)
        assert self.go_on.wait(HANGS)
        self.ended.append(order)
        return Answer(200, {"id": order})


@dataclass
class Api:
    port: int
    token: str
    service: Slow
    log: pytest.LogCaptureFixture
    stack: ExitStack

    def ask(self, *orders: int) -> socket.socket:
        """The orders, one behind the other; order 0 is a new one."""
        address = ("127.0.0.1", self.port)
        connection = self.stack.enter_context(socket.create_connection(address, timeout=HANGS))
        connection.sendall(b"".join(self._request(order) for order in orders))
        return connection

    def departures(self) -> int:
        return sum(getattr(record, "status", 0) == 499 for record in self.log.records)

    def _request(self, order: int) -> bytes:
        head = f"Host: edge.test\r\nAuthorization: Bearer {self.token}\r\n"
        if order:
            return f"GET /v1/gam/order/{order} HTTP/1.1\r\n{head}\r\n".encode()
        head += f"Content-Type: application/json\r\nContent-Length: {len(NEW_ORDER)}\r\n"
        return f"POST /v1/gam/order HTTP/1.1\r\n{head}\r\n".encode() + NEW_ORDER


@pytest.fixture
def api(issuer: Issuer, caplog: pytest.LogCaptureFixture) -> Iterator[Api]:
    """With one thread for calls."""
    service = Slow()
    app = build_edge(
        Verifier(Expected(issuer.url), issuer),
        InProcess({"gam": service}, workers=1),
        EdgeOptions("seil", "dev", limits=Limits(timeout=HANGS)),
        (gam_router,),
    )
    scopes = frozenset({"seil-dev-oauth-rs/get", "seil-dev-oauth-rs/post"})
    with (
        caplog.at_level(logging.INFO),
        serving(app) as port,
        ExitStack() as stack,
    ):
        try:
            yield Api(port, issuer.token("booking", scopes), service, caplog, stack)
        finally:
            service.go_on.set()


def test_call_that_waits_for_its_turn_is_not_made_when_its_caller_left(api: Api) -> None:
    api.ask(1)
    until(lambda: api.service.begun == [1])
    for order in range(2, 22):
        api.ask(order).close()
    until(lambda: api.departures() == 20)
    newcomer = api.ask(99)
    api.service.go_on.set()
    assert newcomer.recv(99).startswith(b"HTTP/1.1 200 ")
    assert api.service.begun == [1, 99]


def test_requests_behind_the_first_are_not_made_when_their_caller_left(api: Api) -> None:
    several = api.ask(*range(1, 11))
    until(lambda: api.service.begun == [1])
    several.close()
    # The loop has seen the former leave when it has seen the latter.
    api.ask(50).close()
    until(lambda: api.departures() == 1)
    newcomer = api.ask(99)
    api.service.go_on.set()
    assert newcomer.recv(99).startswith(b"HTTP/1.1 200 ")
    assert api.service.begun == [1, 99]


def test_requests_behind_the_first_are_answered_in_their_order(api: Api) -> None:
    several = api.ask(1, 2, 3)
    api.service.go_on.set()
    content = b""
    while content.count(b"correlationId") < 3:
        content += several.recv(9999)
    assert [content.index(b'"id":%d' % order) for order in (1, 2, 3)] == sorted(
        content.index(b'"id":%d' % order) for order in (1, 2, 3)
    )


def test_call_that_has_begun_goes_on_when_its_caller_left(api: Api) -> None:
    caller = api.ask(0)
    until(lambda: api.service.begun == [0])
    caller.close()
    api.ask(50).close()
    until(lambda: api.departures() == 1)
    assert api.service.ended == []
    api.service.go_on.set()
    until(lambda: api.service.ended == [0] and api.departures() == 2)
