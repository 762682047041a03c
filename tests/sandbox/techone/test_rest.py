from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.sandbox.techone.conftest import Http, logged_in

from seil.sandbox.techone.options import DEBTORS, TechOneOptions
from seil.sandbox.techone.server import TechOneServer


def credit_request(debtor: Any, **changed: Any) -> dict[str, Any]:
    return {
        "IgnoreOverride": False,
        "System": "DEFAULT",
        "Name": "DEBTOR_REMAINING_CREDIT",
        "Data": {"Variables": {"DebtorNumber": debtor}},
        **changed,
    }


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in credit_request("D10042").items() if key != name}


def test_the_rate_is_the_months(tmp_path: Path) -> None:
    now = datetime(2028, 2, 3, 23, 59, tzinfo=UTC)
    with TechOneServer(tmp_path, options=TechOneOptions(now=lambda: now)) as server:
        answer = logged_in(server).rate()
        now = datetime(2028, 3, 1, tzinfo=UTC)
        later = logged_in(server).rate()
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert answer.json() == {
        "DataSet": [
            {
                "MAJOR_CCY_CODE": "AUD",
                "TRANS_CCY_CODE": "USD",
                "START_DATEI": "2028-02-01T00:00:00",
                "END_DATEI": "2028-02-29T00:00:00",
                "EXCH_RATE_AMT": 0.6468,
            }
        ]
    }
    assert later.json()["DataSet"][0]["EXCH_RATE_AMT"] != 0.6468


def test_the_credit_of_every_seeded_debtor(http: Http) -> None:
    for debtor, credit in DEBTORS.items():
        answer = http.credit(credit_request(debtor))
        assert answer.status_code == 200
        [message] = answer.json()["Messages"]
        assert message.keys() == {"Code", "NotificationType", "Message"}
        assert message["NotificationType"] == "Information"
        assert message["Message"].endswith(f"={credit}")
    assert DEBTORS["D10042"] == "1597.14"


def test_an_unknown_debtor_is_an_error_without_a_number(http: Http) -> None:
    [message] = http.credit(credit_request("NOBODY")).json()["Messages"]
    assert message["NotificationType"] == "Error"
    assert "=" not in message["Message"]


def test_a_credit_can_be_set(http: Http) -> None:
    debtors = http.control("POST", "debtors", json={"NEW1": "-0.05", "NEW2": "12"})
    assert debtors.json()["NEW1"] == "-0.05"
    assert http.credit(credit_request("NEW1")).json()["Messages"][0]["Message"].endswith("=-0.05")
    assert http.control("GET", "debtors").json() == debtors.json()


@pytest.mark.parametrize("credit", [12, "a lot", "NaN", "", None])
def test_a_credit_that_is_none(http: Http, credit: Any) -> None:
    answer = http.control("POST", "debtors", json={"NEW3": credit})
    assert (answer.status_code, "NEW3" in answer.json()["Message"]) == (400, True)
    assert "NEW3" not in http.control("GET", "debtors").json()


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (without("IgnoreOverride"), "The body: IgnoreOverride is missing."),
        (without("Data"), "The body: Data is missing."),
        (credit_request("D10042", Extra=1), "The body: Extra is not known."),
        (credit_request("D10042", System="OTHER"), "System has to be DEFAULT."),
        (credit_request("D10042", IgnoreOverride=0), "IgnoreOverride has to be False."),
        (credit_request("D10042", Name="debtor_remaining_credit"), "Name has to be"),
        (credit_request("D10042", Data=[]), "Data has to be an object."),
        (credit_request("D10042", Data={"Variables": {}}), "Variables: DebtorNumber is missing."),
        (
            credit_request("D10042", Data={"Variables": {"DebtorNumber": "1", "x": 1}}),
            "x is not known",
        ),
        (credit_request(10042), "DebtorNumber has to be a text."),
        (credit_request(""), "DebtorNumber has to be a text."),
        ([], "not a JSON object"),
    ],
)
def test_bodies_of_another_shape(http: Http, body: Any, text: str) -> None:
    answer = http.credit(body)
    assert answer.status_code == 400
    assert text in answer.json()["Message"]


@pytest.mark.parametrize(
    "body",
    [b"[" * 100_000, b'{"Name": "\\ud800"}', b'{"Name": NaN}', b'"\xe9"'],
    ids=["deep", "half a pair", "nan", "latin"],
)
@pytest.mark.parametrize("path", ["/Api/RaaS/v1/Functions/Execute", "/sandbox/debtors"])
def test_a_body_that_is_no_json_of_the_standard(http: Http, path: str, body: bytes) -> None:
    answer = http.request("POST", path, content=body)
    assert answer.status_code == 400
    assert "not JSON" in answer.text


def test_a_body_that_is_not_json(http: Http) -> None:
    answer = http.request("POST", http.server.options.credit_path, content=b"{")
    assert (answer.status_code, answer.json()["Message"]) == (400, "The request body is not JSON.")


def test_other_methods_and_places(http: Http) -> None:
    assert http.request("POST", http.server.options.rate_path).headers["Allow"] == "GET"
    assert http.request("GET", http.server.options.credit_path).status_code == 405
    assert http.request("GET", "/oauth2/token").status_code == 405
    missing = http.request("GET", "/Api/Other")
    assert missing.status_code == 404
    assert "/Api/Other" in missing.json()["Message"]
    assert http.control("GET", "other").status_code == 404
