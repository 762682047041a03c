from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seil.errors import RequestRejectedError, UnexpectedAnswerError
from seil.techone.answers import credit_of, mask_secret, rate_of, trailing_number, transient_error

ROW = {
    "MAJOR_CCY_CODE": "AUD",
    "TRANS_CCY_CODE": "USD",
    "START_DATEI": "2026-11-01",
    "END_DATEI": "2026-11-30",
    "EXCH_RATE_AMT": 0.6512,
}
MESSAGE = {"Code": "C", "NotificationType": "Information", "Message": "left=1597.14"}


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("Remaining credit limit for debtor C100=1597.14", 1597.14),
        ("=-3", -3.0),
        ("=0", 0.0),
        ("=-0.00", 0.0),
        ("=007.50", 7.5),
        ("a=1=2", 2.0),
        ("limit = 12.5 \r\n", 12.5),
        ("=1,597.14", 1597.14),
        ("=-1,234,597.14", -1234597.14),
        ("=999999999999.99", 999999999999.99),
    ],
)
def test_numbers_at_the_end(text: str, number: float) -> None:
    parsed = trailing_number(text)
    assert parsed == number
    assert str(parsed)[0] != "-" or number < 0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1597.14",
        "=",
        "=1e3",
        "=1E400",
        "=1,597",
        "=1597,14",
        "=15,97.14",
        "=1,5971.4",
        "=1.597,14",
        "=.5",
        "=5.",
        "=+5",
        "=5-",
        "=(5)",
        "=--5",
        "=- 5",
        "=0x10",
        "=$5",
        "=5 AUD",
        "=1597.14 (as of today)",
        "=1_000",
        "=NaN",
        "=Infinity",
        "=\uff11\uff12",
        "=1 000.00",
        "=123456789012345.678901",
        "=" + "9" * 400,
    ],
)
def test_what_is_no_number(text: str) -> None:
    assert trailing_number(text) is None


@given(
    cents=st.integers(-(10**13), 10**13),
    grouped=st.booleans(),
    before=st.text().filter(lambda text: "\x00" not in text),
)
def test_every_amount_is_read_exactly(cents: int, grouped: bool, before: str) -> None:
    amount = Decimal(cents) / 100
    text = f"{amount:,.2f}" if grouped else f"{amount:.2f}"
    number = trailing_number(f"{before}={text}")
    assert number is not None
    assert Decimal(repr(number)) == amount


@given(st.text(alphabet="0123456789.,-+eE= _x", max_size=12))
def test_a_number_is_the_one_that_stands_there_or_none(text: str) -> None:
    number = trailing_number(f"={text}")
    plain = text.rpartition("=")[2].strip()
    if number is not None:
        assert Decimal(repr(number)) == Decimal(plain.replace(",", ""))
        assert not re.search(r"[eE+_x]", plain)


def test_the_rate_is_given_as_it_stands() -> None:
    assert rate_of({"DataSet": [{**ROW, "OTHER": 1}]}).model_dump() == {
        name.lower(): value for name, value in ROW.items()
    }


def test_a_rate_whose_numbers_and_texts_are_swapped() -> None:
    rate = rate_of({"DataSet": [{**ROW, "START_DATEI": 20261101, "EXCH_RATE_AMT": "0.6512"}]})
    assert (rate.start_datei, rate.exch_rate_amt) == ("20261101", 0.6512)


_NO_AMOUNTS: tuple[object, ...] = (
    *(True, 0, -0.65, "a", "nan", float("inf"), float("nan"), [], {}, 10**400),
    *("1_000", "1_0.5", " 0.65", "0.65\n", "0,65", "1,000.5", "1e3", "+1", "-1", "0", "9" * 10),
)


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        ({}, "it has no DataSet"),
        ({"DataSet": None}, "it has no DataSet"),
        ({"DataSet": {}}, "it has no DataSet"),
        ({"DataSet": []}, "DataSet has 0 rows, not one"),
        ({"DataSet": [ROW, ROW]}, "DataSet has 2 rows, not one"),
        ({"DataSet": [1]}, "the rate is not an object"),
        ({"DataSet": [{}]}, "the rate has no MAJOR_CCY_CODE, TRANS_CCY_CODE, START_DATEI"),
        ({"DataSet": [{**ROW, "END_DATEI": None}]}, "the rate has no END_DATEI"),
        ({"DataSet": [{**ROW, "END_DATEI": ""}]}, "the rate has no END_DATEI"),
        ({"DataSet": [{**ROW, "MAJOR_CCY_CODE": " "}]}, "the rate has no MAJOR_CCY_CODE"),
        ({"DataSet": [{**ROW, "START_DATEI": True}]}, "START_DATEI cannot be read"),
        *(
            ({"DataSet": [{**ROW, "TRANS_CCY_CODE": code}]}, "the rate is not between AUD and USD")
            for code in ("NZD", "AUD", "usd", 1, ["USD"])
        ),
        *(
            ({"DataSet": [{**ROW, "EXCH_RATE_AMT": amount}]}, "EXCH_RATE_AMT cannot be read")
            for amount in _NO_AMOUNTS
        ),
    ],
)
def test_rates_of_another_shape(document: dict[str, Any], reason: str) -> None:
    with pytest.raises(UnexpectedAnswerError) as caught:
        rate_of(document)
    assert caught.value.reason.startswith(reason)


