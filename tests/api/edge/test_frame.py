from __future__ import annotations

import asyncio
import json
import logging
import threading
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from tests.api.edge.conftest import READ, WRITE, Build, Downstream, Edge
from tests.limits import HANGS, HELD, SOON

from seil.api.calls import Answer, Fault, ServiceCall

pytestmark = pytest.mark.anyio

ORDER = "/v1/gam/order/3102455871"
NEW_ORDER = {"orders": [{"name": "Acme", "advertiserId": "5110021", "traffickerId": 244001}]}


async def test_an_answer_is_in_the_envelope(edge: Edge) -> None:
    identity = str(uuid.uuid4())

    answer = await edge.send(
        "GET", ORDER, headers={"X-Correlation-Id": identity, "X-Application-Label": "salesforce"}
    )

    body = answer.json()
    time = body.pop("time")
    assert body == {
        "code": 200,
        "message": "success",
        "status": "200000",
        "applicationLabel": "salesforce",
        "correlationId": identity,
        "path": ORDER,
        "method": "GET",
        "data": {"id": 1},
    }
    assert time.endswith("+00:00")
    assert answer.headers["X-Correlation-Id"] == identity
    assert edge.downstream.last.correlation_id == identity
    assert edge.downstream.last.application_label == "salesforce"
    assert edge.downstream.last.caller == "booking"


@pytest.mark.parametrize("identity", [None, "", "not-a-guid", "x" * 500, "\u00e4" * 36])
async def test_a_correlation_id_is_made_where_there_is_no_good_one(
    edge: Edge, identity: str | None
) -> None:
    headers: dict[str, Any] = (
        {} if identity is None else {"X-Correlation-Id": identity.encode("latin-1")}
    )

    answer = await edge.client.request("GET", "/healthz", headers=headers)

    assert str(uuid.UUID(answer.headers["X-Correlation-Id"])) != identity


@pytest.mark.parametrize("label", ["", "x" * 101, "tab\there", "\u00fc"])
async def test_a_wrong_application_label_is_refused(edge: Edge, label: str) -> None:
    answer = await edge.send("GET", ORDER, headers={"X-Application-Label": label.encode("latin-1")})

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["code"] == "EC40004"
    assert edge.downstream.calls == []


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="none"),
        pytest.param({"Authorization": ""}, id="empty"),
        pytest.param({"Authorization": "Bearer"}, id="scheme alone"),
        pytest.param({"Authorization": "Bearer x.y.z"}, id="garbage"),
        pytest.param({"Authorization": "Basic c2VpbDpzZWls"}, id="other scheme"),
        pytest.param({"Authorization": b"Bearer \xff\xfe"}, id="not ASCII"),
    ],
)
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", ORDER), ("POST", "/v1/gam/order"), ("GET", "/v1"), ("PUT", "/v1/x")],
)
async def test_without_a_good_token_nobody_passes(
    edge: Edge, headers: dict[str, Any], method: str, path: str
) -> None:
    answer = await edge.client.request(method, path, headers=headers, content=b"{")

    assert answer.status_code == 401
    assert answer.json() == {"message": "Unauthorized"}
    assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert edge.downstream.calls == []


@pytest.mark.parametrize(
    ("method", "path", "scopes", "code"),
    [
        ("GET", ORDER, (WRITE,), 403),
        ("GET", ORDER, (READ,), 200),
        ("POST", "/v1/gam/order", (READ,), 403),
        ("POST", "/v1/gam/order", (WRITE,), 200),
        ("PUT", f"{ORDER}?action=pause", (READ,), 403),
        ("PUT", f"{ORDER}?action=pause", (WRITE,), 200),
        ("PATCH", ORDER, (READ,), 403),
        ("DELETE", ORDER, (READ,), 403),
        ("GET", ORDER, (), 403),
        ("GET", ORDER, ("seil-prod-oauth-rs/get",), 403),
    ],
)
async def test_each_method_needs_its_scope(
    edge: Edge, method: str, path: str, scopes: tuple[str, ...], code: int
) -> None:
    body = NEW_ORDER if method == "POST" else None

    answer = await edge.send(method, path, scopes=scopes, json=body)

    assert answer.status_code == code
    if code == 403:
        assert answer.json() == {"message": "Forbidden"}


