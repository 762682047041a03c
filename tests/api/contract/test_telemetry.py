"""What a request leaves behind: one trace, log lines with its id, and none of its secrets."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import re
import sqlite3
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.api.contract.booking import (
    RATE,
    Body,
    Caller,
    Levers,
    data,
    faults,
    new_line_item,
    new_order,
    new_proposal,
)
from tests.api.contract.liar import Liar
from tests.api.deployments import Deployment, StandIns, deployed, local_settings
from tests.limits import until

from seil.observe import logs
from seil.observe.correlation import CorrelationFilter

_TRACED = """
import asyncio, json, sys
from pathlib import Path
import httpx
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from seil.sandbox.beside_api import build_with_issuer
from seil.settings import load_settings

spans = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(spans))
trace.set_tracer_provider(provider)

async def main():
    settings = load_settings(Path(sys.argv[1]))
    app = build_with_issuer(settings, "http://edge.test")
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://edge.test") as client:
        form = {"grant_type": "client_credentials"}
        secret = (settings.api.client_id, settings.api.client_secret.reveal())
        answer = await client.post("/oauth2/token", data=form, auth=secret)
        headers = {"Authorization": "Bearer " + answer.json()["access_token"]}
        headers["traceparent"] = sys.argv[2]
        for path in sys.argv[3:]:
            spans.clear()
            answer = await client.get(path, headers=headers)
            found = [
                {
                    "name": span.name,
                    "trace": f"{span.context.trace_id:032x}",
                    "id": f"{span.context.span_id:016x}",
                    "parent": f"{span.parent.span_id:016x}" if span.parent else None,
                    "attributes": {k: str(v) for k, v in span.attributes.items()},
                }
                for span in spans.get_finished_spans()
            ]
            print(json.dumps({"status": answer.status_code, "spans": found}))

asyncio.run(main())
"""
_PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
_TOML = """
[admanager]
endpoint = "{s.admanager}"
soap_endpoint = "{s.admanager}"
service_account_key = "file:{s.key_file}"
wsdl_cache = "{folder}/wsdl"
[techone]
base_url = "{s.techone}"
token_url = "{s.techone}/oauth2/token"
[api]
state = "{folder}/api"
"""
_CHAINS = {
    RATE: (RATE, "techone.rate", "techone rate"),
    "/v1/gam/order/3000000000": (
        "/v1/gam/order/{orderid}",
        "gam.get-order",
        "Ad Manager get_order",
    ),
    "/v1/gam/proposal/1": (
        "/v1/gam/proposal/{proposalid}",
        "gam.get-proposal",
        "Ad Manager getProposalsByStatement",
    ),
}


def test_one_trace_goes_through_edge_service_and_external_call(
    tmp_path: Path, far_ends: StandIns
) -> None:
    """In a process of its own: there is one tracer provider in each."""
    config = tmp_path / "seil.toml"
    config.write_text(_TOML.format(s=far_ends, folder=tmp_path))
    command = [sys.executable, "-c", _TRACED, str(config), _PARENT, *_CHAINS]

    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout

    for (route, operation, external), line in zip(
        _CHAINS.values(), output.splitlines(), strict=True
    ):
        spans = {span["name"]: span for span in json.loads(line)["spans"]}
        chain = [f"GET {route}", f"call {operation}", f"run {operation}", external]
        assert {span["trace"] for span in spans.values()} == {_PARENT.split("-")[1]}
        parents = [spans[name]["parent"] for name in chain]
        assert parents == [_PARENT.split("-")[2], *(spans[name]["id"] for name in chain[:-1])]


@contextmanager
def _logged(level: int = logging.DEBUG) -> Iterator[io.StringIO]:
    """Every line of every logger, as `seil serve` would write it, but not masked."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Unmasked())
    handler.addFilter(CorrelationFilter())
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(level)
    try:
        yield stream
    finally:
        root.removeHandler(handler)
        root.setLevel(before)


