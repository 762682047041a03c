from __future__ import annotations

import asyncio
import base64
import gzip
import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol

import httpx
import jwt
import pytest
from tests.limits import HANGS

from seil.api.keys import KeysUnavailableError, RemoteKeys
from seil.sandbox.issuer.issuer import Issuer

pytestmark = pytest.mark.anyio


class Clock(Protocol):
    now: float

    def __call__(self) -> float: ...


class Published:
    """An issuer's key endpoint; `answer` is what it gives."""

    def __init__(self, issuer: Issuer) -> None:
        self.reads = 0
        self.answer: Callable[[], httpx.Response] = lambda: httpx.Response(200, json=issuer.jwks())

    def __call__(self, _request: httpx.Request) -> httpx.Response:
        self.reads += 1
        answer = self.answer()
        return httpx.Response(answer.status_code, headers=answer.headers, stream=answer.stream)


@pytest.fixture
def published(issuer: Issuer) -> Published:
    return Published(issuer)


@pytest.fixture
def remote(published: Published, clock: Clock) -> RemoteKeys:
    client = httpx.AsyncClient(transport=httpx.MockTransport(published))
    return RemoteKeys("http://issuer.test/jwks", client, age=100, clock=clock)


async def test_keys_are_read_once_and_anew_when_they_are_old(
    issuer: Issuer, published: Published, remote: RemoteKeys, clock: Clock
) -> None:
    (key,) = issuer.jwks()["keys"]
    for _ in range(3):
        assert await remote.key(key["kid"])
    assert published.reads == 1

    clock.now += 101
    assert await remote.key(key["kid"])
    assert published.reads == 2


async def test_a_rotated_key_is_found_and_garbage_does_not_flood_the_issuer(
    issuer: Issuer, published: Published, remote: RemoteKeys, clock: Clock
) -> None:
    await remote.check()
    for _ in range(20):
        assert await remote.key("unknown") is None
    assert published.reads == 1

    new = issuer.rotate()
    clock.now += 11
    assert await remote.key(new)
    assert published.reads == 2


