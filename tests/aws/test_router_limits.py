"""What AWS puts in a router's way: stages before its paths, limits of answers and of time."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from tests.aws import events
from tests.aws.conftest import Context
from tests.aws.events import Event
from tests.aws.test_router import KINDS, body_and_headers, issuer, running_router, settings, token
from tests.limits import HELD

from seil.api.calls import Answer, ServiceCall
from seil.api.edge.routes_gam import gam_router
from seil.aws.router import Router
from seil.sandbox.issuer.issuer import Issuer

__all__ = ["issuer", "settings", "token"]

ORDER = {"orders": [{"name": "Acme", "advertiserId": 1, "traffickerId": 2}]}


class Downstream:
    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.data: dict[str, Any] = {"id": 7}
        self.seconds = 0.0
        self.calls: list[ServiceCall] = []

    async def call(self, call: ServiceCall) -> Answer:
        self.calls.append(call)
        await asyncio.sleep(self.seconds)
        return Answer(200, self.data)


@pytest.fixture(scope="module")
def shared_downstream() -> Downstream:
    return Downstream()


@pytest.fixture(autouse=True)
def downstream(shared_downstream: Downstream) -> Downstream:
    shared_downstream.reset()
    return shared_downstream


@pytest.fixture(scope="module")
def router(
    shared_downstream: Downstream, tmp_path_factory: pytest.TempPathFactory, issuer: Issuer
) -> Iterator[Router]:
    with running_router(shared_downstream, tmp_path_factory.mktemp("router"), issuer) as running:
        yield running


@pytest.fixture
def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


PROXY: dict[str, Any] = {"resource": "/v1/gam/{proxy+}", "parameters": {"proxy": "order/7"}}


@pytest.mark.parametrize(
    ("event", "path"),
    [
        (partial(events.http_api, stage="dev"), "/dev/v1/gam/order/7"),
        (partial(events.http_api, stage="dev"), "/v1/gam/order/7"),
        (partial(events.http_api, stage="v1"), "/v1/v1/gam/order/7"),
        (partial(events.http_api, stage="v1"), "/v1/gam/order/7"),
        (partial(events.http_api_1, stage="dev"), "/dev/v1/gam/order/7"),
        (partial(events.http_api_1, stage="dev"), "/v1/gam/order/7"),
        (partial(events.http_api_1, **PROXY), "/booking/v1/gam/order/7"),
        (partial(events.rest_api, stage="dev"), "/v1/gam/order/7"),
        (partial(events.rest_api, **PROXY), "/booking/v1/gam/order/7"),
        (events.function_url, "/v1/gam/order/7"),
    ],
    ids=[
        *("http-api", "http-api-domain", "stage-v1", "stage-v1-domain"),
        *("1.0", "1.0-domain", "1.0-mapping", "rest-api", "rest-api-mapping", "function-url"),
    ],
)
def test_route_answers_with_its_stage_and_without(
    router: Router, bearer: dict[str, str], event: Callable[..., Event], path: str
) -> None:
    answer = body_and_headers(router(event("GET", path, headers=bearer), None))
    assert (answer["status"], answer["body"]["path"]) == (200, "/v1/gam/order/7"), answer
    assert body_and_headers(router(event("GET", path), None))["status"] == 401


@pytest.mark.parametrize(
    ("event", "servers"),
    [
        (events.http_api("GET", "/dev/openapi.json", stage="dev"), ["/dev"]),
        (events.http_api("GET", "/v1/openapi.json", stage="v1"), ["/v1"]),
        (events.http_api("GET", "/openapi.json", stage="dev"), []),
        (events.rest_api("GET", "/openapi.json", stage="dev"), ["/dev"]),
        (
            events.rest_api(
                "GET", "/booking/openapi.json", resource="/openapi.json", parameters={}
            ),
            ["/booking"],
        ),
    ],
    ids=["stage", "stage-v1", "domain", "rest-api", "rest-api-mapping"],
)
def test_document_names_the_server_with_its_stage(
    router: Router, event: Event, servers: list[str]
) -> None:
    document = body_and_headers(router(event, None))["body"]
    assert [one["url"] for one in document.get("servers", [])][: len(servers)] == servers
    assert "/v1/gam/order" in document["paths"]


@pytest.mark.parametrize("base", ["", "/booking", "/booking/au"])
@pytest.mark.parametrize("make", [events.http_api, partial(events.http_api_1, stage="dev")])
def test_default_route_answers_behind_a_base_path(
    router: Router, bearer: dict[str, str], make: Callable[..., Event], base: str
) -> None:
    ask = partial(events.on_domain, make, base, "GET")
    answer = body_and_headers(router(ask("/v1/gam/order/7", headers=bearer), None))
    assert (answer["status"], answer["body"]["path"]) == (200, "/v1/gam/order/7"), answer
    assert body_and_headers(router(ask("/healthz"), None))["status"] == 200
    document = body_and_headers(router(ask("/openapi.json"), None))["body"]
    assert document["servers"][0]["url"] == (base or "/")


def test_path_before_a_route_is_none_without_a_custom_domain(
    router: Router, bearer: dict[str, str]
) -> None:
    event = events.http_api("GET", "/booking/v1/gam/order/7", headers=bearer)
    assert body_and_headers(router(event, None))["status"] == 404


@pytest.mark.parametrize("path", ["/docs", "/static-offline-docs/swagger-ui.css", "/redoc"])
def test_there_is_no_docs_page(router: Router, path: str) -> None:
    answer = body_and_headers(router(events.http_api("GET", path), None))
    assert (answer["status"], answer["body"]["errors"][0]["code"]) == (404, "EC40401")


@KINDS
def test_repeated_parameter_is_refused_where_the_event_has_it(
    router: Router, bearer: dict[str, str], kind: Any
) -> None:
    query = [("orderid", "1"), ("orderid", "2")]
    answer = body_and_headers(
        router(kind("GET", "/v1/gam/lineitem", query=query, headers=bearer), None)
    )
    if kind is events.alb:  # It hands the last on, whatever the function does.
        assert answer["status"] == 200
    else:
        assert "given more than once" in answer["body"]["errors"][0]["message"]


@KINDS
def test_query_is_decoded_once(router: Router, bearer: dict[str, str], kind: Any) -> None:
    query = [("orderid", "%31")]
    answer = body_and_headers(
        router(kind("GET", "/v1/gam/lineitem", query=query, headers=bearer), None)
    )
    assert (answer["status"], "%31" in json.dumps(answer["body"])) == (400, True), answer


@pytest.mark.parametrize("kind", [events.alb, events.alb_lists, events.http_api])
@pytest.mark.parametrize("host", ["[2001:db8::1]:443", "a:b", "a:1:2", ":", ""])
def test_strange_host_is_no_obstacle(router: Router, kind: Any, host: str) -> None:
    assert router(kind("GET", "/healthz", headers={"host": host}), None)["statusCode"] == 200


@KINDS
@pytest.mark.parametrize("path", ["/healthz", "/v1/gam/order/7"])
def test_head_is_answered_as_get_is_without_a_body(
    router: Router, bearer: dict[str, str], kind: Any, path: str
) -> None:
    get, head = (router(kind(name, path, headers=bearer), None) for name in ("GET", "HEAD"))
    assert (head["statusCode"], head["body"]) == (200, "")
    assert get["body"]


@KINDS
def test_second_authorization_header_is_refused_where_the_event_has_it(
    router: Router, bearer: dict[str, str], kind: Any
) -> None:
    event = kind("GET", "/v1/gam/order/7", headers=bearer)
    value = bearer["authorization"]
    if "multiValueHeaders" in event:
        event["multiValueHeaders"]["authorization"] *= 2
    elif kind is not events.alb:  # A gateway joins them; a load balancer hands on the last.
        event["headers"]["authorization"] = f"{value},{value}"
    status = router(event, None)["statusCode"]
    assert status == 200 if kind is events.alb else status in (400, 401)


@KINDS
def test_answer_has_the_headers_and_the_status_that_its_event_wants(
    router: Router, kind: Any
) -> None:
    answer = router(kind("GET", "/healthz"), None)
    assert len(json.dumps([answer.get("headers"), answer.get("multiValueHeaders")])) < 2000
    balanced = kind in (events.alb, events.alb_lists)
    assert answer.get("statusDescription") == ("200 OK" if balanced else None)
    assert ("multiValueHeaders" in answer and "headers" not in answer) is (kind is events.alb_lists)


@pytest.mark.parametrize(
    ("kind", "limit"),
    [(events.alb, 1_000_000), (events.alb_lists, 1_000_000), (events.http_api, 6 * 1024 * 1024)],
    ids=["alb", "alb-multi-value", "http-api"],
)
@pytest.mark.parametrize("text", ["x", '"', "é", "\U0001f388"], ids=ascii)
def test_answer_that_aws_would_not_carry_is_an_envelope(
    router: Router, downstream: Downstream, bearer: dict[str, str], kind: Any, limit: int, text: str
) -> None:
    """Just below the limit it goes, just above it does not."""
    event = kind("GET", "/v1/gam/lineitem", query=[("orderid", "1")], headers=bearer)
    carried = len(json.dumps(json.dumps(text, ensure_ascii=False))) - 6
    downstream.data = {"lineItems": text * ((limit - 10_000) // carried)}
    answer = router(event, None)
    assert answer["statusCode"] == 200
    assert limit - 20_000 < len(json.dumps(answer)) < limit

    downstream.data = {"lineItems": text * (limit // carried)}
    envelope = body_and_headers(router(event, None))
    (fault,) = envelope["body"]["errors"]
    assert (envelope["status"], fault["code"]) == (502, "EC50208")
    assert f"{limit} bytes. Ask for less at a time" in fault["message"]


def test_answer_too_long_of_an_effect_says_that_it_was_done(
    router: Router, downstream: Downstream, bearer: dict[str, str]
) -> None:
    downstream.data = {"name": "x" * 1_000_000}
    event = partial(events.alb, "POST", "/v1/gam/order", body=json.dumps(ORDER).encode())
    headers = {**bearer, "content-type": "application/json"}
    for _ in range(7):  # It is no failure of the system: nothing is left alone for it.
        (fault,) = body_and_headers(router(event(headers=headers), None))["body"]["errors"]
        assert fault["code"] == "EC50208"
        assert "It was done: do not repeat it" in fault["message"]


def test_the_document_fits_through_a_load_balancer(router: Router) -> None:
    assert len(json.dumps(router(events.alb("GET", "/openapi.json"), None))) < 1_000_000


def test_request_ends_before_the_function_does(
    router: Router, downstream: Downstream, bearer: dict[str, str]
) -> None:
    downstream.seconds = HELD
    router(events.http_api("GET", "/healthz"), None)
    context = Context(3)
    answer = body_and_headers(
        router(events.http_api("GET", "/v1/gam/order/7", headers=bearer), context)
    )
    assert not context.is_over(by=20)  # The router waits 29 seconds where nothing else is said.
    assert (answer["status"], answer["body"]["errors"][0]["code"]) == (504, "EC50401")
    (call,) = downstream.calls
    assert call.seconds is not None
    assert call.seconds <= 1.5


def test_silent_issuer_is_reported_before_the_function_ends(
    settings: None, monkeypatch: pytest.MonkeyPatch, bearer: dict[str, str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/jwks.json"
        monkeypatch.setenv("SEIL_API__JWKS_URL", url)
        router = Router("gam", gam_router, invoke=lambda _settings: Downstream())
        router(events.http_api("GET", "/healthz"), None)
        context = Context(3)
        answer = body_and_headers(
            router(events.http_api("GET", "/v1/gam/order/7", headers=bearer), context)
        )
        assert not context.is_over(by=20)  # The router waits 29 seconds where nothing else is said.
        assert (answer["status"], answer["body"]["errors"][0]["code"]) == (502, "EC50205")
        router.close()


def test_request_that_has_no_time_is_not_begun(
    router: Router, downstream: Downstream, bearer: dict[str, str]
) -> None:
    router(events.http_api("GET", "/readyz"), None)
    for _ in range(7):  # It is no failure of the system either.
        event = events.http_api("GET", "/v1/gam/order/7", headers=bearer)
        answer = body_and_headers(router(event, Context(1)))
        assert (answer["status"], answer["body"]["errors"][0]["code"]) == (504, "EC50402")
        assert answer["headers"]["retry-after"] == "1"
    assert not downstream.calls