class _Unmasked(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        extra = {n: v for n, v in vars(record).items() if n not in logs._STANDARD}
        line = {"logger": record.name, "message": record.getMessage(), **extra}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def _lines(stream: io.StringIO) -> list[Body]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize("path", list(_CHAINS))
def test_every_line_of_a_request_has_its_id(local: Caller, path: str) -> None:
    identity = str(uuid.uuid4())
    headers = {"X-Correlation-Id": identity}
    # A line may be written after its answer is here: the first call has the same id.
    local.deployment.call("GET", path, headers=headers)

    with _logged(logging.INFO) as stream:
        local.deployment.call("GET", path, headers=headers)
        until(lambda: "seil.api.edge.frame" in stream.getvalue())

    ours = [line for line in _lines(stream) if line["logger"].startswith("seil.api")]
    external = [
        line
        for line in _lines(stream)
        if line["logger"].startswith(("seil.techone", "seil.admanager"))
    ]
    assert {line["logger"] for line in ours} == {
        "seil.api.edge.frame",
        "seil.api.services.service",
    }
    assert external
    assert {line["correlation_id"] for line in [*ours, *external]} == {identity}


def test_the_id_goes_to_the_systems_behind(tmp_path: Path, far_ends: StandIns) -> None:
    identity = str(uuid.uuid4())
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
    with closing(Liar(answer)) as liar:
        behind = replace(far_ends, admanager=liar.url, techone=liar.url)
        with deployed("one-process", tmp_path, behind) as deployment:
            for path in _CHAINS:
                deployment.call("GET", path, headers={"X-Correlation-Id": identity})

    described = [request for request in liar.heard if b"?wsdl" in request]
    requests = [request.lower() for request in liar.heard if request not in described]
    assert len(requests) >= 2
    assert all(f"x-correlation-id: {identity}".encode() in request for request in requests)


def _whole_run(caller: Caller, levers: Levers) -> dict[str, str]:
    """All kinds of requests, good and bad; what must not be in any line, by its name."""
    words = {name: f"{name}-{uuid.uuid4().hex}" for name in ("name", "note", "wrong", "key")}
    order = new_order(name=words["name"], notes=words["note"])
    call = caller.deployment.call
    headers = {"Idempotency-Key": words["key"]}
    number = data(call("POST", "/v1/gam/order", json={"orders": [order]}, headers=headers))["id"]
    call("POST", "/v1/gam/order", json={"orders": [{**order, "wrong": words["wrong"]}]})
    call("POST", "/v1/gam/order", json={"orders": [order]})
    item = new_line_item(number, name=words["name"], notes=words["note"])
    call("POST", "/v1/gam/lineitem", json={"lineItems": [item]})
    call("POST", "/v1/gam/forecast", json={"lineItems": [{"lineItem": item}]})
    proposal = new_proposal(name=words["name"], internalNotes=words["note"])
    call("POST", "/v1/gam/proposal", json={"proposals": [proposal]})
    call("POST", "/v1/gam/order", content=f'{{"{words["wrong"]}'.encode())
    call("GET", RATE, headers={"Authorization": f"Bearer {words['wrong']}"})
    call("GET", "/v1/techone/debtor/D10042/remaining-credit-limit")
    for kind in ("down", "html-answer", "cut-answer", "token-expired"):
        levers.admanager("faults", kind=kind)
        levers.techone("faults", kind=kind)
        for path in (f"/v1/gam/order/{number}", RATE, "/v1/gam/proposal/1"):
            call("GET", path)
        levers.clear()
    return words


def test_no_line_holds_a_secret_or_a_body(
    tmp_path: Path, far_ends: StandIns, levers: Levers
) -> None:
    with _logged() as stream, deployed("one-process", tmp_path, far_ends) as deployment:
        settings = local_settings(tmp_path, far_ends)
        token = deployment.token()
        caller = Caller(deployment)
        words = _whole_run(caller, levers)
        secrets = _secrets(deployment, settings.api.client_secret.reveal(), token)
    own = [line for line in _lines(stream) if not _of_the_tests(line)]
    text = "\n".join(json.dumps(line, ensure_ascii=False) for line in own)

    assert len(own) > 50
    assert {name for name, word in {**words, **secrets}.items() if word in text} == set()


def _secrets(deployment: Deployment, client_secret: str, token: str) -> dict[str, str]:
    key = json.loads(deployment.stand_ins.key_file.read_text())
    return {
        "client secret": client_secret,
        "token": token.split(".")[2],
        "private key": key["private_key"].splitlines()[1],
        "private key id": key["private_key_id"],
        "techone secret": "sandbox-secret",
        "bearer": "Bearer ey",
    }


def test_no_line_of_a_function_holds_a_secret_or_a_body(
    aws: Deployment, far_ends: StandIns, levers: Levers
) -> None:
    """Of all that the functions have written since they started, every request so far included."""
    token = aws.token()
    words = _whole_run(Caller(aws), levers)
    for path in (RATE, "/v1/gam/order/1"):  # Brings what was written after the answer before.
        aws.call("GET", path)
    written = aws.function_logs()
    text = "\n".join(line for lines in written.values() for line in lines)

    names = {"dev-gam_router", "dev-tech1_router", "dev-gamClient", "dev-tech1Client"}
    assert {name for name, lines in written.items() if any('"logger"' in n for n in lines)} == names
    secrets = _secrets(aws, aws.client_secret, token)
    assert {name for name, word in {**words, **secrets}.items() if word in text} == set()
    assert not re.search(r"ya29\.|eyJ[\w-]+\.[\w-]+\.|PRIVATE KEY", text)
    assert _digests(far_ends)
    assert not _digests(far_ends) & {_digest(word) for word in re.findall(r"[\w-]{64}", text)}


def _digests(far_ends: StandIns) -> set[str]:
    """Of every access token that a stand-in has given out."""
    folder = far_ends.key_file.parent
    digests = set()
    for file in (folder / "network.sqlite", folder.parent / "techone" / "techone.sqlite"):
        with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as opened:
            digests |= {digest for (digest,) in opened.execute("SELECT digest FROM tokens")}
    return digests


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _of_the_tests(line: Any) -> bool:
    """The tests' own client and the stand-ins run in this process, too."""
    return str(line["logger"]).startswith(("seil.sandbox", "aiohttp"))


def test_a_refusal_says_no_more_than_it_has_to(local: Caller) -> None:
    secret = uuid.uuid4().hex * 4
    answer = local.deployment.call("POST", "/v1/gam/order", json={"orders": [{"name": [secret]}]})

    assert faults(answer)[0] == 400
    assert secret not in answer.text