def rsa_key(n: int, e: int = 65537, **members: Any) -> dict[str, Any]:
    def text(number: int) -> str:
        raw = number.to_bytes((number.bit_length() + 7) // 8)
        return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()

    return {"kty": "RSA", "kid": "a", "n": text(n), "e": text(e), **members}


def keys(*entries: Any) -> Callable[[], httpx.Response]:
    return lambda: httpx.Response(200, json={"keys": list(entries)})


def raw(
    body: bytes, status: int = 200, headers: dict[str, str] | None = None
) -> Callable[[], httpx.Response]:
    return lambda: httpx.Response(status, content=body, headers=headers)


ODD = 2**2047 + 1
BOMB = gzip.compress(b"[" * 5_000_000)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(keys(rsa_key(2**99 + 1)), id="100 bits"),
        pytest.param(keys(rsa_key(2**1023 + 1)), id="1024 bits"),
        pytest.param(keys(rsa_key(2**99_999 + 1)), id="100,000 bits"),
        pytest.param(keys(rsa_key(2**8192 + 1)), id="8193 bits"),
        pytest.param(keys(rsa_key(ODD, 1)), id="exponent 1"),
        pytest.param(keys(rsa_key(ODD, 65538)), id="even exponent"),
        pytest.param(keys(rsa_key(ODD, 2**2000 + 1)), id="huge exponent"),
        pytest.param(keys(rsa_key(ODD, use="enc")), id="for encryption"),
        pytest.param(keys(rsa_key(ODD, alg="RS512")), id="other algorithm"),
        pytest.param(keys(rsa_key(ODD, kid="x" * 10_000)), id="key id of 10 kB"),
        pytest.param(keys(*[{}] * 1000), id="1,000 keys"),
        pytest.param(keys(*[{}] * 1_000_000), id="a million keys"),
        pytest.param(raw(b'{"keys": ' + b"[" * 100_000), id="100,000 brackets"),
        pytest.param(raw(b'{"keys": 1' + b"0" * 400 + b"}"), id="10**400"),
        pytest.param(raw(b'{"keys": [1' + b"0" * 5000 + b"]}"), id="10**5000"),
        pytest.param(raw(b'{"keys": {"a": NaN}}'), id="an object"),
        pytest.param(raw(b'{"keys": "\\ud800"}'), id="half a surrogate pair"),
        pytest.param(raw(b"\xff\xfe"), id="no UTF-8"),
        pytest.param(raw(b" " * 300_000 + b"{}"), id="too long"),
        pytest.param(raw(BOMB, 200, {"content-encoding": "gzip"}), id="gzip bomb"),
        pytest.param(raw(b"", 302, {"location": "http://other.test/"}), id="redirect"),
        pytest.param(raw(b"", 302, {"location": "file:///etc/passwd"}), id="redirect to a file"),
        pytest.param(raw(b"", 204), id="204"),
        pytest.param(lambda: httpx.Response(503), id="503"),
        pytest.param(lambda: httpx.Response(200, text="<html>"), id="HTML"),
        pytest.param(lambda: httpx.Response(200, json=[]), id="a list"),
        pytest.param(lambda: httpx.Response(200, json={"keys": []}), id="no keys"),
        pytest.param(lambda: httpx.Response(200, json={"keys": [{"kty": "oct"}]}), id="others"),
        pytest.param(
            lambda: httpx.Response(200, json={"keys": [{"kty": "RSA", "kid": "a"}]}), id="torn"
        ),
        pytest.param(lambda: httpx.Response(200, json={"keys": ["a", None]}), id="no objects"),
    ],
)
async def test_without_keys_no_token_is_judged_and_known_keys_stay(
    issuer: Issuer,
    published: Published,
    remote: RemoteKeys,
    clock: Clock,
    answer: Callable[[], httpx.Response],
) -> None:
    right = published.answer
    published.answer = answer
    with pytest.raises(KeysUnavailableError):
        await remote.check()

    clock.now += 11
    published.answer = right
    await remote.check()
    clock.now += 200
    published.answer = answer
    (key,) = issuer.jwks()["keys"]
    assert await remote.key(key["kid"])


@pytest.mark.parametrize(
    "other",
    [
        "text",
        {"kty": "EC", "kid": "b"},
        {"kty": "RSA", "kid": "b", "n": "AQAB"},
        {"kty": "RSA", "kid": "b", "n": "\u00e9", "e": "AQAB"},
        {"kty": "RSA", "kid": ["b"], "n": "AQAB", "e": "AQAB"},
        {"kty": "RSA", "kid": "b", "n": 10**400, "e": True},
    ],
    ids=["text", "other type", "torn", "no base64", "id is no text", "numbers"],
)
async def test_a_key_that_cannot_be_used_does_not_spoil_the_others(
    issuer: Issuer, published: Published, remote: RemoteKeys, other: Any
) -> None:
    (key,) = issuer.jwks()["keys"]
    published.answer = lambda: httpx.Response(200, json={"keys": [other, key]})

    assert await remote.key(key["kid"])
    assert await remote.key("b") is None


async def test_old_keys_are_used_while_a_slow_issuer_is_queried(
    issuer: Issuer, published: Published, clock: Clock
) -> None:
    go_on = asyncio.Event()
    go_on.set()

    async def slowly(request: httpx.Request) -> httpx.Response:
        await go_on.wait()
        return published(request)

    client = httpx.AsyncClient(transport=httpx.MockTransport(slowly))
    remote = RemoteKeys("http://issuer.test/jwks", client, age=100, clock=clock)
    (key,) = issuer.jwks()["keys"]
    await remote.check()
    clock.now += 101
    go_on.clear()
    first = asyncio.create_task(remote.key(key["kid"]))
    await asyncio.sleep(0)

    assert await asyncio.wait_for(remote.key(key["kid"]), HANGS)
    assert not first.done()
    go_on.set()
    assert await first
    assert published.reads == 2


async def test_of_two_keys_with_one_id_the_first_counts(
    issuer: Issuer, published: Published, remote: RemoteKeys
) -> None:
    (key,) = issuer.jwks()["keys"]
    published.answer = keys(key, rsa_key(ODD, kid=key["kid"]))

    key_ = await remote.key(key["kid"])

    assert key_
    assert key_.key.public_numbers() == jwt.PyJWK(key).key.public_numbers()


