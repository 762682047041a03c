from __future__ import annotations

import base64
import json
import logging
import socket
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import Any
from urllib.parse import unquote

import pytest
from pydantic import ValidationError
from tests.limits import HELD, SOON, until
from tests.techone.conftest import SECRET, FarEnd, StandIn

from seil.deadline import deadline
from seil.errors import (
    ConfigurationError,
    LoginError,
    RequestRejectedError,
    SeilError,
    TooSlowError,
    UnavailableError,
    UnexpectedAnswerError,
)
from seil.observe.correlation import correlation
from seil.sandbox.techone.faults import KINDS
from seil.secret import Secret
from seil.settings import TechOneSettings
from seil.techone.client import TechOne
from seil.techone.models import CreditRequest, RateRequest

DEBTOR = CreditRequest(debtor_number="D10042")
RATE = RateRequest()


def test_rate_and_credit(stand_in: StandIn) -> None:
    with stand_in.client() as client:
        rate = client.rate(RATE)
        credit = client.credit(DEBTOR)
        assert client.credit(CreditRequest(debtor_number="N2000")).remaining_credit_limit == -3.5
    assert (rate.major_ccy_code, rate.trans_ccy_code) == ("AUD", "USD")
    assert rate.start_datei[8:] == "01T00:00:00"
    assert 0.6 < rate.exch_rate_amt < 0.7
    assert credit.model_dump() == {
        "code": "DEBTOR_REMAINING_CREDIT",
        "notification_type": "Information",
        "remaining_credit_limit": 1597.14,
    }


def test_unknown_debtor_is_not_found(stand_in: StandIn) -> None:
    with stand_in.client() as client, pytest.raises(RequestRejectedError) as caught:
        client.credit(CreditRequest(debtor_number="X999"))
    assert caught.value.status == 404
    assert caught.value.reason == "there is no debtor X999: Debtor X999 does not exist"


def test_fifty_threads_log_in_once(stand_in: StandIn) -> None:
    before = stand_in.logins
    start = threading.Barrier(50)

    def ask(_: int) -> float:
        start.wait()
        return client.rate(RATE).exch_rate_amt

    with stand_in.client() as client, ThreadPoolExecutor(50) as threads:
        rates = list(threads.map(ask, range(50)))
    assert len(set(rates)) == 1
    assert stand_in.logins == before + 1


def test_fifty_threads_with_an_ended_token_log_in_once(stand_in: StandIn) -> None:
    with stand_in.client() as client, ThreadPoolExecutor(50) as threads:
        client.rate(RATE)
        before = stand_in.logins
        stand_in.fault(end_tokens=True, times=1)
        start = threading.Barrier(50)

        def ask(_: int) -> float:
            start.wait()
            return client.credit(DEBTOR).remaining_credit_limit

        assert set(threads.map(ask, range(50))) == {1597.14}
    assert stand_in.logins == before + 1


def test_a_refused_token_makes_one_new_login(stand_in: StandIn) -> None:
    with stand_in.client() as client:
        client.rate(RATE)
        before = stand_in.logins
        stand_in.server.faults.add(*KINDS["token-refused"].faults)
        with pytest.raises(LoginError) as caught:
            client.rate(RATE)
    assert stand_in.logins == before + 1
    assert caught.value.code == "401"


@pytest.mark.parametrize("name", ["unavailable", "throttled", "internal", "login-unavailable"])
def test_passing_trouble_is_waited_out(stand_in: StandIn, name: str) -> None:
    quick = KINDS[name].faults[0].model_copy(update={"retry_after": "0"})
    stand_in.server.faults.add(quick)
    with stand_in.client() as client:
        assert client.credit(DEBTOR).remaining_credit_limit == 1597.14


def test_lasting_trouble_is_raised_after_the_attempts(stand_in: StandIn) -> None:
    stand_in.fault(status=503, retry_after="0")
    with stand_in.client(attempts=2) as client:
        before = stand_in.requests.get("GET /Api/RaaS/v1/Reports/AUDUSD", 0)
        with pytest.raises(UnavailableError) as caught:
            client.rate(RATE)
    assert stand_in.requests["GET /Api/RaaS/v1/Reports/AUDUSD"] == before + 2
    assert (caught.value.status, caught.value.retry_after) == (503, 0.0)


def test_a_retry_after_beyond_the_time_is_not_waited_for(stand_in: StandIn) -> None:
    stand_in.fault(status=429, retry_after=HELD)
    with stand_in.client() as client, pytest.raises(UnavailableError) as caught:
        client.rate(RATE)
    assert caught.value.retry_after == HELD


