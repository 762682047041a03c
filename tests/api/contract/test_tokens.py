"""Who gets in: tokens of every kind, through HTTP, and an issuer that comes and goes."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from tests.api.contract.booking import RATE, Caller, FarEnd, data, new_order
from tests.api.contract.issuers import Issuer
from tests.api.deployments import READ, SCOPES, WRITE, StandIns, local_settings, served
from tests.limits import HANGS

UNAUTHORIZED = (401, {"message": "Unauthorized"})
FORBIDDEN = (403, {"message": "Forbidden"})


def _status_and_body(answer: httpx.Response) -> tuple[int, Any]:
    return answer.status_code, answer.json()


def _part(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@pytest.fixture(scope="module")
def forged(caller: Caller, forger: rsa.RSAPrivateKey) -> dict[str, str]:
    """Tokens that are none, each made of a good one."""
    good = caller.deployment.token()
    header, claims = jwt.get_unverified_header(good), _claims(good)
    published = caller.deployment.http.get(caller.deployment.jwks_url).json()["keys"][0]
    public = jwt.PyJWK(published).key.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    head, body, signature = good.split(".")
    hmac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    confused = f"{_part({**header, 'alg': 'HS256'})}.{body}"
    return {
        "garbage": "garbage",
        "three parts": "a.b.c",
        "alg none": f"{_part({**header, 'alg': 'none'})}.{body}.",
        "no signature": f"{head}.{body}.",
        "hs256 with the public key": confused
        + "."
        + base64.urlsafe_b64encode(hmac.sign(confused.encode(), public)).rstrip(b"=").decode(),
        "another key": jwt.encode(claims, forger, "RS256", {"kid": header["kid"]}),
        "an unknown key": jwt.encode(claims, forger, "RS256", {"kid": "unknown"}),
        "a key of its own": jwt.encode(
            claims, forger, "RS256", {"kid": header["kid"], "jku": "http://127.0.0.1:9/x"}
        ),
        "more rights": f"{head}.{_part({**claims, 'scope': 'admin'})}.{signature}",
        "longer life": f"{head}.{_part({**claims, 'exp': 2**40})}.{signature}",
        "very long": "x" * 9000,
    }


def _claims(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


BAD = [
    *("garbage", "three parts", "alg none", "no signature", "hs256 with the public key"),
    *("another key", "an unknown key", "a key of its own", "more rights", "longer life"),
    "very long",
]


@pytest.mark.parametrize("kind", BAD)
def test_a_forged_token_opens_nothing(caller: Caller, forged: dict[str, str], kind: str) -> None:
    headers = {"Authorization": f"Bearer {forged[kind]}"}

    assert _status_and_body(caller.deployment.request("GET", RATE, headers=headers)) == UNAUTHORIZED


@pytest.mark.parametrize("value", [None, "", "Bearer", "Basic YTpi", "token"])
def test_no_token_opens_nothing(caller: Caller, gam: FarEnd, value: str | None) -> None:
    before = gam.all()
    headers = {} if value is None else {"Authorization": value}
    order = {"orders": [new_order()]}

    assert _status_and_body(caller.deployment.request("GET", RATE, headers=headers)) == UNAUTHORIZED
    answer = caller.deployment.request("POST", "/v1/gam/order", json=order, headers=headers)
    assert _status_and_body(answer) == UNAUTHORIZED
    assert gam.all() == before


def test_a_token_opens_what_its_scope_says(caller: Caller, gam: FarEnd) -> None:
    before = gam.all()
    reads = {"Authorization": f"Bearer {caller.deployment.token([READ])}"}
    writes = {"Authorization": f"Bearer {caller.deployment.token([WRITE])}"}
    order = {"orders": [new_order()]}
    ask = caller.deployment.request

    assert _status_and_body(ask("GET", RATE, headers=writes)) == FORBIDDEN
    assert _status_and_body(ask("POST", "/v1/gam/order", json=order, headers=reads)) == FORBIDDEN
    assert _status_and_body(ask("PUT", "/v1/gam/order/1?action=pause", headers=reads)) == FORBIDDEN
    assert gam.all() == before
    data(ask("GET", RATE, headers=reads))
    data(ask("POST", "/v1/gam/order", json=order, headers=writes))


def test_a_request_is_not_validated_without_a_token(local: Caller) -> None:
    for path in ("/v1/gam/order", "/v1/nowhere", "/v1", "/v1/gam/order/x'"):
        answer = local.deployment.request("POST", path, content=b"{")
        assert _status_and_body(answer) == UNAUTHORIZED


@contextmanager
def _api(folder: Path, far_ends: StandIns, issuer: Issuer, **api: Any) -> Iterator[httpx.Client]:
    settings = local_settings(folder, far_ends, issuer=issuer.url, **api)
    with served(settings) as url, httpx.Client(base_url=url, verify=False, timeout=HANGS) as client:
        yield client


def _rate_status(client: httpx.Client, token: str) -> int:
    return client.get(RATE, headers={"Authorization": f"Bearer {token}"}).status_code


def test_another_issuers_tokens(tmp_path: Path, far_ends: StandIns, issuer: Issuer) -> None:
    now = int(time.time())
    with _api(tmp_path, far_ends, issuer, clients=("salesforce",)) as client:
        statuses = {
            "good": _rate_status(client, issuer.token()),
            "expired": _rate_status(client, issuer.token(exp=now - 60)),
            "not yet": _rate_status(client, issuer.token(nbf=now + 120)),
            "an end beyond time": _rate_status(client, issuer.token(exp=10**400)),
            "no end": _rate_status(client, issuer.token(exp=None)),
            "another issuer": _rate_status(client, issuer.token(iss="http://127.0.0.1:1")),
            "no issuer": _rate_status(client, issuer.token(iss=None)),
            "another client": _rate_status(client, issuer.token(client_id="other")),
            "no client": _rate_status(client, issuer.token(client_id=None)),
            "an identity token": _rate_status(client, issuer.token(token_use="id")),
            "other scopes": _rate_status(client, issuer.token(scope="seil-prod-oauth-rs/get")),
            "no scopes": _rate_status(client, issuer.token(scope=None)),
            "a list of scopes": _rate_status(client, issuer.token(scope=list(SCOPES))),
        }

    assert {kind for kind, status in statuses.items() if status == 200} == {"good"}
    assert {kind for kind, status in statuses.items() if status == 403} == {
        "other scopes",
        "no scopes",
    }
    assert set(statuses.values()) == {200, 401, 403}
    assert issuer.fetches == 1


def test_a_required_audience(tmp_path: Path, far_ends: StandIns, issuer: Issuer) -> None:
    with _api(tmp_path, far_ends, issuer, audience="api") as client:
        statuses = [_rate_status(client, issuer.token(aud=aud)) for aud in ("api", "other", None)]

    assert statuses == [200, 401, 401]


def test_rotated_keys_are_read_again(
    tmp_path: Path, far_ends: StandIns, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seil.api.keys._BETWEEN_FETCHES", 0.0)
    with _api(tmp_path, far_ends, issuer) as client:
        before = issuer.token()
        assert _rate_status(client, before) == 200
        issuer.keys["second"] = rsa.generate_private_key(65537, 2048)

        assert _rate_status(client, issuer.token("second")) == 200
        assert issuer.fetches == 2


def test_an_issuer_that_is_not_there(
    tmp_path: Path, far_ends: StandIns, issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seil.api.keys._BETWEEN_FETCHES", 0.0)
    issuer.up = False
    with _api(tmp_path, far_ends, issuer) as client:
        headers = {"Authorization": f"Bearer {issuer.token()}"}
        answer = client.get(RATE, headers=headers)
        ready = client.get("/readyz")

        assert (answer.status_code, answer.json()["errors"][0]["code"]) == (502, "EC50205")
        assert int(answer.headers["Retry-After"]) > 0
        assert (ready.status_code, ready.json()["status"]) == (503, "failing")
        assert client.get("/healthz").status_code == 200
        issuer.up = True
        assert client.get(RATE, headers=headers).status_code == 200
        assert client.get("/readyz").status_code == 200
        issuer.up = False
        assert _rate_status(client, issuer.token(client_id="another")) == 200


@pytest.mark.parametrize("nonsense", [b"[" * 100_000, b'{"keys": 7}'], ids=["brackets", "number"])
def test_an_issuer_that_answers_nonsense(
    tmp_path: Path, far_ends: StandIns, issuer: Issuer, nonsense: bytes
) -> None:
    issuer.nonsense = nonsense
    with _api(tmp_path, far_ends, issuer) as client:
        headers = {"Authorization": f"Bearer {issuer.token()}"}
        answer = client.get(RATE, headers=headers)

    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (502, "EC50205")
