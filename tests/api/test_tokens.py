from __future__ import annotations

import asyncio
import base64
import json
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

import jwt
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seil.api.tokens import Expected, InvalidTokenError, Verifier
from seil.sandbox.issuer.issuer import Issuer

pytestmark = pytest.mark.anyio


class Clock(Protocol):
    now: float

    def __call__(self) -> float: ...


@pytest.fixture
def verifier(issuer: Issuer, clock: Clock) -> Verifier:
    return Verifier(Expected("http://issuer.test"), issuer, clock=clock)


def claims(clock: Clock, **changes: Any) -> dict[str, Any]:
    now = int(clock())
    values = {
        "iss": "http://issuer.test",
        "exp": now + 600,
        "iat": now,
        "client_id": "booking",
        "scope": "a b",
        "token_use": "access",
    }
    return {name: value for name, value in (values | changes).items() if value is not None}


def signed(issuer: Issuer, body: dict[str, Any]) -> str:
    return signed_text(issuer, digits(json.dumps, body).encode())


def signed_text(issuer: Issuer, body: bytes, **header: Any) -> str:
    """With the issuer's own key, whatever it says."""
    kid, key = next(reversed(issuer._keys.items()))
    head = b64({"alg": "RS256", "kid": kid, **header})
    signing = f"{head}.{b64(body)}"
    signature = key.sign(signing.encode(), padding.PKCS1v15(), hashes.SHA256())
    return f"{signing}.{b64(signature)}"


def b64(value: Any) -> str:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def digits(write: Callable[[Any], str], value: Any) -> str:
    """Python limits how long a number it writes."""
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    try:
        return write(value)
    finally:
        sys.set_int_max_str_digits(before)


def unsigned(body: dict[str, Any], header: dict[str, Any], signature: bytes = b"") -> str:
    return ".".join([b64(header), b64(body), b64(signature)])


async def test_a_good_token_names_the_client_and_its_scopes(
    issuer: Issuer, verifier: Verifier
) -> None:
    caller = await verifier.verify(issuer.token("booking", frozenset({"x/get", "x/post"})))

    assert caller.client_id == "booking"
    assert caller.scopes == {"x/get", "x/post"}


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"iss": "http://other.test"}, id="wrong issuer"),
        pytest.param({"iss": None}, id="no issuer"),
        pytest.param({"iss": ["http://issuer.test"]}, id="issuer is a list"),
        pytest.param({"exp": 1}, id="expired"),
        pytest.param({"exp": 10**400}, id="exp 10**400"),
        pytest.param({"exp": 10**5000}, id="exp 10**5000"),
        pytest.param({"exp": float("inf")}, id="exp Infinity"),
        pytest.param({"exp": float("nan")}, id="exp NaN"),
        pytest.param({"exp": -1}, id="exp negative"),
        pytest.param({"exp": True}, id="exp true"),
        pytest.param({"exp": "99999999999"}, id="exp text"),
        pytest.param({"exp": {}}, id="exp object"),
        pytest.param({"exp": 253_402_300_800}, id="exp in the year 10000"),
        pytest.param({"iat": 10**400}, id="iat 10**400"),
        pytest.param({"iat": "1"}, id="iat text"),
        pytest.param({"iat": False}, id="iat false"),
        pytest.param({"nbf": float("-inf")}, id="nbf -Infinity"),
        pytest.param({"nbf": "1"}, id="nbf text"),
        pytest.param({"client_id": "x" * 256}, id="client of 256 characters"),
        pytest.param({"client_id": "\ud800"}, id="client is half a surrogate pair"),
        pytest.param({"sub": 1}, id="subject is no text"),
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
        "half a surrogate pair": "\ud800.\ud800.\ud800",
        "fullwidth letters": "\uff41.\uff41.\uff41",
        "line feed": good + "\n",
        "padded": good + "==",
        "encrypted": f"{head}.{middle}.{signature}.{middle}.{signature}",
        "header of brackets": f"{b64(b'[' * 5000)}.{middle}.{signature}",
        "header of 10**5000": f"{b64(b'1' * 5000)}.{middle}.{signature}",
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
    with pytest.raises(InvalidTokenError, match=r"not in \[api\] clients"):
        await verifier.verify(signed(issuer, claims(clock, client_id="other")))


