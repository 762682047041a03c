"""Systems behind the API that are slow, dead or lie, and what becomes of a request then."""

from __future__ import annotations

import socket
import threading
import uuid
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.api.contract.booking import (
    RATE,
    Body,
    Caller,
    FarEnd,
    Levers,
    data,
    faults,
    new_order,
    unique,
)
from tests.api.contract.issuers import Issuer
from tests.api.contract.liar import Liar
from tests.api.deployments import StandIns, local_settings, served
from tests.issuers import Clock
from tests.limits import HANGS, HELD, until

from seil.sandbox.admanager.seed import ORDER_IDS
from seil.settings import Settings

ORDER = f"/v1/gam/order/{ORDER_IDS[0]}"
CREDIT = "/v1/techone/debtor/D10042/remaining-credit-limit"
# Of systems, services and the edge, in seconds: as short as can be, and as long as may be.
EXTERNAL, SERVICE, EDGE = 1.6, 2.0, 2.4
_LONGEST = 20, 25, 29
_MANY = 1_000_000


def _settings(folder: Path, far_ends: StandIns, **api: Any) -> Settings:
    options = {
        "rate": _MANY,
        "breaker_failures": _MANY,
        "timeout": timedelta(seconds=EDGE),
        "service_timeout": timedelta(seconds=SERVICE),
        **api,
    }
    local = local_settings(folder, far_ends, **options)
    return _changed(local, timeout=timedelta(seconds=EXTERNAL), attempts=1)


def _patient(folder: Path, far_ends: StandIns, **api: Any) -> Settings:
    external, service, edge = (timedelta(seconds=longest) for longest in _LONGEST)
    settings = _settings(folder, far_ends, timeout=edge, service_timeout=service, **api)
    return _changed(settings, timeout=external)


def _changed(settings: Settings, *, gam: str = "", techone: str = "", **both: Any) -> Settings:
    ends = {"endpoint": gam, "soap_endpoint": gam} if gam else {}
    base = {"base_url": techone} if techone else {}
    return settings.model_copy(
        update={
            "admanager": settings.admanager.model_copy(update={**ends, **both}),
            "techone": settings.techone.model_copy(update={**base, **both}),
        }
    )


@contextmanager
def _api(settings: Settings) -> Iterator[httpx.Client]:
    form = {"grant_type": "client_credentials"}
    secret = (settings.api.client_id, settings.api.client_secret.reveal())
    with served(settings) as url, httpx.Client(base_url=url, verify=False, timeout=HANGS) as client:
        if not settings.api.issuer:
            token = client.post("/oauth2/token", data=form, auth=secret).json()["access_token"]
            client.headers["Authorization"] = f"Bearer {token}"
        yield client