@pytest.mark.parametrize("reset", ["before", "after"])
def test_a_reset_connection_is_tried_again(stand_in: StandIn, reset: str) -> None:
    stand_in.fault(reset=reset, times=2)
    with stand_in.client() as client:
        assert client.credit(DEBTOR).remaining_credit_limit == 1597.14


def test_a_truncated_answer_is_retried(stand_in: StandIn) -> None:
    stand_in.fault(cut=20, times=1)
    with stand_in.client() as client:
        assert client.rate(RATE).major_ccy_code == "AUD"


@pytest.mark.parametrize("path", ["^/Api", "/oauth2/token"], ids=["answer", "login"])
def test_an_answer_that_is_held_back_is_given_up(stand_in: StandIn, path: str) -> None:
    stand_in.fault(path=path, delay=HELD)
    with (
        stand_in.client(seconds=0.4) as client,
        pytest.raises(TooSlowError, match=r"no answer within 0\.4 seconds"),
    ):
        client.rate(RATE)


def test_the_callers_deadline_counts(stand_in: StandIn) -> None:
    stand_in.fault(delay=HELD)
    with stand_in.client() as client, deadline(SOON), pytest.raises(TooSlowError):
        client.rate(RATE)


def test_nothing_is_sent_after_the_deadline(stand_in: StandIn) -> None:
    before = stand_in.requests
    with stand_in.client() as client, deadline(0), pytest.raises(TooSlowError):
        client.rate(RATE)
    assert stand_in.requests == before


def test_who_waits_for_anothers_login_keeps_its_own_deadline(stand_in: StandIn) -> None:
    stand_in.fault(path="/oauth2/token", delay=HELD)
    with stand_in.client() as client, ThreadPoolExecutor(1) as threads:
        first = threads.submit(client.rate, RATE)
        until(stand_in.is_struck)
        with deadline(SOON), pytest.raises(TooSlowError):
            client.rate(RATE)
        assert not first.done()
        stand_in.server.faults.clear()
        assert first.result().major_ccy_code == "AUD"


