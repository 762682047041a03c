"""A router function: the events of gateways, load balancers and function URLs, in and out."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from tests.api.deployments import READ, SCOPES
from tests.aws import events
from tests.aws.conftest import LambdaApi, Reply

from seil.api.calls import Answer, ServiceCall
from seil.api.edge.routes_gam import gam_router
from seil.aws.router import Router
from seil.sandbox.issuer.issuer import Issuer

ORDER = {"orders": [{"name": "Füße 🎈", "advertiserId": 1, "traffickerId": 2}]}


class Downstream:
    def __init__(self) -> None:
        self.calls: list[ServiceCall] = []

    async def call(self, call: ServiceCall) -> Answer:
        self.calls.append(call)
        return Answer(200, {"id": 7, "name": "Füße", "status": "DRAFT"})


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Issuer]:
    """One whose keys are at <url>/.well-known/jwks.json, as Cognito's are."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(issuer_.jwks()).encode()
            self.send_response(200 if self.path == "/.well-known/jwks.json" else 404)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        url = f"http://127.0.0.1:{server.server_port}"
        issuer_ = Issuer(tmp_path_factory.mktemp("issuer"), url, {})
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield issuer_
        server.shutdown()
        thread.join()


def set_up(patch: pytest.MonkeyPatch, folder: Path, issuer: Issuer) -> None:
    patch.chdir(folder)
    patch.setenv("SEIL_API__ISSUER", issuer.url)
    patch.setenv("SEIL_API__FUNCTIONS", "gam=dev-gamClient, techone=dev-tech1Client")


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, issuer: Issuer) -> None:
    set_up(monkeypatch, tmp_path, issuer)


@contextmanager
def running_router(downstream: Any, folder: Path, issuer: Issuer) -> Iterator[Router]:
    """Built already, for all tests of a module: that takes longer than most of them."""
    with pytest.MonkeyPatch.context() as patch:
        set_up(patch, folder, issuer)
        router = Router("gam", gam_router, invoke=lambda _settings: downstream)
        assert router(events.http_api("GET", "/healthz"), None)["statusCode"] == 200
    yield router
    router.close()


@pytest.fixture(scope="module")
def shared_downstream() -> Downstream:
    return Downstream()


@pytest.fixture
def downstream(shared_downstream: Downstream) -> Downstream:
    shared_downstream.calls.clear()
    return shared_downstream


@pytest.fixture(scope="module")
def router(
    shared_downstream: Downstream, tmp_path_factory: pytest.TempPathFactory, issuer: Issuer
) -> Iterator[Router]:
    with running_router(shared_downstream, tmp_path_factory.mktemp("router"), issuer) as running:
        yield running


@pytest.fixture
def token(issuer: Issuer) -> str:
    return issuer.token("booking", frozenset(SCOPES))


KINDS = pytest.mark.parametrize(
    "kind",
    [
        events.http_api,
        events.http_api_1,
        events.rest_api,
        events.function_url,
        events.alb,
        events.alb_lists,
    ],
    ids=["http-api", "http-api-1.0", "rest-api", "function-url", "alb", "alb-multi-value"],
)


def body_and_headers(answer: dict[str, Any]) -> dict[str, Any]:
    """The body, and the headers by their names in lower case."""
    headers = {name: values[0] for name, values in answer.get("multiValueHeaders", {}).items()}
    headers |= answer.get("headers", {})
    body = answer["body"]
    if answer["isBase64Encoded"]:
        body = base64.b64decode(body)
    lower = {name.lower(): value for name, value in headers.items()}
    return {"status": answer["statusCode"], "headers": lower, "body": json.loads(body)}


