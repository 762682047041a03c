"""A body, whatever is in it, holds up nobody but its sender."""

import asyncio
import json
import logging
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any

import httpx
import pytest
from fastapi import APIRouter
from pydantic import AfterValidator, create_model
from starlette.responses import Response
from tests.api.edge.conftest import READ, WRITE, Downstream, Edge
from tests.limits import HANGS

from seil.api.calls import Answer, Fault, ServiceCall
from seil.api.edge import bodies
from seil.api.edge.app import EdgeOptions, build_edge
from seil.api.edge.bodies import LARGE_BODY
from seil.api.edge.dispatch import Dispatch
from seil.api.edge.exchange import json_response
from seil.api.edge.refusals import system_router
from seil.api.tokens import Expected, Verifier
from seil.sandbox.issuer.issuer import Issuer

pytestmark = pytest.mark.anyio

JSON = {"Content-Type": "application/json"}
MOST_BYTES = 16_000
LINE_ITEM = {
    "orderId": 1,
    "name": "Homepage",
    "startDateTime": {"date": {"year": 2030, "month": 1, "day": 1}, "timeZoneId": "Etc/UTC"},
    "lineItemType": "STANDARD",
    "costPerUnit": {"currencyCode": "AUD", "microAmount": 1},
    "costType": "CPM",
    "creativePlaceholders": [{"size": {"width": 300, "height": 250}}],
}
LONG = "k" * 500_000
EMPTY = '""'
TWICE = ", ".join(['"a": 0'] * 40_000)


def _array(entry: str, count: int) -> str:
    return f"[{','.join([entry] * count)}]"


def _object(count: int) -> str:
    return json.dumps(dict.fromkeys(range(count), 0))


def _line_items(targeting: Any) -> str:
    return json.dumps({"lineItems": [{**LINE_ITEM, "targeting": targeting}] * 100})


