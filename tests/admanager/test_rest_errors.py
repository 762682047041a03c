"""What can go wrong between here and Ad Manager's REST API."""

from __future__ import annotations

import json
import logging
import socket
import traceback
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from tests.admanager.conftest import Wire
from tests.limits import LATER

from seil.admanager import calls
from seil.admanager.client import AdManager
from seil.admanager.models import CreateOrder, GetOrder
from seil.deadline import deadline
from seil.errors import (
    ConfigurationError,
    ConflictError,
    LoginError,
    RequestRejectedError,
    SeilError,
    TooSlowError,
    UnavailableError,
    UnexpectedAnswerError,
)
from seil.observe.correlation import correlation
from seil.secret import Secret
from seil.settings import AdManagerSettings

GET = GetOrder(order_id=7)
NEW = CreateOrder.model_validate(
    {"orders": [{"name": "Acme", "advertiserId": 1, "traffickerId": 2}]}
)
ORDER = {"name": "networks/1234567/orders/7", "displayName": "Acme", "status": "DRAFT"}


def google_error(status: int, word: str, message: str, *details: Any) -> dict[str, Any]:
    error = {"code": status, "status": word, "message": message, "details": list(details)}
    return {"error": error}


AD_MANAGER = {
    "@type": "type.googleapis.com/google.ads.admanager.v1.AdManagerError",
    "errorCode": "RequiredError.REQUIRED",
    "message": "is required",
    "fieldPath": "order.advertiser",
    "trigger": "x",
}
BAD_REQUEST = {
    "@type": "type.googleapis.com/google.rpc.BadRequest",
    "fieldViolations": [{"field": "order.name", "description": "is too long"}],
}

ANSWERS: list[Any] = [
    pytest.param(
        400,
        google_error(400, "INVALID_ARGUMENT", "no", AD_MANAGER, BAD_REQUEST),
        RequestRejectedError,
        r"order.advertiser: is required \(RequiredError.REQUIRED; trigger: x\); order.name: is too",
        id="reasons",
    ),
    pytest.param(
        400,
        google_error(400, "X", "plain reason"),
        RequestRejectedError,
        "plain reason",
        id="plain",
    ),
    pytest.param(
        404, google_error(404, "NOT_FOUND", "gone"), RequestRejectedError, "gone", id="404"
    ),
    pytest.param(
        409, google_error(409, "ABORTED", "changed"), ConflictError, "changed", id="conflict"
    ),
    pytest.param(
        409,
        google_error(409, "ALREADY_EXISTS", "name taken"),
        RequestRejectedError,
        "ALREADY_EXISTS: name taken",
        id="exists",
    ),
    pytest.param(
        403, google_error(403, "PERMISSION_DENIED", "not you"), LoginError, "not", id="403"
    ),
    pytest.param(500, b"<html>", UnavailableError, "no reason is given", id="500 html"),
    pytest.param(
        502, {"error": "text"}, UnexpectedAnswerError, "the expected shape", id="odd error"
    ),
    pytest.param(400, b"[]", UnexpectedAnswerError, "status 400 without", id="400 list"),
    pytest.param(403, b"<html>", UnexpectedAnswerError, "status 403 without", id="403 html"),
    pytest.param(404, b"<html>", UnexpectedAnswerError, "status 404 without", id="404 html"),
    pytest.param(407, b"<html>", UnexpectedAnswerError, "status 407 without", id="407 html"),
    pytest.param(408, b"<html>", UnavailableError, "408: no reason is given", id="408 html"),
    pytest.param(418, {"error": {"tea": 1}}, UnexpectedAnswerError, "status 418", id="418 other"),
    pytest.param(200, b"<html>login</html>", UnexpectedAnswerError, "not JSON", id="html"),
    pytest.param(200, b"\xff\xfe", UnexpectedAnswerError, "not JSON", id="bytes"),
    pytest.param(200, b"[1]", UnexpectedAnswerError, "not JSON", id="list"),
    pytest.param(200, {"displayName": 5}, UnexpectedAnswerError, "expected type", id="wrong type"),
    pytest.param(200, {}, UnexpectedAnswerError, "an Order has no name", id="empty"),
    pytest.param(200, b"", UnexpectedAnswerError, "not JSON", id="nothing"),
    pytest.param(200, b"[]", UnexpectedAnswerError, "a list instead of", id="empty list"),
    pytest.param(200, b'"orders"', UnexpectedAnswerError, "a string instead of", id="text"),
    pytest.param(200, b"null", UnexpectedAnswerError, "not JSON of the expected", id="null"),
    pytest.param(200, b"[" * 99_999, UnexpectedAnswerError, "not JSON", id="deep"),
    pytest.param(201, ORDER, UnexpectedAnswerError, "its status is 201", id="201"),
    pytest.param(
        200, {"unexpected": 1}, UnexpectedAnswerError, "none of the fields of Order", id="other"
    ),
    pytest.param(
        200, {**ORDER, "customFieldValues": ["x"]}, UnexpectedAnswerError, "a string", id="nested"
    ),
    pytest.param(
        200,
        {**ORDER, "name": "networks/1/orders/x"},
        UnexpectedAnswerError,
        "end with an id",
        id="id",
    ),
]