async def test_an_audience_is_checked_where_one_is_set(issuer: Issuer, clock: Clock) -> None:
    verifier = Verifier(Expected("http://issuer.test", audience="api"), issuer, clock=clock)

    assert await verifier.verify(signed(issuer, claims(clock, aud="api")))
    for audience in (None, "other"):
        with pytest.raises(InvalidTokenError):
            await verifier.verify(signed(issuer, claims(clock, aud=audience)))


@pytest.mark.parametrize(
    "header",
    [
        pytest.param({"alg": ["RS256"]}, id="algorithms"),
        pytest.param({"alg": "RS512"}, id="RS512"),
        pytest.param({"kid": ["a"]}, id="kid is a list"),
        pytest.param({"kid": "x" * 6000}, id="kid of 6 kB"),
        pytest.param({"kid": "../signing.pem"}, id="kid is a path"),
        pytest.param({"kid": "\ud800"}, id="kid is half a surrogate pair"),
        pytest.param({"crit": ["exp"]}, id="crit"),
        pytest.param({"crit": 1}, id="crit is no list"),
        pytest.param({"crit": ["b64"], "b64": False}, id="b64"),
        pytest.param({"b64": False}, id="b64 without crit"),
    ],
)
async def test_a_header_that_cannot_be_followed_is_refused(
    issuer: Issuer, verifier: Verifier, clock: Clock, header: dict[str, Any]
) -> None:
    token = signed_text(issuer, json.dumps(claims(clock)).encode(), **header)
    with pytest.raises(InvalidTokenError):
        await verifier.verify(token)


async def test_keys_that_a_token_brings_along_are_not_looked_at(
    issuer: Issuer, verifier: Verifier, clock: Clock
) -> None:
    header = {"jku": "http://127.0.0.1:9/", "x5u": "file:///etc/passwd", "jwk": {"kty": "oct"}}
    token = signed_text(issuer, json.dumps(claims(clock)).encode(), **header)

    assert (await verifier.verify(token)).client_id == "booking"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from(["exp", "iat", "nbf", "iss", "sub", "jti", "aud", "client_id", "scope"])
TEXTS = st.one_of(
    st.text(),
    st.text("abcABC019-_.", min_size=1),
    st.binary().map(lambda raw: raw.decode("latin-1")),
    st.builds(
        lambda parts, between: between.join(map(b64, parts)),
        st.lists(JSON | st.binary(), min_size=2, max_size=6),
        st.sampled_from([".", "..", "=.", ". "]),
    ),
)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(text=TEXTS)
def test_a_text_that_is_no_token_is_refused_whatever_it_is(verifier: Verifier, text: str) -> None:
    with pytest.raises(InvalidTokenError):
        asyncio.run(verifier.verify(text))


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(changes=st.dictionaries(NAMES, JSON, min_size=1, max_size=3), header=JSON)
def test_a_signed_token_is_good_or_refused_whatever_it_says(
    issuer: Issuer, verifier: Verifier, clock: Clock, changes: dict[str, Any], header: Any
) -> None:
    body = json.dumps({**claims(clock), **changes}).encode()
    more = header if isinstance(header, dict) else {"crit": header}
    for token in (signed_text(issuer, body), signed_text(issuer, body, **more)):
        with suppress(InvalidTokenError):
            assert asyncio.run(verifier.verify(token)).client_id


@pytest.mark.parametrize("body", [b"[" * 5000, b"1" * 5000, b"[]", b"{}", b"", b"\xff", b"NaN"])
async def test_a_signed_token_without_claims_is_refused(
    issuer: Issuer, verifier: Verifier, body: bytes
) -> None:
    with pytest.raises(InvalidTokenError):
        await verifier.verify(signed_text(issuer, body))