@pytest.mark.parametrize(
    "start", [b"X-Long: ", b"Content-Length: 99999\r\n\r\n"], ids=["head", "body"]
)
def test_an_answer_that_drips_is_given_up(start: bytes) -> None:
    """Each byte comes well within any limit on a single read, and none is the last."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        over = threading.Event()

        def drip() -> None:
            connection, _ = listening.accept()
            # The client hangs up, mostly before it is over.
            with connection, suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(b"HTTP/1.1 200 OK\r\n" + start)
                while not over.wait(0.05):
                    connection.sendall(b"x")

        thread = threading.Thread(target=drip)
        thread.start()
        settings = TechOneSettings(base_url=url, token_url=url, timeout=timedelta(seconds=SOON))
        with TechOne(settings) as client, pytest.raises(TooSlowError):
            client.rate(RATE)
        over.set()
        thread.join()


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
    settings = TechOneSettings(base_url=url, token_url=url, attempts=1)
    with TechOne(settings) as client, pytest.raises(UnavailableError) as caught:
        client.rate(RATE)
    assert not caught.value.reached


@pytest.mark.parametrize("url", ["nonsense", "http://[::1", "ftp://127.0.0.1/"])
def test_an_address_that_is_none_is_a_configuration_error(url: str) -> None:
    settings = TechOneSettings(base_url=url, token_url=url)
    with TechOne(settings) as client, pytest.raises(ConfigurationError, match="is not a URL"):
        client.rate(RATE)


def test_closing_ends_what_is_under_way(stand_in: StandIn) -> None:
    stand_in.fault(delay=HELD)
    client = stand_in.client(attempts=1)
    with ThreadPoolExecutor(1) as threads:
        call = threads.submit(client.rate, RATE)
        until(stand_in.is_struck)
        client.close()
        with pytest.raises(UnavailableError, match="closed"):
            call.result()
    client.close()
    with pytest.raises(RuntimeError, match="closed"):
        client.rate(RATE)


@pytest.mark.parametrize(
    ("name", "ask", "reason"),
    [
        ("no-rate", "rate", "DataSet has 0 rows, not one"),
        ("two-rates", "rate", "DataSet has 2 rows, not one"),
        ("rate-without-amount", "rate", "the rate has no EXCH_RATE_AMT"),
        ("wrong-shape", "rate", "it has no DataSet"),
        ("wrong-shape", "credit", "it has no Messages"),
        ("html-answer", "rate", "it is not JSON"),
        ("empty-answer", "credit", "it is not JSON"),
        ("credit-without-number", "credit", "its message does not end in =<number>"),
        ("login-html", "rate", "no access_token (200)"),
    ],
)
def test_wrong_shapes_say_what_is_wrong(
    stand_in: StandIn, name: str, ask: str, reason: str
) -> None:
    stand_in.server.faults.add(*KINDS[name].faults)
    with stand_in.client() as client, pytest.raises(UnexpectedAnswerError) as caught:
        client.rate(RATE) if ask == "rate" else client.credit(DEBTOR)
    assert caught.value.reason == reason


def test_an_error_of_the_function_is_a_rejection(stand_in: StandIn) -> None:
    stand_in.server.faults.add(*KINDS["credit-refused"].faults)
    with stand_in.client() as client, pytest.raises(RequestRejectedError) as caught:
        client.credit(DEBTOR)
    assert caught.value.status == 400
    assert caught.value.reason == "Function DEBTOR_REMAINING_CREDIT is locked"


def test_a_report_that_is_not_there(stand_in: StandIn) -> None:
    with (
        stand_in.client(rate_path="/Api/Other") as client,
        pytest.raises(UnexpectedAnswerError, match="there is no /Api/Other"),
    ):
        client.rate(RATE)


def test_a_wrong_secret_is_a_login_error(stand_in: StandIn) -> None:
    with (
        stand_in.client(client_secret=Secret("plain:wrong")) as client,
        pytest.raises(LoginError, match=r"invalid_client.*client_id and client_secret") as caught,
    ):
        client.rate(RATE)
    assert "Salesforce" not in str(caught.value)


@pytest.mark.parametrize("status", [401, 403])
def test_a_password_in_an_address_is_masked_everywhere(far_end: FarEnd, status: int) -> None:
    """The settings refuse such an address; the client masks one all the same."""
    url = far_end.url.replace("//", "//me:hidden@")
    far_end.answer = (status, {})
    for token_url in (f"{far_end.url}/oauth2/token", f"{url}/oauth2/token"):
        settings = TechOneSettings().model_copy(update={"base_url": url, "token_url": token_url})
        with TechOne(settings) as client, pytest.raises(LoginError) as caught:
            client.rate(RATE)
        assert "hidden" not in str(caught.value)
        far_end.token = (401, {})


@pytest.mark.parametrize(
    "number", ["", "D1", "D1234567890", 'D1","x":1', "D10042\n", "D 100", "D\uff110", "Dé00"]
)
def test_debtor_numbers_that_are_none(number: str) -> None:
    with pytest.raises(ValidationError):
        CreditRequest(debtor_number=number)


@pytest.mark.parametrize("number", ['D","Name":"OTHER', "D\\", "D\u2028\n", "{{D}}"])
def test_debtor_numbers_stay_inside_their_text(
    far_end: FarEnd, wired: TechOne, number: str
) -> None:
    far_end.answer = (200, {"Messages": [{"Code": "", "NotificationType": "", "Message": "=1"}]})
    wired.credit(CreditRequest.model_construct(debtor_number=number))
    assert json.loads(far_end.sent[-1][2]) == {
        "IgnoreOverride": False,
        "System": "DEFAULT",
        "Name": "DEBTOR_REMAINING_CREDIT",
        "Data": {"Variables": {"DebtorNumber": number}},
    }


def test_what_is_sent(far_end: FarEnd, secretive: TechOne) -> None:
    far_end.answer = (400, {})
    with correlation("6f6a0e9e-3f1c-4c9b-8a51-b3f4d0a6d1c2"), pytest.raises(RequestRejectedError):
        secretive.rate(RATE)
    (_, login, form), (path, query, _) = far_end.sent
    client, secret = base64.b64decode(login["Authorization"][6:]).decode().split(":")
    assert (unquote(client), unquote(secret)) == ("seil-sandbox", SECRET)
    assert form == b"grant_type=client_credentials"
    assert path == "/Api/RaaS/v1/Reports/AUDUSD"
    assert query["Authorization"] == "Bearer t0ken-value"
    for headers in (login, query):
        assert headers["X-Correlation-Id"] == "6f6a0e9e-3f1c-4c9b-8a51-b3f4d0a6d1c2"


_ECHO = f"t0ken-value {SECRET}"
_TOKEN = {"access_token": "t0ken-value"}


@pytest.mark.parametrize(
    ("token", "answer"),
    [
        ((200, _TOKEN), (200, {"DataSet": [{"EXCH_RATE_AMT": _ECHO}]})),
        ((200, _TOKEN), (400, {"Message": f"bad t0ken-value\n{'x' * 1000}"})),
        ((200, _TOKEN), (200, b"<html>t0ken-value")),
        ((200, _TOKEN), (401, {"Message": _ECHO})),
        ((200, _TOKEN), (503, {"Message": _ECHO})),
        ((401, {"error": SECRET, "error_description": f"not {SECRET}"}), (200, {})),
        ((200, {"access_token": "t0ken-value\r\n"}), (200, {})),
        ((200, {**_TOKEN, "expires_in": SECRET}), (200, {})),
    ],
)
def test_secrets_are_masked_everywhere(
    far_end: FarEnd,
    secretive: TechOne,
    token: tuple[int, Any],
    answer: tuple[int, Any],
    caplog: pytest.LogCaptureFixture,
) -> None:
    far_end.token, far_end.answer = token, answer
    with caplog.at_level(logging.DEBUG), pytest.raises(SeilError) as caught:
        secretive.rate(RATE)
    error = caught.value
    trace = "".join(traceback.format_exception(error))
    for text in (caplog.text, trace, repr(error), repr(vars(error)), repr(secretive)):
        assert SECRET not in text
        assert "t0ken-value" not in text
    assert len(str(error)) < 500


def test_every_exchange_is_logged_once(stand_in: StandIn, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "seil"), stand_in.client() as client:
        client.rate(RATE)
    lines = [r.getMessage().rpartition(" in ")[0] for r in caplog.records if "wire" in r.name]
    assert lines == [
        "POST /oauth2/token answered 200",
        "GET /Api/RaaS/v1/Reports/AUDUSD answered 200",
    ]


@pytest.mark.parametrize(
    ("status", "content", "error", "text"),
    [
        (302, b"", UnexpectedAnswerError, "its status is 302"),
        (204, b"", UnexpectedAnswerError, "its status is 204"),
        (505, b"", UnexpectedAnswerError, "its status is 505"),
        (200, [1], UnexpectedAnswerError, "it is not a JSON object"),
        (200, b"[" * 100_000, UnexpectedAnswerError, "it is not JSON"),
        (200, b"\xff", UnexpectedAnswerError, "it is not JSON"),
        (200, b'{"Messages": "\\ud800"}', UnexpectedAnswerError, "it is not JSON"),
        (200, b" " * (1 << 21), UnexpectedAnswerError, "over 1048576 bytes"),
        (400, {"Message": "DebtorNumber  is\nwrong"}, RequestRejectedError, "Number is wrong"),
        (422, b"<html>", RequestRejectedError, "422: Unprocessable"),
        (403, {}, LoginError, "it refuses a new token"),
        (408, b"", UnavailableError, "408"),
    ],
)
def test_answers_that_are_none(
    far_end: FarEnd,
    wired: TechOne,
    status: int,
    content: Any,
    error: type[SeilError],
    text: str,
) -> None:
    far_end.answer = (status, content)
    with pytest.raises(error, match=text.replace("(", r"\(")):
        wired.credit(DEBTOR)


@pytest.mark.parametrize("status", [400, 404, 422])
def test_a_refused_request_has_no_credit(far_end: FarEnd, wired: TechOne, status: int) -> None:
    message = {"Code": "C", "NotificationType": "Information", "Message": "Bad debtor number=77"}
    far_end.answer = (status, {"Messages": [message]})
    with pytest.raises(RequestRejectedError) as caught:
        wired.credit(DEBTOR)
    assert (caught.value.status, caught.value.reason) == (400, "Bad debtor number=77")


def test_a_missing_debtor_may_also_come_as_404(far_end: FarEnd, wired: TechOne) -> None:
    message = {"Code": "E1", "NotificationType": "Error", "Message": "Debtor not found"}
    far_end.answer = (404, {"Messages": [message]})
    with pytest.raises(RequestRejectedError) as caught:
        wired.credit(DEBTOR)
    assert (caught.value.status, caught.value.code) == (404, "E1")


def test_a_proxy_of_the_environment_is_used(
    far_end: FarEnd, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("no_proxy", "NO_PROXY", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", far_end.url)
    far_end.answer = far_end.token
    url = "http://techone.invalid"
    settings = TechOneSettings(base_url=url, token_url=f"{url}/oauth2/token", attempts=1)
    with TechOne(settings) as client, pytest.raises(UnexpectedAnswerError, match="no DataSet"):
        client.rate(RATE)
    assert [path for path, _, _ in far_end.sent] == [
        f"{url}/oauth2/token",
        f"{url}{settings.rate_path}",
    ]
