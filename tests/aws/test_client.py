"""A client function: calls in, answers out, and nothing else ever."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from tests.api.deployments import StandIns
from tests.ministack import Ministack

import seil.secrets_manager
from seil.api.calls import Answer, ServiceCall
from seil.aws import gam_client, runtime, tech1_client
from seil.aws.client import Client
from seil.aws_clients import aws_client
from seil.secrets_manager import Secrets
from seil.settings import TechOneSettings
from seil.techone.client import TechOne

RATE = ServiceCall("techone.rate", {}, "7d0cbd3e-34b1-4c3b-8a30-6b1a0f7f3c11").to_json()
ORDER = ServiceCall("gam.get-order", {"orderId": 1}, "c").to_json()


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    fresh = Secrets(lambda: aws_client("secretsmanager"))
    monkeypatch.setattr(seil.secrets_manager, "_secrets", fresh)


def codes(result: dict[str, Any]) -> tuple[int, list[str]]:
    answer = Answer.from_json(json.loads(json.dumps(result)))
    return answer.code, [fault.code for fault in answer.errors]


@pytest.fixture
def techone(
    aws_environment: Ministack, monkeypatch: pytest.MonkeyPatch, running_stand_ins: StandIns
) -> Iterator[Client]:
    """The function, and its connections closed after the test: on Lambda nobody does that."""
    name = f"dev/tech1/{uuid4().hex}"
    secrets = aws_environment.client("secretsmanager")
    secrets.create_secret(Name=name, SecretString='{"client_secret": "sandbox-secret"}')
    url = running_stand_ins.techone
    for variable, value in {
        "SEIL_API__REQUESTS_TABLE": "requests",
        "SEIL_TECHONE__BASE_URL": url,
        "SEIL_TECHONE__TOKEN_URL": f"{url}/oauth2/token",
        "SEIL_TECHONE__CLIENT_SECRET": f"aws:{name}#client_secret",
    }.items():
        monkeypatch.setenv(variable, value)
    with ExitStack() as stack:

        def open_client(settings: TechOneSettings) -> TechOne:
            return stack.enter_context(TechOne(settings))

        monkeypatch.setattr(tech1_client, "TechOne", open_client)
        yield Client("techone", tech1_client.build)


def test_call_is_answered_with_the_secret_of_secrets_manager(techone: Client) -> None:
    answer = techone(RATE, None)
    assert codes(answer) == (200, [])
    assert answer["data"]["trans_ccy_code"] == "USD"


def test_log_lines_are_json_with_the_correlation_id(
    techone: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    techone(RATE, None)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert lines[-1]["message"] == "techone.rate 200"
    assert {line["correlation_id"] for line in lines} == {RATE["correlation_id"]}
    assert "sandbox-secret" not in json.dumps(lines)


@pytest.mark.parametrize(
    "event",
    [
        None,
        [],
        "x",
        1,
        {},
        {"operation": "techone.rate"},
        {**RATE, "more": 1},
        {**RATE, "request": None},
        {**RATE, "request": "x"},
        {**RATE, "operation": 1},
        {**RATE, "correlation_id": None},
        {**RATE, "caller": {}},
        {**RATE, "idempotency_key": 5},
        {**RATE, "traceparent": []},
        {**RATE, "seconds": "5"},
        {**RATE, "seconds": True},
    ],
    ids=lambda event: json.dumps(event)[:30],
)
def test_event_that_is_no_call_is_400(techone: Client, event: Any) -> None:
    answer = techone(event, None)
    assert codes(answer) == (400, ["EC40001"])
    assert "The event is not a call" in answer["errors"][0]["message"]


def test_operation_of_another_system_is_404(techone: Client) -> None:
    assert codes(techone(ORDER, None)) == (404, ["EC40401"])


@pytest.mark.parametrize(
    ("build", "event", "place"),
    [
        (gam_client.build, ORDER, "admanager.service_account_key"),
        (tech1_client.build, RATE, "techone.client_secret"),
    ],
    ids=["gam", "techone"],
)
@pytest.mark.parametrize("profile", ["local", "aws"])
def test_well_known_secrets_are_refused_whatever_the_profile_says(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    build: Any,
    event: Any,
    place: str,
    profile: str,
) -> None:
    monkeypatch.setenv("SEIL_PROFILE", profile)
    monkeypatch.setenv("SEIL_API__REQUESTS_TABLE", "requests")
    system = event["operation"].partition(".")[0]
    assert codes(Client(system, build)(event, None)) == (502, ["EC50204"])
    assert f"{place}: is the well-known default" in capsys.readouterr().err


@pytest.mark.parametrize("build", [gam_client.build, tech1_client.build])
def test_function_without_a_table_is_not_set_up(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], build: Any
) -> None:
    monkeypatch.setenv("SEIL_TECHONE__CLIENT_SECRET", "aws:x")
    monkeypatch.setenv("SEIL_ADMANAGER__SERVICE_ACCOUNT_KEY", "aws:x")
    assert codes(Client("x", build)(RATE, None)) == (502, ["EC50204"])
    assert "SEIL_API__REQUESTS_TABLE" in capsys.readouterr().err


def test_wrong_setting_is_named_in_the_log_only(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SEIL_TECHONE__TIMEOUT", "soon")
    answer = Client("techone", tech1_client.build)(RATE, None)
    assert codes(answer) == (502, ["EC50204"])
    assert "soon" not in json.dumps(answer)
    assert "techone.timeout" in capsys.readouterr().err


def test_bug_in_building_is_no_exception_outward(caplog: pytest.LogCaptureFixture) -> None:
    def broken(_settings: Any) -> Any:
        raise RuntimeError("broken inside")

    answer = Client("gam", broken)(ORDER, None)
    assert codes(answer) == (500, ["EC50001"])
    assert "broken inside" not in json.dumps(answer)


def test_secret_that_is_missing_is_settings_not_accepted(
    techone: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEIL_TECHONE__CLIENT_SECRET", "aws:no-such-secret#client_secret")
    assert codes(techone(RATE, None)) == (502, ["EC50204"])


def test_wsdl_cache_is_where_a_function_can_write(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = runtime.start()
    cache = gam_client._writable(settings.admanager).wsdl_cache
    assert cache.is_absolute()
    assert cache.name == "seil-wsdl"
    own = settings.admanager.model_copy(update={"wsdl_cache": Path("/own")})
    assert gam_client._writable(own).wsdl_cache == Path("/own")


def test_line_is_written_once_on_lambda(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lambda's runtime puts a handler of its own on the root logger."""
    own = type(
        "LambdaLoggerHandler", (logging.NullHandler,), {"__module__": "awslambdaric.bootstrap"}
    )()
    logging.getLogger().addHandler(own)
    try:
        runtime.start()
        assert own not in logging.getLogger().handlers
    finally:
        logging.getLogger().removeHandler(own)
