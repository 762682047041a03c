from __future__ import annotations

import tracemalloc
from typing import Any

import pytest
from tests.api.edge.conftest import Edge

pytestmark = pytest.mark.anyio

ORDER = '"name": "Acme", "advertiserId": 1, "traffickerId": 2'
JSON = {"Content-Type": "application/json"}

TWICE: list[Any] = [
    pytest.param(f'{{"orders": [{{{ORDER}}}], "orders": []}}', ["orders"], id="top"),
    pytest.param(f'{{"orders": [{{{ORDER}, "name": "B"}}]}}', ["orders[0].name"], id="nested"),
    pytest.param(f'{{"orders": [{{{ORDER}, "name": "Acme"}}]}}', ["orders[0].name"], id="equal"),
    pytest.param(
        f'{{"orders": [{{{ORDER}, "\\u006eame": "B"}}]}}', ["orders[0].name"], id="escaped"
    ),
    pytest.param(
        '{"a": 1, "b": {"c": [0, {"d": 1, "d": 2}]}, "a": 2, "a": 3}',
        ["b.c[1].d", "a"],
        id="several",
    ),
    pytest.param('{"\\ud83d": 1, "\\ud83d": 2}', ["\\ud83d"], id="half a character"),
]


@pytest.mark.parametrize(("body", "places"), TWICE)
async def test_key_that_is_given_twice_is_refused_by_its_place(
    edge: Edge, body: str, places: list[str]
) -> None:
    answer = await edge.send("POST", "/v1/gam/order", content=body, headers=JSON)
    assert answer.status_code == 400
    assert answer.json()["errors"] == [
        {"code": "EC40001", "message": f"{place}: is given more than once"} for place in places
    ]
    assert edge.downstream.calls == []


async def test_no_more_places_than_a_reader_wants(edge: Edge) -> None:
    body = ",".join(f'"k{at}": 1, "k{at}": 1' for at in range(99))
    answer = await edge.send("POST", "/v1/gam/order", content=f"{{{body}}}", headers=JSON)
    assert len(answer.json()["errors"]) == 50


async def test_places_are_not_looked_for_beyond_those_that_are_reported(edge: Edge) -> None:
    """Each would have to come up through all the objects around it, under a name of its own."""
    inner = ",".join(f'"{at % 9_000}": 1' for at in range(18_000))
    body = '{"around": ' * 500 + f"{{{inner}}}" + "}" * 500
    tracemalloc.start()
    try:
        answer = await edge.send("POST", "/v1/gam/order", content=body, headers=JSON)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(answer.json()["errors"]) == 50
    assert most < 20_000_000


@pytest.mark.parametrize("path", ["/v1/gam/proposal/7", "/v1/gam/lineitem"])
async def test_key_that_is_given_twice_is_refused_by_every_route(edge: Edge, path: str) -> None:
    body = '{"name": "a", "name": "b"}'
    answer = await edge.send("PUT", path, content=body, headers=JSON)
    assert [fault["message"] for fault in answer.json()["errors"]] == [
        "name: is given more than once"
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32-le"])
async def test_same_key_of_two_objects_is_right(edge: Edge, encoding: str) -> None:
    body = f'{{"orders": [{{{ORDER}, "appliedLabels": [{{"labelId": 1}}, {{"labelId": 2}}]}}]}}'
    content = body.encode(encoding)
    answer = await edge.send("POST", "/v1/gam/order", content=content, headers=JSON)
    assert answer.status_code == 200
    assert edge.downstream.last.request["orders"][0]["name"] == "Acme"


@pytest.mark.parametrize(
    "content", [b"{", b"\xff\xff", b"[" * 99_999, b""], ids=["cut", "bytes", "deep", "none"]
)
async def test_body_that_is_no_json_is_still_reported(edge: Edge, content: bytes) -> None:
    answer = await edge.send("POST", "/v1/gam/order", content=content, headers=JSON)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["code"] in ("EC40002", "EC40003")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        pytest.param("POST", "/v1/gam/order", id="body required"),
        pytest.param("PUT", "/v1/gam/proposal/1?action=pause", id="body optional"),
    ],
)
async def test_null_is_no_body(edge: Edge, method: str, path: str) -> None:
    answer = await edge.send(method, path, content="null", headers=JSON)
    assert answer.json()["errors"] == [
        {"code": "EC40001", "message": "body: null is not an object"}
    ]
    assert edge.downstream.calls == []
