from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from typing import Any, Protocol

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from seil.api.issuer import Issuer
from seil.api.tokens import (
    Expected,
    InvalidTokenError,
    KeysUnavailableError,
    RemoteKeys,
    Verifier,
)

pytestmark = pytest.mark.anyio


class Clock(Protocol):
    now: float

    def __call__(self) -> float: ...


@pytest.fixture
def verifier(issuer: Issuer, clock: Clock) -> Verifier:
    return Verifier(Expected("http://issuer.test"), issuer, clock=clock)


def claims(clock: Clock, **changes: Any) -> dict[str, Any]:
    now = int(clock())
    found = {
        "iss": "http://issuer.test",
        "exp": now + 600,
        "iat": now,
        "client_id": "booking",
        "scope": "a b",
        "token_use": "access",
    }
    return {name: value for name, value in (found | changes).items() if value is not None}


def signed(issuer: Issuer, body: dict[str, Any]) -> str:
    kid, key = next(reversed(issuer._keys.items()))
    return jwt.encode(body, key, algorithm="RS256", headers={"kid": kid})


def unsigned(body: dict[str, Any], header: dict[str, Any], signature: bytes = b"") -> str:
    def part(value: bytes) -> str:
        return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

    return ".".join(
        [part(json.dumps(header).encode()), part(json.dumps(body).encode()), part(signature)]
    )


async def test_a_good_token_tells_the_client_and_its_scopes(
    issuer: Issuer, verifier: Verifier
) -> None:
    found = await verifier.verify(issuer.token("booking", frozenset({"x/get", "x/post"})))

    assert found.client_id == "booking"
    assert found.scopes == {"x/get", "x/post"}


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"iss": "http://other.test"}, id="wrong issuer"),
        pytest.param({"iss": None}, id="no issuer"),
        pytest.param({"exp": 1}, id="expired"),
        pytest.param({"exp": None}, id="without expiry"),
        pytest.param({"nbf": 99_999_999_999}, id="not yet"),
        pytest.param({"token_use": "id"}, id="identity token"),
        pytest.param({"client_id": None}, id="no client"),
        pytest.param({"client_id": 7}, id="client is no text"),
        pytest.param({"scope": ["a"]}, id="scope is no text"),
    ],
)
async def test_wrong_claims_are_refused(
    issuer: Issuer, verifier: Verifier, clock: Clock, changes: dict[str, Any]
) -> None:
    with pytest.raises(InvalidTokenError):
        await verifier.verify(signed(issuer, claims(clock, **changes)))


async def test_forged_tokens_are_refused(issuer: Issuer, verifier: Verifier, clock: Clock) -> None:
    (published,) = issuer.jwks()["keys"]
    kid = published["kid"]
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    body = claims(clock)
    good = signed(issuer, body)
    head, middle, signature = good.split(".")
    other = base64.urlsafe_b64encode(json.dumps(body | {"scope": "all"}).encode()).decode()
    forged = {
        "garbage": "x.y.z",
        "empty": "",
        "not ascii": "\udce4.\udce4.\udce4",
        "algorithm none": unsigned(body, {"alg": "none", "kid": kid}),
        "algorithm None": unsigned(body, {"alg": "None", "kid": kid}),
        "HMAC with the public key": unsigned(body, {"alg": "HS256", "kid": kid}, b"x" * 32),
        "key of a stranger": jwt.encode(body, stranger, "RS256", headers={"kid": kid}),
        "unknown key id": jwt.encode(body, stranger, "RS256", headers={"kid": "other"}),
        "no key id": jwt.encode(body, stranger, "RS256"),
        "key id is no text": unsigned(body, {"alg": "RS256", "kid": 1}, b"x"),
        "other claims": f"{head}.{other.rstrip('=')}.{signature}",
        "no signature": f"{head}.{middle}.",
        "too long": good + "x" * 9000,
    }
    for name, token in forged.items():
        with pytest.raises(InvalidTokenError):
            await verifier.verify(token)
            pytest.fail(name)
    assert await verifier.verify(good)


async def test_clocks_may_differ_by_half_a_minute(
    issuer: Issuer, verifier: Verifier, clock: Clock
) -> None:
    assert await verifier.verify(signed(issuer, claims(clock, exp=int(clock()) - 10)))
    with pytest.raises(InvalidTokenError, match="expired"):
        await verifier.verify(signed(issuer, claims(clock, exp=int(clock()) - 40)))


async def test_only_the_clients_that_are_named_may_call(issuer: Issuer, clock: Clock) -> None:
    expected = Expected("http://issuer.test", clients=frozenset({"booking"}))
    verifier = Verifier(expected, issuer, clock=clock)

    assert await verifier.verify(signed(issuer, claims(clock)))
    with pytest.raises(InvalidTokenError, match="may call"):
        await verifier.verify(signed(issuer, claims(clock, client_id="other")))


async def test_an_audience_is_checked_where_one_is_set(issuer: Issuer, clock: Clock) -> None:
    verifier = Verifier(Expected("http://issuer.test", audience="api"), issuer, clock=clock)

    assert await verifier.verify(signed(issuer, claims(clock, aud="api")))
    for audience in (None, "other"):
        with pytest.raises(InvalidTokenError):
            await verifier.verify(signed(issuer, claims(clock, aud=audience)))


class Published:
    """An issuer's key endpoint; `answer` is what it gives."""

    def __init__(self, issuer: Issuer) -> None:
        self.reads = 0
        self.answer: Callable[[], httpx.Response] = lambda: httpx.Response(200, json=issuer.jwks())

    def __call__(self, _request: httpx.Request) -> httpx.Response:
        self.reads += 1
        return self.answer()


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


@pytest.mark.parametrize(
    "answer",
    [
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
    ],
    ids=["text", "other type", "torn", "no base64", "id is no text"],
)
async def test_a_key_that_cannot_be_used_does_not_spoil_the_others(
    issuer: Issuer, published: Published, remote: RemoteKeys, other: Any
) -> None:
    (key,) = issuer.jwks()["keys"]
    published.answer = lambda: httpx.Response(200, json={"keys": [other, key]})

    assert await remote.key(key["kid"])
    assert await remote.key("b") is None


async def test_old_keys_are_used_while_a_slow_issuer_is_asked(
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

    assert await asyncio.wait_for(remote.key(key["kid"]), 5)
    assert not first.done()
    go_on.set()
    assert await first
    assert published.reads == 2
