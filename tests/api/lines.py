"""Curl lines of a page with the answers beside them, and a `seil serve --sandbox` to ask."""

from __future__ import annotations

import itertools
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from tests.limits import HANGS

_EXAMPLE = re.compile(r"^    (curl -s .*?)\n\n```json\n(.*?)\n```$", re.MULTILINE | re.DOTALL)
# It depends on the clock, or on what else is booked at that time.
_BY_CHANCE = {
    *("time", "correlationId", "lastModifiedDateTime", "creationDateTime"),
    *("availableUnits", "matchedUnits", "possibleUnits"),
    *("start_datei", "end_datei", "due_datei", "exch_rate_amt"),
}


def examples(page: Path) -> list[tuple[str, Any]]:
    """Each line with the answer that it is said to give."""
    matches = _EXAMPLE.findall(page.read_text("utf-8"))
    return [(line, json.loads(answer)) for line, answer in matches]


@contextmanager
def serving(folder: Path, environment: Mapping[str, str] | None = None) -> Iterator[httpx.Client]:
    """With a token for everything; its state is new and lies in `folder`."""
    command = [sys.executable, "-m", "seil", "--json", "serve", "--sandbox", "--port", "0"]
    env = {**os.environ, **(environment or {})}
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen(
            command, cwd=folder, env=env, stdout=subprocess.PIPE, stderr=log, text=True
        ) as api,
    ):
        try:
            assert api.stdout
            url = json.loads(api.stdout.readline())["url"]
            with httpx.Client(base_url=url, timeout=HANGS) as client:
                yield _authorized(client)
        finally:
            api.terminate()


def _authorized(client: httpx.Client) -> httpx.Client:
    form = {"grant_type": "client_credentials"}
    granted = client.post("/oauth2/token", data=form, auth=("seil-demo", "demo-secret"))
    client.headers["Authorization"] = f"Bearer {granted.json()['access_token']}"
    return client


def sent(client: httpx.Client, line: str) -> httpx.Response:
    words = shlex.split(line.replace("\n    ", "\n"))
    url = next(word for word in words if word.startswith("$API")).removeprefix("$API")
    options = dict(itertools.pairwise(words))
    body = options.get("-d")
    method = options.get("-X", "POST" if body else "GET")
    assert "$AUTH" in words
    headers = {"Content-Type": "application/json"} if "$JSON" in words else {}
    return client.request(method, url, content=body, headers=headers)


def check(answer: httpx.Response, expected: Any) -> None:
    """`expected` is the `data` of a success, or an error whole."""
    content = answer.json() if "errors" in expected else answer.json().get("data")
    assert _settled(content) == _settled(expected), answer.text


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