@pytest.mark.parametrize(("status", "content", "error", "text"), ANSWERS)
def test_answer_is_translated(
    wire: Wire,
    wired: AdManager,
    status: int,
    content: Any,
    error: type[SeilError],
    text: str,
) -> None:
    wire.reply(content, status)
    with pytest.raises(error, match=text):
        wired.get_order(GET)


def test_not_found_is_an_error_of_its_own(wire: Wire, wired: AdManager) -> None:
    wire.reply(google_error(404, "NOT_FOUND", "gone"), 404)
    with pytest.raises(RequestRejectedError) as caught:
        wired.get_order(GET)
    assert (caught.value.status, caught.value.code) == (404, "NOT_FOUND")


def test_read_is_repeated_until_it_is_answered(wire: Wire, wired: AdManager) -> None:
    wire.reply(google_error(503, "UNAVAILABLE", "busy"), 503)
    wire.reply(b"", 0)
    wire.reply(ORDER)
    assert wired.get_order(GET).id == 7
    assert len(wire.requests) == 3


def test_read_waits_as_long_as_retry_after(wire: Wire, wired: AdManager) -> None:
    wire.reply(google_error(429, "RESOURCE_EXHAUSTED", "slow down"), 429, Retry_After="60")
    with pytest.raises(UnavailableError, match="slow down") as caught:
        wired.get_order(GET)
    assert (caught.value.retry_after, len(wire.requests)) == (60.0, 1)


@pytest.mark.parametrize("status", [503, 0], ids=["503", "connection broken"])
def test_effect_that_got_there_is_not_repeated(wire: Wire, wired: AdManager, status: int) -> None:
    wire.reply(google_error(503, "UNAVAILABLE", "busy"), status)
    with pytest.raises(UnavailableError) as caught:
        wired.create_order(NEW)
    assert (caught.value.reached, len(wire.requests)) == (True, 1)


def test_effect_that_never_got_there_is_repeated(anonymous: Any) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}"
        client = AdManager(
            AdManagerSettings(endpoint=url, service_account_key=Secret("plain:")), anonymous
        )
        with pytest.raises(UnavailableError, match="cannot be reached") as caught:
            client.create_order(NEW)
    assert not caught.value.reached


def test_answer_that_is_late_is_too_slow(wire: Wire, wired: AdManager) -> None:
    wire.reply(ORDER)
    wire.holds = True
    with deadline(LATER), pytest.raises(TooSlowError) as caught:
        wired.create_order(NEW)
    assert caught.value.reached


def test_call_is_not_made_when_there_is_no_time(wire: Wire, wired: AdManager) -> None:
    with deadline(0), pytest.raises(TooSlowError) as caught:
        wired.create_order(NEW)
    assert not caught.value.reached
    assert wire.requests == []


def test_inner_limit_does_not_lengthen_the_outer(wire: Wire, wired: AdManager) -> None:
    with deadline(0), deadline(60), pytest.raises(TooSlowError):
        wired.get_order(GET)


def test_created_order_that_is_missing_is_unexpected(wire: Wire, wired: AdManager) -> None:
    wire.reply({})
    with pytest.raises(UnexpectedAnswerError, match="0 orders for one"):
        wired.create_order(NEW)