@KINDS
def test_post_is_called_with_its_body(
    router: Router, downstream: Downstream, token: str, kind: Any
) -> None:
    headers = {
        "authorization": f"Bearer {token}",
        "content-type": "application/json",
        "x-correlation-id": "7d0cbd3e-34b1-4c3b-8a30-6b1a0f7f3c11",
        "x-application-label": "salesforce",
        "idempotency-key": "one",
    }
    body = json.dumps(ORDER, ensure_ascii=False).encode()
    answer = body_and_headers(
        router(kind("POST", "/v1/gam/order", headers=headers, body=body), None)
    )
    assert answer["status"] == 200, answer
    assert answer["body"]["data"]["name"] == "Füße"
    assert answer["body"]["applicationLabel"] == "salesforce"
    assert answer["headers"]["x-correlation-id"] == "7d0cbd3e-34b1-4c3b-8a30-6b1a0f7f3c11"
    assert answer["headers"]["content-type"] == "application/json"
    call = downstream.calls[0]
    assert (call.operation, call.caller, call.idempotency_key) == (
        "gam.create-order",
        "booking",
        "one",
    )
    assert call.request["orders"][0]["name"] == "Füße 🎈"


@KINDS
def test_query_and_path_arrive_decoded(
    router: Router, downstream: Downstream, token: str, kind: Any
) -> None:
    headers = {"authorization": f"Bearer {token}"}
    router(kind("GET", "/v1/gam/lineitem", query=[("orderid", "12")], headers=headers), None)
    router(kind("PUT", "/v1/gam/order/34", query=[("action", "approve")], headers=headers), None)
    assert downstream.calls[0].request["orderId"] == 12
    assert downstream.calls[1].request == {"orderId": 34, "action": "approve"}
    answer = body_and_headers(router(kind("GET", "/v1/gam/order/1 or 1=1", headers=headers), None))
    assert answer["status"] == 400
    assert len(downstream.calls) == 2


@KINDS
@pytest.mark.parametrize(
    ("headers", "status", "message"),
    [
        ({}, 401, {"message": "Unauthorized"}),
        ({"authorization": "Bearer garbage"}, 401, {"message": "Unauthorized"}),
    ],
    ids=["none", "garbage"],
)
def test_no_or_a_bad_token_is_401(
    router: Router, kind: Any, headers: Mapping[str, str], status: int, message: Any
) -> None:
    answer = body_and_headers(router(kind("GET", "/v1/gam/order/1", headers=headers), None))
    assert (answer["status"], answer["body"]) == (status, message)


@KINDS
def test_token_without_the_scope_is_403(router: Router, issuer: Issuer, kind: Any) -> None:
    headers = {"authorization": f"Bearer {issuer.token('booking', frozenset({READ}))}"}
    answer = body_and_headers(
        router(kind("POST", "/v1/gam/order", headers=headers, body=b"{}"), None)
    )
    assert (answer["status"], answer["body"]) == (403, {"message": "Forbidden"})


@KINDS
def test_router_has_the_routes_of_its_system_only(router: Router, token: str, kind: Any) -> None:
    headers = {"authorization": f"Bearer {token}"}
    path = "/v1/techone/foreign-exchange-rate/aud-usd"
    answer = body_and_headers(router(kind("GET", path, headers=headers), None))
    assert (answer["status"], answer["body"]["errors"][0]["code"]) == (404, "EC40401")


@KINDS
def test_health_check_of_the_balancer_needs_no_token(router: Router, kind: Any) -> None:
    assert body_and_headers(router(kind("GET", "/healthz"), None))["status"] == 200
    ready = body_and_headers(router(kind("GET", "/readyz"), None))
    assert (ready["status"], ready["body"]["checks"]) == (200, {"tokens": "ok"})


@KINDS
def test_post_without_a_body_is_400(router: Router, token: str, kind: Any) -> None:
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    answer = body_and_headers(router(kind("POST", "/v1/gam/order", headers=headers), None))
    assert (answer["status"], answer["body"]["errors"][0]["code"]) == (400, "EC40003")


