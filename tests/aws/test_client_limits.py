"""A client function at the end of its time, and with more to say than Lambda carries."""

from __future__ import annotations

import json
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from tests.aws.conftest import Context
from tests.limits import HELD
from tests.ministack import Ministack

from seil.admanager.client import AdManager
from seil.api.calls import Answer, ServiceCall
from seil.api.contract.operation import changes, reads
from seil.api.services.gam import gam_service
from seil.api.services.idempotency import IdempotencyStore
from seil.api.services.request_file import SqliteStore
from seil.api.services.service import Service, bind
from seil.aws.client import Client
from seil.aws.idempotency import request_store
from seil.sandbox.admanager.faults import AdManagerFault
from seil.sandbox.admanager.server import AdManagerServer
from seil.secret import Secret
from seil.settings import AdManagerSettings, ApiSettings

ORDER = {"orders": [{"name": "Acme", "advertiserId": 4500000001, "traffickerId": 240000001}]}
CREATE = ServiceCall("gam.create-order", ORDER, "c", idempotency_key="one", seconds=29)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    level = logging.getLogger().level
    yield
    logging.getLogger().setLevel(level)


def answered(
    client: Client, call: ServiceCall, seconds: float | None = None
) -> tuple[int, str, str]:
    """The code of the answer, and the first reason."""
    context = None if seconds is None else Context(seconds)
    answer = Answer.from_json(json.loads(json.dumps(client(call.to_json(), context))))
    fault = answer.errors[0] if answer.errors else None
    return answer.code, fault.code if fault else "", fault.message if fault else ""


@pytest.fixture
def keys(tmp_path: Path) -> Iterator[SqliteStore]:
    with closing(SqliteStore(tmp_path / "keys.sqlite")) as store:
        yield store


def bookings(stand_in: AdManagerServer, keys: IdempotencyStore, folder: Path) -> Client:
    admanager = AdManager(
        AdManagerSettings(
            network_code=stand_in.network_code,
            endpoint=stand_in.url,
            soap_endpoint=stand_in.url,
            service_account_key=Secret(f"file:{stand_in.service_account_key}"),
            wsdl_cache=folder / "wsdl",
            timeout=timedelta(seconds=HELD),
        )
    )
    return Client("gam", lambda _settings: gam_service(admanager, keys, seconds=HELD))


@pytest.fixture(scope="module")
def stand_in_of_all(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdManagerServer]:
    with AdManagerServer(tmp_path_factory.mktemp("admanager")) as server:
        yield server


@pytest.fixture
def stand_in(stand_in_of_all: AdManagerServer) -> Iterator[AdManagerServer]:
    yield stand_in_of_all
    stand_in_of_all.faults.clear()


def test_effect_that_is_late_is_unknown_before_the_function_ends(
    stand_in: AdManagerServer, keys: SqliteStore, tmp_path: Path
) -> None:
    """What the key is worth then is noted, too."""
    client = bookings(stand_in, keys, tmp_path)
    assert (
        answered(client, ServiceCall("gam.get-order", {"orderId": 1}, "c"))[0] == 404
    )  # It is built.
    stand_in.faults.add(AdManagerFault(path="batchCreate", delay=HELD))

    late = replace(CREATE, request={"orders": [{**ORDER["orders"][0], "name": "Late"}]})
    assert answered(client, late, 5)[:2] == (504, "EC50401")
    assert answered(client, late, 29)[:2] == (409, "EC40903")


def test_call_without_time_is_not_made(
    stand_in: AdManagerServer, keys: SqliteStore, tmp_path: Path
) -> None:
    client = bookings(stand_in, keys, tmp_path)
    stand_in.faults.add(AdManagerFault(path="batchCreate", after=10**6))

    assert answered(client, CREATE, 1)[:2] == (504, "EC50402")
    assert [one["seen"] for one in stand_in.faults.entries()] == [0]
    assert answered(client, CREATE)[0] == 200


def test_wait_that_knows_of_no_deadline_is_given_up_on(
    stand_in: AdManagerServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of boto3, say, for a table that takes connections and does not answer."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        for name, value in Ministack(url).environment.items():
            monkeypatch.setenv(name, value)
        table = request_store(ApiSettings(requests_table="requests"))
        client = bookings(stand_in, table, tmp_path)
        assert answered(client, CREATE, 2)[:2] == (504, "EC50401")


class Nothing(BaseModel):
    pass


class Text(BaseModel):
    text: str


@pytest.mark.parametrize(
    ("operation", "advice"),
    [
        (reads("gam.long", Nothing, Text), "Ask for less at a time"),
        (changes("gam.long", Nothing, Text), "It was done: do not repeat it, read"),
    ],
    ids=["reads", "changes"],
)
def test_answer_that_lambda_would_not_carry_is_reported(
    operation: Any, advice: str, keys: SqliteStore
) -> None:
    texts = iter(["x" * 6_000_000, "x" * 6_300_000, "é" * 1_100_000])
    service = Service(
        "gam",
        [bind(operation, lambda _: Text(text=next(texts)))],
        keys,
    )
    client = Client("gam", lambda _settings: service)
    call = ServiceCall("gam.long", {}, "c")
    assert answered(client, call)[0] == 200
    for _ in range(2):
        code, fault, message = answered(client, call)
        assert (code, fault) == (502, "EC50208")
        assert message.endswith(f"Lambda carries 6291456 bytes. {advice}")


def test_spans_are_not_waited_for_beyond_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    from opentelemetry import trace
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import (
        BatchSpanProcessor,
        SpanExporter,
        SpanExportResult,
    )

    from seil.aws.runtime import flush_traces

    answers = threading.Event()

    class Collector(SpanExporter):
        """One that does not answer."""

        def export(self, _spans: object) -> SpanExportResult:
            answers.wait()
            return SpanExportResult.SUCCESS

    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(Collector()))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    monkeypatch.setattr("seil.aws.runtime._FLUSH_SECONDS", HELD)
    with provider.get_tracer("t").start_as_current_span("work"):
        pass
    for _ in range(2):
        flush_traces(Context(1))
    answers.set()
    provider.shutdown()