@pytest.fixture(scope="module")
def quick(far_ends: StandIns, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """An API that waits for a second at most."""
    folder = tmp_path_factory.mktemp("quick")
    with _api(_settings(folder, far_ends)) as client:
        # What is made once: types, tokens, the description of SOAP.
        for path in (ORDER, "/v1/gam/proposal/1", RATE):
            until(partial(_is_ready, client, path))
        yield client


def _is_ready(client: httpx.Client, path: str) -> bool:
    return client.get(path).status_code != 504


@pytest.fixture(scope="module")
def patient(far_ends: StandIns, tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """An API that waits for as long as it may."""
    folder = tmp_path_factory.mktemp("patient")
    with _api(_patient(folder, far_ends)) as client:
        yield client


WRONG_ANSWERS = {
    "html-answer": {"EC50202"},
    "wrong-shape": {"EC50202"},
    "empty-answer": {"EC50202"},
    "cut-answer": {"EC50201", "EC50202"},
    "reset": {"EC50201"},
    "down": {"EC50201"},
    "html-error": {"EC50201", "EC50202"},
}


@pytest.mark.parametrize("kind", WRONG_ANSWERS)
@pytest.mark.parametrize("path", [ORDER, "/v1/gam/proposal/1"])
def test_an_ad_manager_that_lies(
    patient: httpx.Client, levers: Levers, path: str, kind: str
) -> None:
    levers.admanager("faults", kind=kind)

    answer = patient.get(path)

    status, (code,) = faults(answer)
    assert (status, code) in {(502, one) for one in WRONG_ANSWERS[kind]}
    assert "<html" not in answer.text.lower()
    assert "surprise" not in answer.text


@pytest.mark.parametrize("kind", WRONG_ANSWERS)
@pytest.mark.parametrize("path", [RATE, CREDIT])
def test_a_techone_that_lies(patient: httpx.Client, levers: Levers, path: str, kind: str) -> None:
    levers.techone("faults", kind=kind)

    status, (code,) = faults(patient.get(path))

    assert (status, code) in {(502, one) for one in WRONG_ANSWERS[kind]}


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (RATE, "no-rate"),
        (RATE, "two-rates"),
        (RATE, "rate-without-amount"),
        (CREDIT, "credit-without-number"),
        (RATE, "login-html"),
    ],
)
def test_a_techone_with_another_shape(
    patient: httpx.Client, levers: Levers, path: str, kind: str
) -> None:
    levers.techone("faults", kind=kind)
    if kind == "login-html":
        levers.techone("faults", kind="token-expired")

    assert faults(patient.get(path)) == (502, ["EC50202"])


@pytest.mark.parametrize("kind", ["rate-over", "rate-ahead"])
def test_a_rate_of_another_day_is_none(local: Caller, levers: Levers, kind: str) -> None:
    levers.techone("faults", kind=kind)

    answer = local.deployment.call("GET", RATE)

    assert faults(answer) == (404, ["EC40402"])
    assert "valid from 2" in answer.json()["errors"][0]["message"]


def test_both_ways_answer_the_same(caller: Caller, levers: Levers) -> None:
    levers.admanager("faults", kind="html-answer")
    levers.techone("faults", kind="wrong-shape")

    outcomes = [faults(caller.deployment.call("GET", path)) for path in (ORDER, RATE)]

    assert outcomes == [(502, ["EC50202"])] * 2


def test_what_is_too_slow_both_ways(caller: Caller, levers: Levers) -> None:
    levers.techone("faults", path="^/(?!oauth2)", delay=HELD)

    assert faults(caller.deployment.call("GET", RATE)) == (504, ["EC50401"])


@pytest.mark.parametrize(
    ("status", "text"),
    [(200, "[]"), (200, '{"unexpected": 1}'), (200, ""), (404, "<html>"), (418, "{}"), (403, "no")],
    ids=["list", "other", "nothing", "404", "418", "403"],
)
@pytest.mark.parametrize("path", [ORDER, f"/v1/gam/lineitem?orderid={ORDER_IDS[0]}"])
def test_somebody_else_answers_for_ad_manager(
    patient: httpx.Client, levers: Levers, path: str, status: int, text: str
) -> None:
    """It is neither an empty result nor the caller's fault."""
    levers.admanager("faults", path="^/v1/", status=status, text=text)
    assert faults(patient.get(path)) == (502, ["EC50202"])


@pytest.mark.parametrize("path", [ORDER, "/v1/gam/proposal/1", RATE, CREDIT])
def test_what_is_too_slow(quick: httpx.Client, levers: Levers, path: str) -> None:
    pull = levers.techone if "techone" in path else levers.admanager
    pull("faults", path="^/(v1|apis|Api)/", delay=HELD, times=1)

    assert faults(quick.get(path)) == (504, ["EC50401"])