async def test_a_body_beyond_the_limit_is_refused(build: Build) -> None:
    edge = build(body_limit=2048)
    body = json.dumps({"orders": [{"name": "x" * 4096}]}).encode()

    async def chunks() -> Any:
        for start in range(0, len(body), 512):
            yield body[start : start + 512]

    announced = await edge.send("POST", "/v1/gam/order", content=body)
    streamed = await edge.send("POST", "/v1/gam/order", content=chunks())

    for answer in (announced, streamed):
        assert answer.status_code == 413
        assert answer.json()["errors"] == [
            {"code": "EC41301", "message": "The body is longer than 2048 bytes"}
        ]


async def test_a_body_that_does_not_arrive_is_not_waited_for(
    edge: Edge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("seil.api.edge.frame._BODY_SECONDS", 0.1)

    async def drip() -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await asyncio.sleep(0.01)

    answer = await edge.send("POST", "/v1/gam/order", content=drip())

    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (408, "EC40801")
    assert answer.headers["Connection"] == "close"
    assert edge.downstream.calls == []


async def test_too_many_requests_of_one_caller_wait_and_others_do_not(build: Build) -> None:
    edge = build(rate=3)

    codes = [(await edge.send("GET", ORDER)).status_code for _ in range(3)]
    refused = await edge.send("GET", ORDER)
    other = {"Authorization": f"Bearer {edge.token(READ, client='other')}"}

    assert codes == [200, 200, 200]
    assert refused.status_code == 429
    assert refused.json()["errors"][0]["code"] == "EC42901"
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert (await edge.client.get(ORDER, headers=other)).status_code == 200


async def test_every_answer_has_the_security_headers(edge: Edge) -> None:
    for path in ("/healthz", ORDER, "/nowhere"):
        headers = (await edge.client.get(path)).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Frame-Options"] == "DENY"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "max-age" in headers["Strict-Transport-Security"]


async def test_internal_error_gives_the_caller_only_a_correlation_id(
    edge: Edge, downstream: Downstream, caplog: pytest.LogCaptureFixture
) -> None:
    async def broken(_call: ServiceCall) -> Answer:
        raise RuntimeError("the secret reason")

    downstream.reply = broken
    answer = await edge.send("GET", ORDER)

    assert answer.status_code == 500
    assert answer.json()["errors"][0]["code"] == "EC50001"
    assert answer.json()["correlationId"] in answer.json()["errors"][0]["message"]
    assert "secret reason" not in answer.text
    assert "secret reason" in caplog.text


async def test_one_line_is_logged_with_what_is_needed_and_no_body(
    edge: Edge, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "seil.api.edge.frame"):
        await edge.send("POST", "/v1/gam/order", json=NEW_ORDER)

    (record,) = caplog.records
    seen = vars(record)
    assert seen["status"] == 200
    assert seen["caller"] == "booking"
    assert seen["operation"] == "gam.create-order"
    assert seen["route"] == "/v1/gam/order"
    assert seen["milliseconds"] >= 0
    assert "Acme" not in str(seen)


@pytest.fixture(scope="module")
def all_spans() -> InMemorySpanExporter:
    """Of this process: it has one provider, once and for all."""
    spans = InMemorySpanExporter()
    if not isinstance(trace.get_tracer_provider(), TracerProvider):
        trace.set_tracer_provider(TracerProvider())
    provider = trace.get_tracer_provider()
    assert isinstance(provider, TracerProvider)
    provider.add_span_processor(SimpleSpanProcessor(spans))
    return spans


@pytest.fixture
def spans(all_spans: InMemorySpanExporter) -> InMemorySpanExporter:
    all_spans.clear()
    return all_spans


async def test_the_trace_of_the_caller_goes_on_to_the_service(
    edge: Edge, spans: InMemorySpanExporter
) -> None:
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    await edge.send("GET", ORDER, headers={"traceparent": parent})

    names = {span.name: span for span in spans.get_finished_spans()}
    server, client = names["GET /v1/gam/order/{orderid}"], names["call gam.get-order"]
    assert f"{server.context.trace_id:032x}" == "0af7651916cd43dd8448eb211c80319c"
    assert client.parent is not None
    assert client.parent.span_id == server.context.span_id
    handed_on = edge.downstream.last.traceparent or ""
    assert handed_on.split("-")[1:3] == [
        f"{client.context.trace_id:032x}",
        f"{client.context.span_id:016x}",
    ]


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("GET", "/v1/gam/order/12", "GET /v1/gam/order/{orderid}"),
        ("GET", "/v1/gam/order/x", "GET /v1/gam/order/{orderid}"),
        ("GET", "/v1/gam/nothing/12", "GET"),
        ("DELETE", "/v1/gam/order/12", "DELETE /v1/gam/order/{orderid}"),
        ("BREW", "/v1/gam/nothing/12", "HTTP"),
        ("GET", "/healthz", "GET /healthz"),
    ],
)
async def test_a_span_is_named_by_its_route_whatever_path_is_sent(
    edge: Edge, spans: InMemorySpanExporter, method: str, path: str, name: str
) -> None:
    await edge.send(method, path)
    _assert_named(spans, method, path, name)