async def test_a_private_key_that_is_published_is_used_as_the_public_one(
    issuer: Issuer, published: Published, remote: RemoteKeys
) -> None:
    (key,) = issuer.jwks()["keys"]
    published.answer = keys({**key, "d": "AQAB", "p": [], "oth": 1})

    assert await remote.key(key["kid"])


async def test_a_good_token_does_not_wait_while_a_bad_one_makes_a_slow_issuer_be_queried(
    issuer: Issuer, published: Published, clock: Clock
) -> None:
    go_on = asyncio.Event()
    go_on.set()

    async def slowly(request: httpx.Request) -> httpx.Response:
        await go_on.wait()
        return published(request)

    client = httpx.AsyncClient(transport=httpx.MockTransport(slowly))
    remote = RemoteKeys("http://issuer.test/jwks", client, clock=clock)
    (key,) = issuer.jwks()["keys"]
    await remote.check()
    clock.now += 11
    go_on.clear()
    bad = [asyncio.create_task(remote.key(f"unknown {n}")) for n in range(20)]
    await asyncio.sleep(0)

    assert await remote.key(key["kid"])
    assert not any(task.done() for task in bad)
    go_on.set()
    assert await asyncio.gather(*bad) == [None] * 20
    assert published.reads == 2


async def test_a_caller_who_leaves_does_not_break_the_read_off(
    issuer: Issuer, published: Published, clock: Clock
) -> None:
    go_on = asyncio.Event()

    async def slowly(request: httpx.Request) -> httpx.Response:
        await go_on.wait()
        return published(request)

    client = httpx.AsyncClient(transport=httpx.MockTransport(slowly))
    remote = RemoteKeys("http://issuer.test/jwks", client, clock=clock)
    (key,) = issuer.jwks()["keys"]
    leaving = asyncio.create_task(remote.key("unknown"))
    await asyncio.sleep(0)
    leaving.cancel()
    staying = asyncio.create_task(remote.key(key["kid"]))
    await asyncio.sleep(0)
    go_on.set()

    assert await staying
    assert published.reads == 1


@contextmanager
def wire(head: bytes, *, drip: bytes) -> Iterator[str]:
    """A server that says `head`, and then `drip` again and again."""
    over = threading.Event()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            with suppress(OSError):
                self.wfile.write(head)
                while not over.wait(0.01):
                    self.wfile.write(drip)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/jwks"
        finally:
            over.set()
            server.shutdown()


OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("head", "drip"),
    [
        pytest.param(OK + b"Content-Length: 100000\r\n\r\n", b"[", id="a body bit by bit"),
        pytest.param(OK, b"A: b\r\n", id="headers bit by bit"),
        pytest.param(b"", b"HTTP/1.1 100 Continue\r\n\r\n", id="continue for ever"),
        pytest.param(OK + b"\r\n", b"[" * 65536, id="a body without end"),
        pytest.param(b"SSH-2.0-OpenSSH\r\n", b".", id="no HTTP"),
    ],
)
async def test_an_issuer_that_never_ends_is_left(
    monkeypatch: pytest.MonkeyPatch, head: bytes, drip: bytes
) -> None:
    monkeypatch.setattr("seil.api.keys._FETCH_SECONDS", 0.5)
    with wire(head, drip=drip) as url:
        async with httpx.AsyncClient(timeout=HANGS) as client:
            remote = RemoteKeys(url, client)
            with pytest.raises(KeysUnavailableError):
                await asyncio.wait_for(remote.check(), HANGS)
            await remote.close()


@pytest.mark.parametrize("url", ["http://[", "keys.json", "file:///etc/passwd", "http://a\nb/"])
async def test_an_address_that_is_none_gives_no_keys(url: str) -> None:
    async with httpx.AsyncClient(timeout=HANGS) as client:
        remote = RemoteKeys(url, client)
        with pytest.raises(KeysUnavailableError):
            await remote.check()
