"""Every curl line of docs/api.md, in its order, against `seil serve --sandbox`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.api.deployments import deployed, stand_ins
from tests.api.lines import check, examples, sent, serving

PAGE = Path(__file__).parents[2] / "docs" / "api.md"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with serving(tmp_path_factory.mktemp("serve")) as http:
        yield http


def test_every_line_gives_the_answer_beside_it(client: httpx.Client) -> None:
    lines = examples(PAGE)

    assert len(lines) >= 20
    for line, expected in lines:
        check(sent(client, line), expected)


def test_every_route_is_shown(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    lines = [line for line, _ in examples(PAGE)]
    for path, operations in document["paths"].items():
        if not path.startswith("/v1/"):
            continue
        pattern = re.compile(r'"\$API' + re.sub(r"\\{.*?\\}", '[^/?"]+', re.escape(path)) + '["?]')
        methods = {_method(line) for line in lines if pattern.search(line)}
        assert {method.upper() for method in operations} <= methods, path


def test_every_body_of_the_document_is_taken_by_the_stand_ins(tmp_path: Path) -> None:
    """In the document's order, as a reader of /docs sends them."""
    with stand_ins(tmp_path) as far_ends, deployed("one-process", tmp_path, far_ends) as api:
        for path, operations in api.request("GET", "/openapi.json").json()["paths"].items():
            for method, operation in operations.items():
                if not path.startswith("/v1/") or "requestBody" not in operation:
                    continue
                parameters = {
                    one["name"]: one["example"] for one in operation.get("parameters", [])
                }
                media = operation["requestBody"]["content"]["application/json"]
                answer = api.call(method, path.format(**parameters), json=media["example"])
                assert answer.status_code == 200, answer.text


def _method(line: str) -> str:
    method = re.search(r"-X (\w+)", line)
    return method[1] if method else "POST" if " -d " in line else "GET"