def test_slow_calls_that_pile_up(far_ends: StandIns, levers: Levers, tmp_path: Path) -> None:
    """Those that find no thread learn soon that nothing was done, and when to come again."""
    levers.techone("faults", path="^/(?!oauth2)", delay=HELD)
    others = _threads("seil-techone")
    with _api(_settings(tmp_path, far_ends, workers=2)) as client, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(client.get, [RATE] * 8))
        assert len(_threads("seil-techone") - others) == 2
    codes = Counter(answer.json()["errors"][0]["code"] for answer in answers)
    assert codes.total() == 8
    assert codes.keys() == {"EC50401", "EC50402"}
    # On a slow machine one begins when the first have ended, and finds a thread.
    assert codes["EC50401"] >= 2
    assert {answer.status_code for answer in answers} == {504}
    assert {
        answer.headers.get("Retry-After") for answer in answers if "EC50402" in answer.text
    } == {"5"}


def _threads(prefix: str) -> set[int | None]:
    return {thread.ident for thread in threading.enumerate() if thread.name.startswith(prefix)}


@pytest.mark.parametrize(("path", "kind"), [(ORDER, "token-refused"), (RATE, "login-refused")])
def test_credentials_that_are_refused(
    patient: httpx.Client, levers: Levers, path: str, kind: str
) -> None:
    pull = levers.techone if "techone" in path else levers.admanager
    pull("faults", kind=kind)
    pull("faults", kind="token-expired")

    status, (code,) = faults(patient.get(path))

    assert (status, code) == (502, "EC50204")


def test_how_long_to_wait_is_handed_on(patient: httpx.Client, levers: Levers) -> None:
    levers.techone("faults", path="^/(?!oauth2)", status=503, retry_after="7")
    levers.admanager("faults", path="^/v1/", status=503, retry_after="9")

    waits = [patient.get(path).headers["Retry-After"] for path in (RATE, ORDER)]

    assert waits == ["7", "9"]


def _http(body: bytes, *headers: bytes, status: bytes = b"200 OK", length: int = -1) -> bytes:
    size = str(len(body) if length < 0 else length).encode()
    lines = [b"HTTP/1.1 " + status, b"Content-Length: " + size, b"Connection: close", *headers]
    return b"\r\n".join([*lines, b"", body])


LIES = {
    "nothing": b"",
    "noise": b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1" * 20,
    "half a head": b"HTTP/1.1 200 OK\r\nContent-Le",
    "half a body": _http(b'{"DataSet": [', b"Content-Type: application/json", length=5000),
    "another type": _http(b"<xml/>", b"Content-Type: application/xml"),
    "not json": _http(b'{"DataSet": [', b"Content-Type: application/json"),
    "a list": _http(b"[]", b"Content-Type: application/json"),
    "no gzip": _http(b"plain", b"Content-Type: application/json", b"Content-Encoding: gzip"),
    "latin": _http(b'{"DataSet": "\xe9"}', b"Content-Type: application/json"),
    "deep": _http(b"[" * 200_000, b"Content-Type: application/json"),
}


@pytest.mark.parametrize("lie", LIES)
def test_bytes_that_are_no_answer(tmp_path: Path, far_ends: StandIns, lie: str) -> None:
    with closing(Liar(LIES[lie])) as liar:
        settings = _changed(_patient(tmp_path, far_ends), gam=liar.url, techone=liar.url)
        with _api(settings) as client:
            outcomes = {path: faults(client.get(path)) for path in (RATE, CREDIT, ORDER)}
            outcomes["soap"] = faults(client.get("/v1/gam/proposal/1"))

    assert {(status, code[:5]) for status, (code,) in outcomes.values()} == {(502, "EC502")}