@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("GET", "/v1/gam/order/12", "GET /v1/gam/order/{orderid}"),
        ("DELETE", "/v1/gam/order/12", "DELETE /v1/gam/order/{orderid}"),
        ("GET", "/v1/gam/nothing/12", "GET"),
    ],
)
async def test_a_span_of_a_refused_request_is_named_by_its_route(
    edge: Edge, spans: InMemorySpanExporter, method: str, path: str, name: str
) -> None:
    assert (await edge.client.request(method, path)).status_code == 401
    _assert_named(spans, method, path, name)


def _assert_named(spans: InMemorySpanExporter, method: str, path: str, name: str) -> None:
    (span,) = (one for one in spans.get_finished_spans() if one.kind is trace.SpanKind.SERVER)
    attributes = dict(span.attributes or {})
    assert span.name == name
    assert attributes["url.path"] == path
    assert attributes.get("http.route", "") == name.partition(" ")[2]
    assert attributes["http.request.method"] == ("_OTHER" if method == "BREW" else method)


@pytest.mark.parametrize(
    ("answer", "code", "status"),
    [
        (Answer(404, errors=(Fault("EC40402", "There is no order 1"),)), 404, "404000"),
        (Answer(400, errors=(Fault("EC40010", "no"), Fault("EC40010", "never"))), 400, "400000"),
        (Answer(502, errors=(Fault("EC50201", "down"),), retry_after=7.2), 502, "502000"),
    ],
)
async def test_a_services_refusal_is_handed_on(
    edge: Edge, downstream: Downstream, answer: Answer, code: int, status: str
) -> None:
    async def refused(_call: ServiceCall) -> Answer:
        return answer

    downstream.reply = refused
    response = await edge.send("GET", ORDER)

    body = response.json()
    assert (response.status_code, body["code"], body["status"]) == (code, code, status)
    assert body["errors"] == [{"code": f.code, "message": f.message} for f in answer.errors]
    assert "data" not in body
    if answer.retry_after:
        # Not 7: who comes back after that is too early.
        assert response.headers["Retry-After"] == "8"


async def test_a_slow_service_is_given_up(build: Build, downstream: Downstream) -> None:
    async def slow(_call: ServiceCall) -> Answer:
        await asyncio.sleep(HELD)
        raise AssertionError

    downstream.reply = slow
    edge = build(timeout=SOON)
    answer = await edge.send("GET", ORDER)

    assert answer.status_code == 504
    assert answer.json()["errors"][0]["code"] == "EC50401"


async def test_ready_says_what_is_missing(build: Build) -> None:
    from seil.errors import ConfigurationError, Problem

    def broken() -> None:
        raise ConfigurationError([Problem("file:/etc/secret", "no such file")])

    edge = build(checks={"gam": broken, "techone": lambda: None})
    answer = await edge.client.get("/readyz")

    assert answer.status_code == 503
    checks = answer.json()["checks"]
    assert checks["techone"] == checks["tokens"] == "ok"
    assert checks["gam"] != "ok"
    assert "/etc/secret" not in answer.text
    assert (await edge.client.get("/healthz")).status_code == 200


async def test_a_check_that_takes_long_holds_nobody_else_up(build: Build) -> None:
    go_on = threading.Event()

    def slow() -> None:
        assert go_on.wait(HANGS)

    edge = build(checks={"gam": slow})
    ready = asyncio.create_task(edge.client.get("/readyz"))
    try:
        await asyncio.sleep(0)
        assert (await edge.client.get("/healthz")).status_code == 200
        assert not ready.done()
    finally:
        go_on.set()
    assert (await ready).status_code == 200