@pytest.mark.parametrize(
    ("messages", "reason"),
    [
        (None, "it has no Messages"),
        ({}, "it has no Messages"),
        ([], "it has no Messages"),
        ([1], "a message is not an object"),
        ([{}], "a message has no Code, NotificationType, Message"),
        ([{**MESSAGE, "Message": None}], "a message has no Message"),
        ([{**MESSAGE, "Message": "left=a lot"}], "its message does not end in =<number>"),
        ([{**MESSAGE, "NotificationType": "Warning", "Message": "x"}], "its message does not"),
        ([MESSAGE, MESSAGE], "2 messages end in =<number>, not one"),
    ],
)
def test_credits_of_another_shape(messages: object, reason: str) -> None:
    with pytest.raises(UnexpectedAnswerError) as caught:
        credit_of({"Messages": messages}, "D10042", "")
    assert caught.value.reason.startswith(reason)


def test_the_message_with_the_number_counts() -> None:
    other = {**MESSAGE, "Code": "W", "Message": "Some debts are overdue"}
    credit = credit_of({"Messages": [other, {**MESSAGE, "Code": 7}]}, "D10042", "")
    assert (credit.code, credit.remaining_credit_limit) == ("7", 1597.14)


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("Debtor X does not exist", 404),
        ("No such debtor", 404),
        ("Debtor could not be found", 404),
        ("The ledger is closed", 400),
        ("", 400),
    ],
)
def test_errors_of_the_function(text: str, status: int) -> None:
    message = {**MESSAGE, "NotificationType": "ERROR", "Message": text}
    with pytest.raises(RequestRejectedError) as caught:
        credit_of({"Messages": [message]}, "X", "")
    assert caught.value.status == status
    assert (text or "no reason given") in caught.value.reason


@pytest.mark.parametrize(
    ("text", "status"),
    [("There is no such debtor: number=10042", 404), ("The ledger is closed, code=7", 400)],
)
def test_an_errors_number_is_no_credit(text: str, status: int) -> None:
    error = {**MESSAGE, "NotificationType": "Error", "Message": text}
    for messages in ([error], [MESSAGE, error]):
        with pytest.raises(RequestRejectedError) as caught:
            credit_of({"Messages": messages}, "10042", "")
        assert caught.value.status == status


def test_a_far_ends_words_are_kept_short() -> None:
    assert mask_secret("a\r\n\tb", "") == "a b"
    assert mask_secret(None, "x") == "no reason given"
    assert mask_secret("it is pass word", "pass word") == "it is ****"
    assert len(mask_secret("x" * 5000, "")) < 310


@pytest.mark.parametrize(
    ("header", "low", "high"),
    [
        ("0", 0, 0),
        ("17", 17, 17),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0),
        ("Wed, 21 Oct 2015 07:28:00 -0000", 0, 0),
    ],
)
def test_retry_after(header: str, low: float, high: float) -> None:
    error = transient_error(httpx.Response(503, headers={"Retry-After": header}))
    assert error is not None
    assert error.retry_after is not None
    assert low <= error.retry_after <= high


def test_retry_after_as_a_date() -> None:
    # Made here, not when tests are collected: a slow run takes longer than ten minutes.
    header = format_datetime(datetime.now(UTC) + timedelta(hours=1))
    error = transient_error(httpx.Response(503, headers={"Retry-After": header}))
    assert error is not None
    assert error.retry_after is not None
    assert 3000 <= error.retry_after <= 3600


@pytest.mark.parametrize("header", ["", "soon", "-1", "1e3", "inf"])
def test_retry_after_without_a_meaning(header: str) -> None:
    error = transient_error(httpx.Response(429, headers={"Retry-After": header}))
    assert error is not None
    assert error.retry_after is None
