"""Every curl line of docs/api.md, in its order, against `seil serve --sandbox`."""

from __future__ import annotations

import itertools
import json
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

PAGE = Path(__file__).parents[2] / "docs" / "api.md"
_EXAMPLE = re.compile(r"^    (curl -s .*?)\n\n```json\n(.*?)\n```$", re.MULTILINE | re.DOTALL)

# It depends on the clock, or on what else is booked at that time.
_BY_CHANCE = {
    *("time", "correlationId", "lastModifiedDateTime", "creationDateTime"),
    *("availableUnits", "matchedUnits", "possibleUnits"),
    *("start_datei", "end_datei", "exch_rate_amt"),
}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    command = [sys.executable, "-m", "seil", "--json", "serve", "--sandbox", "--port", "0"]
    folder = tmp_path_factory.mktemp("serve")
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=log, text=True) as api,
    ):
        assert api.stdout
        url = json.loads(api.stdout.readline())["url"]
        try:
            with httpx.Client(base_url=url, timeout=30) as found:
                yield _authorized(found)
        finally:
            api.terminate()


def _authorized(client: httpx.Client) -> httpx.Client:
    form = {"grant_type": "client_credentials"}
    while True:
        try:
            granted = client.post("/oauth2/token", data=form, auth=("seil-demo", "demo-secret"))
        except httpx.ConnectError:
            time.sleep(0.1)
            continue
        client.headers["Authorization"] = f"Bearer {granted.json()['access_token']}"
        return client


def _sent(client: httpx.Client, line: str) -> httpx.Response:
    words = shlex.split(line.replace("\n    ", "\n"))
    url = next(word for word in words if word.startswith("$API")).removeprefix("$API")
    options = dict(itertools.pairwise(words))
    body = options.get("-d")
    method = options.get("-X", "POST" if body else "GET")
    assert "$AUTH" in words
    headers = {"Content-Type": "application/json"} if "$JSON" in words else {}
    return client.request(method, url, content=body, headers=headers)


def _settled(value: Any, *, by_chance: bool = False) -> Any:
    """What is the same each time; of the rest, which names and types it has."""
    if isinstance(value, dict):
        return {
            name: _settled(part, by_chance=by_chance or name in _BY_CHANCE)
            for name, part in value.items()
        }
    if isinstance(value, list):
        return [_settled(part, by_chance=by_chance) for part in value]
    return type(value).__name__ if by_chance else value


def test_every_line_gives_the_answer_beside_it(client: httpx.Client) -> None:
    examples = _EXAMPLE.findall(PAGE.read_text("utf-8"))

    assert len(examples) >= 20
    for line, shown in examples:
        answer = _sent(client, line)
        expected = json.loads(shown)
        found = answer.json() if "errors" in expected else answer.json().get("data")
        assert _settled(found) == _settled(expected), (line, answer.text)


def test_every_route_is_shown(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    lines = [line for line, _ in _EXAMPLE.findall(PAGE.read_text("utf-8"))]
    for path, operations in document["paths"].items():
        if not path.startswith("/v1/"):
            continue
        pattern = re.compile(r'"\$API' + re.sub(r"\\{.*?\\}", '[^/?"]+', re.escape(path)) + '["?]')
        found = {_method(line) for line in lines if pattern.search(line)}
        assert {method.upper() for method in operations} <= found, path


def _method(line: str) -> str:
    named = re.search(r"-X (\w+)", line)
    return named[1] if named else "POST" if " -d " in line else "GET"
