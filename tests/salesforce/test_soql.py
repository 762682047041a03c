from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from seil.errors import ObjectRejectedError
from seil.salesforce.soql import literal, queried_object, select, window_condition

SINCE = "SystemModstamp >= 2024-01-01T00:00:00.000Z"
START, END = datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 2, 3, 4, 5, 678999, tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "end", "where"),
    [
        (None, None, ""),
        (START, None, SINCE),
        (None, END, "SystemModstamp < 2024-01-02T03:04:05.678Z"),
        (START, END, f"{SINCE} AND SystemModstamp < 2024-01-02T03:04:05.678Z"),
    ],
)
def test_window_condition(start: datetime | None, end: datetime | None, where: str) -> None:
    assert window_condition("SystemModstamp", start, end) == where


def test_literal_is_in_utc() -> None:
    east = timezone(timedelta(hours=5, minutes=30))
    assert literal(datetime(2024, 1, 1, 5, 30, tzinfo=east)) == "2024-01-01T00:00:00.000Z"


def test_literal_needs_a_zone() -> None:
    with pytest.raises(ValueError, match="2024-01-01T00:00:00 has no time zone"):
        literal(START.replace(tzinfo=None))


def test_select_from_what_is_no_object() -> None:
    with pytest.raises(ObjectRejectedError, match="is not an API name"):
        select(["Id"], "Lead WHERE 1=1")


@pytest.mark.parametrize(
    ("soql", "name"),
    [("select Id from Lead where x = 1", "Lead"), ("SELECT\nId\nFROM\nA__c", "A__c"), ("?", "")],
)
def test_queried_object(soql: str, name: str) -> None:
    assert queried_object(soql) == name