def test_correlation_id_and_application_are_sent(wire: Wire, wired: AdManager) -> None:
    wire.reply(ORDER)
    with correlation("3f0c1d1e-6f0a-4c5e-9f5c-0a4de0a4b6f1"):
        wired.get_order(GET)
    _, path, headers, _ = wire.requests[0]
    assert path.startswith("/v1/networks/1234567/orders/7")
    assert headers["x-correlation-id"] == "3f0c1d1e-6f0a-4c5e-9f5c-0a4de0a4b6f1"
    assert "SEIL seil/" in headers["x-goog-api-client"]


def test_every_call_is_logged_without_its_body(
    wire: Wire, wired: AdManager, caplog: pytest.LogCaptureFixture
) -> None:
    wire.reply({"orders": [ORDER]})
    with caplog.at_level(logging.DEBUG, "seil"):
        wired.create_order(NEW)
    lines = [record for record in caplog.records if record.name == "seil.admanager.calls"]
    assert len(lines) == 1
    assert lines[0].getMessage().startswith("Ad Manager batch_create_orders: ok in ")
    assert "Acme" not in caplog.text


def test_span_of_a_refusal_does_not_quote_the_request(
    wire: Wire, wired: AdManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    spans, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    monkeypatch.setattr(calls, "_tracer", provider.get_tracer("test"))
    error = {**AD_MANAGER, "errorCode": "UniqueError", "trigger": "Acme"}
    wire.reply(google_error(400, "INVALID_ARGUMENT", "Acme is taken", error), 400)
    with pytest.raises(RequestRejectedError, match="Acme"):
        wired.create_order(NEW)
    (span,) = spans.get_finished_spans()
    assert (span.status.status_code.name, span.status.description) == (
        "ERROR",
        "RequestRejectedError",
    )
    assert "Acme" not in span.to_json()


def account_key(token_uri: str) -> str:
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return json.dumps(
        {
            "type": "service_account",
            "client_email": "seil@example.invalid",
            "private_key": pem_of(key),
            "private_key_id": "k1",
            "token_uri": token_uri,
        }
    )


def pem_of(key: Any) -> str:
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
    )

    pem: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem.decode()


@pytest.fixture
def with_account(wire: Wire, tmp_path: Path) -> AdManager:
    file = tmp_path / "key.json"
    file.write_text(account_key(f"{wire.url}/token"), "utf-8")
    return AdManager(
        AdManagerSettings(endpoint=wire.url, service_account_key=Secret(f"file:{file}"))
    )


TOKEN = {"access_token": "ya29.secret", "expires_in": 3600, "token_type": "Bearer"}


def test_token_is_requested_once(wire: Wire, with_account: AdManager) -> None:
    wire.reply(TOKEN)
    wire.reply(ORDER)
    for _ in range(2):
        with_account.get_order(GET)
    assert [path.split("?")[0] for _, path, _, _ in wire.requests] == [
        "/token",
        "/v1/networks/1234567/orders/7",
        "/v1/networks/1234567/orders/7",
    ]
    assert wire.requests[1][2]["authorization"] == "Bearer ya29.secret"


def test_token_that_is_refused_is_renewed(wire: Wire, with_account: AdManager) -> None:
    wire.reply(TOKEN)
    wire.reply(google_error(401, "UNAUTHENTICATED", "expired"), 401)
    wire.reply({**TOKEN, "access_token": "ya29.new"})
    wire.reply(ORDER)
    assert with_account.get_order(GET).id == 7
    assert wire.requests[-1][2]["authorization"] == "Bearer ya29.new"


def test_token_that_is_refused_for_ever_is_a_login_error(
    wire: Wire, with_account: AdManager
) -> None:
    wire.reply(TOKEN)
    wire.reply(google_error(401, "UNAUTHENTICATED", "who are you"), 401)
    for _ in range(2):
        wire.reply(TOKEN)
        wire.reply(google_error(401, "UNAUTHENTICATED", "who are you"), 401)
    with pytest.raises(LoginError, match="who are you"):
        with_account.get_order(GET)