@pytest.mark.parametrize("status", [b"301 Moved", b"302 Found", b"307 Temporary", b"308 Permanent"])
def test_a_redirect_is_not_followed(tmp_path: Path, far_ends: StandIns, status: bytes) -> None:
    with closing(Liar(_http(b"{}", b"Content-Type: application/json"))) as trap:
        there = b"Location: " + trap.url.encode() + b"/stolen"
        with closing(Liar(_http(b"", there, status=status))) as liar:
            settings = _changed(_patient(tmp_path, far_ends), gam=liar.url, techone=liar.url)
            with _api(settings) as client:
                paths = (RATE, CREDIT, ORDER, "/v1/gam/proposal/1")
                outcomes = {path: faults(client.get(path)) for path in paths}
                order = client.post("/v1/gam/order", json={"orders": [new_order()]})
                outcomes["post"] = faults(order)

    # SOAP's description may move: it is asked for without the token.
    assert all(request.startswith(b"GET") for request in trap.heard)
    assert len(trap.heard) <= 1
    assert not any(b"authorization" in request.lower() for request in trap.heard)
    assert {(status, code[:5]) for status, (code,) in outcomes.values()} == {(502, "EC502")}


def test_nobody_is_there(tmp_path: Path, far_ends: StandIns) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        nowhere = f"http://127.0.0.1:{free.getsockname()[1]}"
    settings = _changed(_patient(tmp_path, far_ends), gam=nowhere, techone=nowhere)
    headers = {"Idempotency-Key": "once"}
    order = {"orders": [new_order()]}
    with _api(settings) as client:
        outcomes = [
            faults(client.get(path)) for path in (RATE, CREDIT, ORDER, "/v1/gam/proposal/1")
        ]
        # It surely never got there: the key is free again.
        outcomes += [
            faults(client.post("/v1/gam/order", json=order, headers=headers)) for _ in range(2)
        ]

    assert outcomes == [(502, ["EC50201"])] * 6


def test_a_dead_system_is_left_alone_and_taken_back(
    tmp_path: Path, far_ends: StandIns, levers: Levers, breaker_clock: Clock
) -> None:
    settings = _patient(
        tmp_path,
        far_ends,
        breaker_failures=2,
        breaker_pause=timedelta(seconds=20),
    )
    with _api(settings) as client:
        data(client.get(RATE))
        levers.techone("faults", kind="down")
        codes = [faults(client.get(RATE)) for _ in range(2)]
        opened = client.get(RATE)
        before = levers.techone_requests()

        assert codes == [(502, ["EC50201"])] * 2
        assert faults(opened) == (502, ["EC50203"])
        assert opened.headers["Retry-After"] == "20"
        assert client.get("/readyz").status_code == 503
        assert faults(client.get(CREDIT)) == (502, ["EC50203"])
        assert levers.techone_requests() == before
        data(client.get(ORDER))
        levers.clear()
        breaker_clock.now += 21
        data(client.get(RATE))
        data(client.get(CREDIT))
        assert client.get("/readyz").status_code == 200


def test_a_refusal_does_not_count_as_failure(
    tmp_path: Path, far_ends: StandIns, levers: Levers
) -> None:
    settings = _patient(tmp_path, far_ends, breaker_failures=2)
    with _api(settings) as client:
        for _ in range(3):
            path = "/v1/techone/debtor/NOBODY1/remaining-credit-limit"
            assert faults(client.get(path)) == (404, ["EC40402"])

        data(client.get(RATE))


def _key() -> dict[str, str]:
    return {"Idempotency-Key": str(uuid.uuid4())}


def test_a_repeated_order_is_created_once(caller: Caller, gam: FarEnd) -> None:
    order = new_order()
    headers, body = _key(), {"orders": [order]}

    def post(body: Body) -> httpx.Response:
        return caller.deployment.call("POST", "/v1/gam/order", json=body, headers=headers)

    first, second = data(post(body)), data(post(body))

    assert first == second
    assert len(gam.with_name("orders", order["name"])) == 1
    assert faults(post({"orders": [new_order()]})) == (409, ["EC40904"])