class Work:
    """Work on a request that begins, and goes on until it may end."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.may_end = threading.Event()
        self.ended_in_time = False
        self.order: list[str] = []

    def hold(self, value: Any) -> Any:
        self.order.append(str(value)[:2])
        self.begun.set()
        self.ended_in_time = self.may_end.wait(HANGS)
        return value

    def router(self, _dispatch: Dispatch) -> APIRouter:
        """Of a route whose bodies take long to judge, and its document to make."""
        slow = create_model(
            "Slow", __doc__="A text.", name=Annotated[str, AfterValidator(self.hold)]
        )
        slow.model_config["json_schema_extra"] = self.hold
        router = system_router("gam")

        @router.post("/slow", response_model=slow)
        async def answer(body: slow) -> Response:
            return json_response(body.model_dump(), status=200)

        return router


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        pytest.param("POST", "/v1/gam/slow", {"name": "x" * LARGE_BODY}, id="body"),
        pytest.param("GET", "/openapi.json", None, id="document"),
    ],
)
async def test_others_are_answered_meanwhile(
    issuer: Issuer, method: str, path: str, body: dict[str, str] | None
) -> None:
    work = Work()
    verifier = Verifier(Expected(issuer.url), issuer)
    app = build_edge(verifier, Downstream(), EdgeOptions("seil", "dev"), [work.router])
    bearer = {"Authorization": f"Bearer {issuer.token('booking', frozenset({READ, WRITE}))}"}
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://edge.test", headers=bearer
    ) as client:
        slow = asyncio.create_task(client.request(method, path, json=body))
        assert await asyncio.to_thread(work.begun.wait, HANGS)
        other = await client.get("/healthz")
        work.may_end.set()
        answer = await slow

    assert (other.status_code, answer.status_code) == (200, 200)
    assert work.ended_in_time


@asynccontextmanager
async def several(issuer: Issuer, work: Work) -> AsyncIterator[Callable[[str, str], Any]]:
    """Sends a large body of a caller: its answer, some time. The first one is being judged."""
    verifier = Verifier(Expected(issuer.url), issuer)
    app = build_edge(verifier, Downstream(), EdgeOptions("seil", "dev"), [work.router])
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://edge.test") as client:

        def send(caller: str, name: str) -> asyncio.Task[httpx.Response]:
            bearer = {"Authorization": f"Bearer {issuer.token(caller, frozenset({WRITE}))}"}
            body = {"name": name + "x" * LARGE_BODY}
            return asyncio.create_task(client.post("/v1/gam/slow", json=body, headers=bearer))

        try:
            first = send("a", "a1")
            assert await asyncio.to_thread(work.begun.wait, HANGS)
            yield send
        finally:
            work.may_end.set()
        assert (await first).status_code == 200


async def test_large_body_waits_for_one_of_another_caller_alone(issuer: Issuer) -> None:
    work = Work()
    async with several(issuer, work) as send:
        sent = [send("a", "a2"), send("a", "a3"), send("b", "b1")]
        for _ in range(200):  # As far as each comes without the judge.
            await asyncio.sleep(0)
    assert [(await one).status_code for one in sent] == [200, 200, 200]
    assert work.order == ["a1", "b1", "a2", "a3"]


async def test_large_body_behind_too_many_is_refused(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "_TURN_SECONDS", 0.01)
    work = Work()
    async with several(issuer, work) as send:
        refusal = await send("a", "a2")
    assert refusal.status_code == 429
    assert refusal.json()["errors"][0]["code"] == "EC42901"
    assert refusal.headers["Retry-After"] == "1"
    assert work.order == ["a1"]


UNFIT: list[Any] = [
    pytest.param(
        "order", f'{{"orders": [{{"appliedTeamIds": {_array("7", 240_000)}}}]}}', id="teams"
    ),
    pytest.param(
        "order", f'{{"orders": [{{"appliedLabels": {_array("{}", 340_000)}}}]}}', id="labels"
    ),
    pytest.param("lineitem/action", f'{{"ids": {_array("7", 240_000)}}}', id="ids"),
    pytest.param("lineitem/action", f'{{"ids": {_array("{}", 340_000)}}}', id="objects"),
    pytest.param("lineitem/action", f'{{"ids": {_array(EMPTY, 340_000)}}}', id="texts"),
    pytest.param("lineitem", f'{{"lineItems": {_array("[]", 340_000)}}}', id="arrays"),
    pytest.param("lineitem", f'{{"lineItems": {_array("{}", 100)}}}', id="empty line items"),
    pytest.param("lineitem", f'{{"lineItems": [{_object(80_000)}]}}', id="fields"),
    pytest.param("lineitem", f'{{"{LONG}": 1, "lineItems": []}}', id="long name"),
    pytest.param("lineitem", f'{{"{LONG}": {{{TWICE}}}}}', id="long, twice"),
    pytest.param("lineitem", f'{{"\\ud83d{LONG}": 1, "lineItems": []}}', id="half a character"),
    pytest.param(
        "lineitem",
        _line_items({"geoTargeting": json.loads(_object(99)), "customTargeting": {"x": 1}}),
        id="unknown fields",
    ),
    pytest.param(
        "lineitem",
        _line_items({"inventoryTargeting": {"targetedAdUnits": [{}] * 400}}),
        id="empty ad units",
    ),
    pytest.param(
        "lineitem",
        _line_items({"customTargeting": {"children": [{"children": [{}] * 40}] * 20}}),
        id="criteria",
    ),
    pytest.param("lineitem", f'{{"lineItems": [{{"name": {_array("[", 900)}', id="nested"),
    pytest.param("lineitem", "[" * 99_999, id="brackets"),
    pytest.param("lineitem", f'"{LONG}"', id="text"),
]


@pytest.mark.parametrize(("path", "body"), UNFIT)
async def test_body_of_many_faults_gets_a_short_answer(edge: Edge, path: str, body: str) -> None:
    method = "PUT" if path.endswith("action") else "POST"
    answer = await edge.send(method, f"/v1/gam/{path}", content=body, headers=JSON)

    assert answer.status_code == 400
    assert answer.json()["errors"]
    assert len(answer.content) < MOST_BYTES
    assert edge.downstream.calls == []


LONG_REQUESTS: list[Any] = [
    pytest.param("GET", f"/v1/gam/{'%00' * 5_000}", {}, id="path of control characters"),
    pytest.param("GET", f"/{'%F0%9F%98%80' * 5_000}", {}, id="path of emoji"),
    pytest.param("A" * 60_000, "/healthz", {}, id="method"),
    pytest.param("GET", "/nowhere", {"X-Application-Label": "x" * 16_000}, id="label"),
    pytest.param("GET", f"/v1/gam/lineitem?{'a' * 15_000}=1", {}, id="parameter"),
    pytest.param("PUT", f"/v1/gam/order/1?action={'%00' * 5_000}", {}, id="action"),
    pytest.param("GET", f"/v1/gam/order/{'9' * 15_000}", {}, id="id"),
    pytest.param("POST", "/v1/gam/order", {"Content-Type": "x" * 15_000}, id="content type"),
    pytest.param("POST", "/v1/gam/order", {"Idempotency-Key": " \xff" * 7_000}, id="key"),
    pytest.param(
        "GET", f"/v1/gam/lineitem?{'&'.join(f'a{at}' for at in range(2_000))}", {}, id="parameters"
    ),
]


@pytest.mark.parametrize(("method", "path", "headers"), LONG_REQUESTS)
async def test_long_request_gets_a_short_answer(
    edge: Edge, method: str, path: str, headers: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """And a short line of the log."""
    caplog.set_level(logging.INFO, "seil.api")
    fields = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    bearer = (b"Authorization", f"Bearer {edge.token(READ, WRITE)}".encode())
    answer = await edge.client.request(
        method, path, content=b"{}" if method == "POST" else None, headers=[*fields, bearer]
    )
    assert 400 <= answer.status_code < 500
    assert len(answer.content) < MOST_BYTES
    assert all(len(str(vars(record))) < MOST_BYTES for record in caplog.records)


async def test_depth_is_bounded(edge: Edge) -> None:
    """The place of each fault gets longer at every level."""
    criteria: Any = {"keyId": 1, "valueIds": ["x"] * 60}
    for _ in range(250):
        criteria = {"children": [criteria]}
    body = {"lineItems": [{**LINE_ITEM, "targeting": {"customTargeting": criteria}}]}
    answer = await edge.send("POST", "/v1/gam/lineitem", json=body)

    fault = {"code": "EC40002", "message": "The body is nested more than 16 deep"}
    assert (answer.status_code, answer.json()["errors"]) == (400, [fault])


async def test_targeting_of_three_levels_is_accepted(edge: Edge) -> None:
    criteria: Any = {"keyId": 1, "valueIds": [2], "operator": "IS"}
    for operator in ("AND", "OR"):
        criteria = {"logicalOperator": operator, "children": [criteria]}
    targeting = {"customTargeting": criteria}
    item = {**LINE_ITEM, "targeting": targeting}
    item["creativeTargetings"] = [{"name": "mobile", "targeting": targeting}]
    answer = await edge.send("POST", "/v1/gam/lineitem", json={"lineItems": [item]})

    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("errors", "last"),
    [
        pytest.param((Fault("EC40010", "x" * 14_000 + "y"),), "xx...", id="one"),
        pytest.param((Fault("EC40010", "\0" * 300),) * 99, "and at least 73 more", id="many"),
    ],
)
async def test_long_reasons_of_a_system_are_cut(
    edge: Edge, errors: tuple[Fault, ...], last: str
) -> None:
    async def refuse(_call: ServiceCall) -> Answer:
        return Answer(400, errors=errors)

    edge.downstream.reply = refuse
    answer = await edge.send("GET", "/v1/gam/order/1")

    assert len(answer.content) < MOST_BYTES
    assert answer.json()["errors"][-1]["message"].endswith(last)


async def test_faults_of_several_entries_are_all_named(edge: Edge) -> None:
    wrong = {**LINE_ITEM, "targeting": {}, "costType": "FREE"}
    body = {"lineItems": [{**LINE_ITEM, "targeting": {}}, wrong, {**wrong, "name": ""}]}
    answer = await edge.send("POST", "/v1/gam/lineitem", json=body)

    places = [fault["message"].partition(":")[0] for fault in answer.json()["errors"]]
    assert places == ["lineItems[1].costType", "lineItems[2].name", "lineItems[2].costType"]


async def test_faults_beyond_those_named_are_counted(edge: Edge) -> None:
    answer = await edge.send("POST", "/v1/gam/lineitem", json={"lineItems": [{}] * 100})

    faults = answer.json()["errors"]
    assert len(faults) == 51
    assert faults[-1]["message"].startswith("and at least ")


async def test_largest_batch_of_the_contract_is_accepted(edge: Edge) -> None:
    units = [{"adUnitId": 21_777_000 + at, "includeDescendants": True} for at in range(180)]
    body = _line_items({"inventoryTargeting": {"targetedAdUnits": units}})
    answer = await edge.send("POST", "/v1/gam/lineitem", content=body, headers=JSON)

    assert answer.status_code == 200
    assert len(edge.downstream.last.request["lineItems"]) == 100


async def test_token_request_is_short(edge: Edge) -> None:
    answer = await edge.client.post("/oauth2/token", content=f"a={'b' * LARGE_BODY}")
    assert answer.status_code == 413
