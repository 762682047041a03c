"""Whether a rate is today's."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from tests.techone.conftest import FarEnd

from seil.errors import RequestRejectedError, UnexpectedAnswerError
from seil.techone.client import TechOne
from seil.techone.models import Rate, RateRequest
from seil.techone.periods import check_holds

SYDNEY = ZoneInfo("Australia/Sydney")
ROW = {"MAJOR_CCY_CODE": "AUD", "TRANS_CCY_CODE": "USD", "EXCH_RATE_AMT": 0.65}
# The first of December in Sydney.
TURN = datetime(2026, 11, 30, 13, tzinfo=UTC)


def rate(start: str, end: str) -> Rate:
    values = {"start_datei": start, "end_datei": end}
    return Rate.model_validate({name.lower(): ROW[name] for name in ROW} | values)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("2026-11-01", "2026-11-30"),
        ("20261101", "20261130"),
        ("2026-11-30T00:00:00", "2026-11-30T00:00:00"),
        ("2026-11-01T00:00:00.0000000", "2026-11-30T23:59:59.9999999"),
        ("2026-11-30T00:00:00+11:00", "2026-11-29T13:00:00Z"),
        ("2020-01-01", "9999-12-31"),
    ],
)
def test_both_ends_are_days_that_it_holds(start: str, end: str) -> None:
    check_holds(rate(start, end), [date(2026, 11, 30)], SYDNEY)


@pytest.mark.parametrize(
    ("start", "end"),
    [("2026-10-01", "2026-11-29"), ("2026-12-01", "2026-12-31"), ("2026-11-30", "2026-11-01")],
    ids=["over", "ahead", "the wrong way round"],
)
def test_rate_of_another_day_is_not_found(start: str, end: str) -> None:
    reason = f"no rate for 2026-11-30 .Australia/Sydney.: .* is valid from {start} to {end}"
    with pytest.raises(RequestRejectedError, match=reason) as caught:
        check_holds(rate(start, end), [date(2026, 11, 30)], SYDNEY)
    assert caught.value.status == 404


@pytest.mark.parametrize("text", ["soon", "30/11/2026", "2026-11-31", "/Date(1467986400000)/"])
def test_day_that_cannot_be_read_is_unexpected(text: str) -> None:
    with pytest.raises(UnexpectedAnswerError, match="END_DATEI is not an ISO 8601 date"):
        check_holds(rate("2026-11-01", text), [date(2026, 11, 30)], SYDNEY)


@pytest.mark.parametrize(
    ("moment", "holds"),
    [(TURN.replace(hour=12, minute=59), True), (TURN, False)],
    ids=["last minute", "midnight in Sydney"],
)
def test_the_day_is_that_of_the_business(far_end: FarEnd, moment: datetime, holds: bool) -> None:
    row = {**ROW, "START_DATEI": "2026-11-01T00:00:00", "END_DATEI": "2026-11-30T00:00:00"}
    far_end.answer = (200, {"DataSet": [row]})
    with TechOne(far_end.settings(), now=lambda: moment) as client:
        if holds:
            assert client.rate(RateRequest()).exch_rate_amt == 0.65
        else:
            with pytest.raises(RequestRejectedError, match="no rate for 2026-12-01"):
                client.rate(RateRequest())


def test_rate_valid_at_the_request_is_returned(far_end: FarEnd) -> None:
    row = {**ROW, "START_DATEI": "2026-11-01T00:00:00", "END_DATEI": "2026-11-30T00:00:00"}
    far_end.answer = (200, {"DataSet": [row]})
    moments = iter([TURN.replace(hour=12, minute=59), TURN])
    with TechOne(far_end.settings(), now=lambda: next(moments)) as client:
        assert client.rate(RateRequest()).exch_rate_amt == 0.65