def test_two_at_once_create_one_order(caller: Caller, gam: FarEnd, levers: Levers) -> None:
    order = new_order()
    headers = _key()
    levers.admanager("faults", path="^/v1/", method="POST", delay=0.7, times=1)

    def post(_: int) -> httpx.Response:
        body = {"orders": [order]}
        return caller.deployment.call("POST", "/v1/gam/order", json=body, headers=headers)

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(post, range(4)))

    assert len(gam.with_name("orders", order["name"])) == 1
    statuses = {answer.status_code for answer in answers}
    assert 200 in statuses <= {200, 409}
    running = [faults(answer)[1] for answer in answers if answer.status_code == 409]
    assert all(codes == ["EC40902"] for codes in running)
    assert len({answer.json()["data"]["id"] for answer in answers if answer.is_success}) == 1


def test_an_order_whose_answer_is_too_late_is_not_made_again(
    quick: httpx.Client, gam: FarEnd, levers: Levers
) -> None:
    order = new_order()
    headers, body = _key(), {"orders": [order]}
    data(quick.get(ORDER))  # With a token that is good.
    levers.admanager("faults", path="^/v1/", method="POST", delay=HELD, times=1)

    late = quick.post("/v1/gam/order", json=body, headers=headers)
    again = quick.post("/v1/gam/order", json=body, headers=headers)

    assert faults(late) == (504, ["EC50401"])
    assert faults(again) == (409, ["EC40903"])
    levers.clear()
    until(lambda: gam.with_name("orders", order["name"]))
    assert faults(quick.post("/v1/gam/order", json=body, headers=headers)) == (409, ["EC40903"])
    assert len(gam.with_name("orders", order["name"])) == 1


def test_an_order_whose_answer_is_lost_is_not_made_again(
    patient: httpx.Client, gam: FarEnd, levers: Levers
) -> None:
    order = new_order()
    headers, body = _key(), {"orders": [order]}
    data(patient.get(ORDER))  # With a token that is good.
    levers.admanager("faults", path="^/v1/", method="POST", reset="after", times=1)

    lost = patient.post("/v1/gam/order", json=body, headers=headers)
    again = patient.post("/v1/gam/order", json=body, headers=headers)

    assert faults(lost) == (502, ["EC50207"])
    assert faults(again) == (409, ["EC40903"])
    assert len(gam.with_name("orders", order["name"])) == 1


def test_a_key_is_free_again_after_a_refusal(local: Caller, gam: FarEnd) -> None:
    headers, order = _key(), new_order()
    wrong = {"orders": [{**order, "advertiserId": 1}]}
    post = local.deployment.call

    refused = post("POST", "/v1/gam/order", json=wrong, headers=headers)
    first = post("POST", "/v1/gam/order", json={"orders": [order]}, headers=headers)

    assert faults(refused) == (400, ["EC40010"])
    assert data(first)["id"] in gam.things("orders")


def test_a_key_belongs_to_its_route(local: Caller, gam: FarEnd) -> None:
    headers = _key()
    post = local.deployment.call
    order = data(post("POST", "/v1/gam/order", json={"orders": [new_order()]}, headers=headers))
    name = unique("Same key")
    body = {"proposals": [{"name": name, "marketplaceInfo": {"buyerAccountId": 550001}}]}

    proposal = data(post("POST", "/v1/gam/proposal", json=body, headers=headers))

    assert order["id"] in gam.things("orders")
    assert gam.thing("proposals", proposal["id"])["name"] == name


def test_callers_do_not_share_keys(
    tmp_path: Path, far_ends: StandIns, gam: FarEnd, issuer: Issuer
) -> None:
    settings = _patient(tmp_path, far_ends, issuer=issuer.url)
    keys, orders = _key(), []
    with _api(settings) as client:
        for caller in ("salesforce", "finance", "salesforce"):
            headers = {"Authorization": f"Bearer {issuer.token(client_id=caller)}", **keys}
            body = {"orders": [new_order(name=f"{keys['Idempotency-Key']} {caller}")]}
            orders.append(data(client.post("/v1/gam/order", json=body, headers=headers))["id"])

    assert orders[0] == orders[2] != orders[1]
    assert set(orders) <= gam.things("orders").keys()