@KINDS
@pytest.mark.parametrize("length", [None, "5", "99999999"], ids=["no-length", "short", "long"])
def test_length_is_that_of_the_body_whatever_the_header(
    router: Router, token: str, kind: Any, length: str | None
) -> None:
    headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
    if length:
        headers["content-length"] = length
    body = json.dumps(ORDER).encode()
    answer = body_and_headers(
        router(kind("POST", "/v1/gam/order", headers=headers, body=body), None)
    )
    assert answer["status"] == 200, answer


@KINDS
def test_body_over_the_limit_is_413(
    settings: None, monkeypatch: pytest.MonkeyPatch, token: str, kind: Any
) -> None:
    monkeypatch.setenv("SEIL_API__BODY_LIMIT", "1024")
    router = Router("gam", gam_router, invoke=lambda _settings: Downstream())
    headers = {"authorization": f"Bearer {token}"}
    answer = body_and_headers(
        router(kind("POST", "/v1/gam/order", headers=headers, body=b" " * 1025), None)
    )
    router.close()
    assert (answer["status"], answer["body"]["errors"][0]["code"]) == (413, "EC41301")


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        "x",
        {},
        {"version": "2.0"},
        {"requestContext": None},
        {"requestContext": {"http": None}},
        {"version": "2.0", "requestContext": {"http": {}}},
        {"requestContext": {"elb": {}}},
        {"version": "2.0", "requestContext": {"http": {"method": 1, "path": [], "sourceIp": 0}}},
        {**events.http_api("POST", "/v1/gam/order"), "body": "?", "isBase64Encoded": True},
        {**events.http_api("GET", "/healthz"), "headers": None},
        {"Records": [{"eventSource": "aws:sqs"}]},
    ],
    ids=lambda event: json.dumps(event)[:40],
)
def test_event_that_is_none_of_ours_is_refused_without_a_trace(router: Router, event: Any) -> None:
    answer = router(event, None)
    assert 400 <= answer["statusCode"] < 500
    assert "Traceback" not in answer["body"]
    json.dumps(answer)


@pytest.mark.parametrize("missing", ["SEIL_API__ISSUER", "SEIL_API__FUNCTIONS"])
def test_router_that_is_not_set_up_says_so_in_the_log_only(
    settings: None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    missing: str,
) -> None:
    monkeypatch.delenv(missing)
    router = Router("gam", gam_router)
    answer = body_and_headers(router(events.http_api("GET", "/healthz"), None))
    router.close()
    assert (answer["status"], answer["body"]) == (502, {"message": "The function is not set up"})
    assert missing in capsys.readouterr().err


def test_default_secrets_are_no_matter_for_a_router(router: Router, token: str) -> None:
    headers = {"authorization": f"Bearer {token}"}
    assert (
        body_and_headers(router(events.http_api("GET", "/v1/gam/order/1", headers=headers), None))[
            "status"
        ]
        == 200
    )


def test_client_function_is_invoked_through_lambda(
    settings: None, lambda_api: LambdaApi, token: str
) -> None:
    lambda_api.replies = [Reply(Answer(200, {"id": 7}).to_json())]
    router = Router("gam", gam_router)
    headers = {"authorization": f"Bearer {token}"}
    answer = body_and_headers(
        router(events.http_api("GET", "/v1/gam/order/7", headers=headers), None)
    )
    router.close()
    assert (answer["status"], answer["body"]["data"]) == (200, {"id": 7})
    name, event = lambda_api.invoked[0]
    assert (name, event["operation"], event["request"]) == (
        "dev-gamClient",
        "gam.get-order",
        {"orderId": 7},
    )
    assert event["seconds"] == pytest.approx(29, abs=2)


def test_openapi_document_is_of_the_one_system(router: Router) -> None:
    answer = body_and_headers(router(events.http_api("GET", "/openapi.json"), None))
    paths = set(answer["body"]["paths"])
    assert any(path.startswith("/v1/gam/") for path in paths)
    assert not any(path.startswith("/v1/techone/") for path in paths)