async def test_the_issuers_routes_give_a_token_that_opens_the_door(edge: Edge) -> None:
    form = {"grant_type": "client_credentials"}
    granted = await edge.client.post("/oauth2/token", data=form, auth=("booking", "s3cret"))

    token = granted.json()["access_token"]
    answer = await edge.client.get(ORDER, headers={"Authorization": f"Bearer {token}"})

    assert answer.status_code == 200
    assert granted.headers["Cache-Control"] == "no-store"
    keys = (await edge.client.get("/.well-known/jwks.json")).json()["keys"]
    assert {key["kty"] for key in keys} == {"RSA"}
    refused = await edge.client.post("/oauth2/token", data=form, auth=("booking", "wrong"))
    assert (refused.status_code, refused.json()) == (401, {"error": "invalid_client"})


async def test_the_docs_page_needs_nothing_from_elsewhere(edge: Edge) -> None:
    page = await edge.client.get("/docs")

    assert page.status_code == 200
    assert "https://" not in page.text
    assert "script-src 'self'" in page.headers["Content-Security-Policy"]
    script = await edge.client.get("/static-offline-docs/swagger-ui-bundle.js")
    assert script.status_code == 200


async def test_a_client_that_goes_away_leaves_no_error(
    edge: Edge, caplog: pytest.LogCaptureFixture
) -> None:
    transport = edge.client._transport
    assert isinstance(transport, httpx.ASGITransport)

    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(_message: Any) -> None:
        raise AssertionError

    token = edge.token(WRITE).encode()
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/gam/order",
        "query_string": b"",
        "headers": [(b"authorization", b"Bearer " + token), (b"content-length", b"9")],
    }
    with caplog.at_level(logging.INFO, "seil.api.edge.frame"):
        await transport.app(scope, receive, send)

    assert vars(caplog.records[-1])["status"] == 499
    assert edge.downstream.calls == []


@pytest.mark.parametrize(
    "path", [ORDER, "/healthz", "/openapi.json", "/docs", "/.well-known/jwks.json", "/nowhere"]
)
async def test_head_is_answered_as_get_is_without_the_body(edge: Edge, path: str) -> None:
    same = {"X-Correlation-Id": str(uuid.uuid4())}
    get = await edge.send("GET", path, headers=same, scopes=(READ,))
    head = await edge.send("HEAD", path, headers=same, scopes=(READ,))

    assert (head.status_code, head.headers) == (get.status_code, get.headers)
    assert int(head.headers["Content-Length"]) == len(get.content) > 0
    assert head.content == b""


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        pytest.param("DELETE", "/v1/gam/lineitem", "GET, HEAD, POST, PUT", id="three routes"),
        pytest.param("PATCH", ORDER, "GET, HEAD, PUT", id="two routes"),
        pytest.param("OPTIONS", "/v1/gam/order", "POST", id="one"),
        pytest.param("HEAD", "/v1/gam/order", "POST", id="HEAD where GET is not"),
        pytest.param("POST", "/healthz", "GET, HEAD", id="health"),
        pytest.param("GET", "/oauth2/token", "POST", id="token"),
        pytest.param("POST", "/openapi.json", "GET, HEAD", id="document"),
        pytest.param("PUT", "/static-offline-docs/swagger-ui.css", "GET, HEAD", id="files"),
    ],
)
async def test_allow_names_every_method_of_the_path(
    edge: Edge, method: str, path: str, allow: str
) -> None:
    answer = await edge.send(method, path)

    assert (answer.status_code, answer.headers["Allow"]) == (405, allow)


@pytest.mark.parametrize("other", ["same", "other"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Authorization", ""),
        ("Content-Type", "application/json"),
        ("Idempotency-Key", "k-1"),
        ("X-Correlation-Id", "7d0cbd3e-34b1-4c3b-8a30-6b1a0f7f3c11"),
        ("X-Application-Label", "salesforce"),
    ],
)
async def test_header_of_one_value_that_is_given_twice_is_refused(
    edge: Edge, name: str, value: str, other: str
) -> None:
    token = f"Bearer {edge.token(READ, WRITE)}"
    value = value or token
    headers = [("Authorization", token)] if name != "Authorization" else []
    headers += [(name, value), (name, value if other == "same" else f"{value}x")]

    answer = await edge.client.post("/v1/gam/order", headers=headers, json=NEW_ORDER)

    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "EC40004")
    assert name in answer.json()["errors"][0]["message"]
    challenge = 'Bearer error="invalid_request"' if name == "Authorization" else None
    assert answer.headers.get("WWW-Authenticate") == challenge
    assert edge.downstream.calls == []