def test_account_that_is_refused_is_a_login_error(wire: Wire, with_account: AdManager) -> None:
    wire.reply({"error": "invalid_grant", "error_description": "Invalid JWT"}, 400)
    with pytest.raises(LoginError, match="invalid_grant: Invalid JWT"):
        with_account.get_order(GET)


def test_token_endpoint_that_is_down_leaves_the_effect_undone(tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        uri = f"http://127.0.0.1:{closed.getsockname()[1]}/token"
        file = tmp_path / "key.json"
        file.write_text(account_key(uri), "utf-8")
        client = AdManager(
            AdManagerSettings(service_account_key=Secret(f"file:{file}"), attempts=1)
        )
        with pytest.raises(UnavailableError, match="no access token") as caught:
            client.create_order(NEW)
    assert not caught.value.reached


@pytest.mark.parametrize(
    "key", ["no json", "[]", "{}", '{"private_key": "x", "client_email": "a", "token_uri": "b"}']
)
def test_invalid_key_is_named_by_its_place(tmp_path: Path, key: str) -> None:
    file = tmp_path / "key.json"
    file.write_text(key, "utf-8")
    client = AdManager(AdManagerSettings(service_account_key=Secret(f"file:{file}")))
    with pytest.raises(ConfigurationError, match="is not a service account's JSON key") as caught:
        client.get_order(GET)
    assert str(file) in str(caught.value)


@pytest.mark.parametrize("address", [5, None, "", "token", "ftp://127.0.0.1/token", "http://[::1"])
def test_key_with_an_address_that_is_none_is_a_configuration_error(
    tmp_path: Path, address: object
) -> None:
    file = tmp_path / "key.json"
    file.write_text(json.dumps({**json.loads(account_key("")), "token_uri": address}), "utf-8")
    client = AdManager(AdManagerSettings(service_account_key=Secret(f"file:{file}")))
    with pytest.raises(ConfigurationError, match="is not a service account's JSON key"):
        client.get_order(GET)


def test_key_of_another_kind_is_not_blamed_on_ad_manager(tmp_path: Path) -> None:
    """Google's client finds out when it signs."""
    from cryptography.hazmat.primitives.asymmetric import ec

    pem = pem_of(ec.generate_private_key(ec.SECP256R1()))
    key = {**json.loads(account_key("http://127.0.0.1/token")), "private_key": pem}
    file = tmp_path / "key.json"
    file.write_text(json.dumps(key), "utf-8")
    client = AdManager(AdManagerSettings(service_account_key=Secret(f"file:{file}")))
    with pytest.raises(ConfigurationError, match="is not a service account's JSON key") as caught:
        client.get_order(GET)
    assert pem.splitlines()[1] not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("violations", [{"field": "a"}, ["a"], 5])
def test_details_of_another_shape_leave_the_message(
    wire: Wire, wired: AdManager, violations: object
) -> None:
    answer = google_error(400, "INVALID_ARGUMENT", "no", {"fieldViolations": violations})
    wire.reply(answer, 400)
    with pytest.raises(RequestRejectedError) as caught:
        wired.get_order(GET)
    assert (caught.value.code, caught.value.reason) == ("INVALID_ARGUMENT", "no")


def test_reasons_can_be_passed_on(wire: Wire, wired: AdManager) -> None:
    """Half of a surrogate pair cannot be written as UTF-8; JSON may hold it."""
    wire.reply(google_error(400, "BAD\ud800", "a\r\nb \udfff " + "x" * 5000), 400)
    with pytest.raises(RequestRejectedError) as caught:
        wired.get_order(GET)
    assert caught.value.code == "BAD?"
    assert caught.value.reason.startswith("a b ? xxx")
    assert len(caught.value.reason) < 2100


def test_missing_key_is_named_by_its_place(tmp_path: Path) -> None:
    client = AdManager(AdManagerSettings(service_account_key=Secret(f"file:{tmp_path}/none.json")))
    with pytest.raises(ConfigurationError, match=r"none\.json"):
        client.get_order(GET)


def test_netrc_takes_no_tokens_place(
    wire: Wire, wired: AdManager, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("default login somebody password else")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    wire.reply(ORDER)
    wired.get_order(GET)
    assert "Basic" not in wire.requests[-1][2].get("Authorization", "")
