"""Filters and statements mean what they say, whatever is in them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from google.ads import admanager_v1 as gam
from hypothesis import given
from hypothesis import strategies as st

from seil.sandbox.admanager.errors import AdManagerApiError
from seil.sandbox.admanager.rest import schema
from seil.sandbox.admanager.rest.filters import filter_test
from seil.sandbox.admanager.soap.pql import select

_ZONE = ZoneInfo("Australia/Sydney")
_ORDER = schema.descriptor_of(gam.Order)
_FIELDS = schema.filterable(gam.ListOrdersRequest)
_THING = {
    "name": "networks/1/orders/12",
    "orderId": "12",
    "displayName": "Big red shoes",
    "status": "APPROVED",
    "archived": False,
    "startTime": "2026-03-01T00:00:00Z",
    "secondaryTraffickers": ["networks/1/users/1", "networks/1/users/2"],
}


def _refusal(read: Callable[[], object]) -> AdManagerApiError | None:
    """Anything but an AdManagerApiError is a failure."""
    try:
        read()
    except AdManagerApiError as error:
        return error
    return None


def _passes(text: str) -> bool:
    return filter_test(text, _ORDER, _FIELDS)(_THING)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True),
        ("status = APPROVED", True),
        ('status = "APPROVED"', True),
        ("status != APPROVED", False),
        ("orderId = 12", True),
        ("orderId > 11 AND orderId <= 12", True),
        ("order_id = 12", True),
        ("orders.orderId = 12", True),
        ("archived = false", True),
        ("NOT archived = true", True),
        ("-archived = false", False),
        ('displayName = "Big*"', True),
        ('displayName : "red"', True),
        ('displayName = "red"', False),
        ('displayName = "Big ?ed shoes"', False),
        ('startTime > "2026-02-28T23:00:00-5:00"', False),
        ('startTime >= "2026-03-01T11:00:00+11:00"', True),
        ('secondaryTraffickers : "networks/1/users/2"', True),
        ("status = DRAFT OR status = APPROVED", True),
        ("status = (DRAFT OR APPROVED)", True),
        ("status = DRAFT AND orderId = 12 OR orderId = 13", False),
        ("(status = DRAFT AND orderId = 12) OR orderId = 12", True),
        ("orderId = 13 OR orderId = 12 AND status = APPROVED", True),
        ('notes = "x"', None),
        ('poNumber = "x"', False),
        ('name = "networks/1/orders/12"', True),
    ],
)
def test_filter_means_what_it_says(text: str, expected: bool | None) -> None:
    if expected is None:
        with pytest.raises(AdManagerApiError):
            _passes(text)
    else:
        assert _passes(text) is expected


@given(st.text(max_size=30))
def test_any_text_can_be_quoted_in_a_filter(text: str) -> None:
    thing = {**_THING, "poNumber": text}
    literal = '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    assert filter_test(f"poNumber = {literal}", _ORDER, _FIELDS)(thing)
    if "*" not in text:
        assert not filter_test(f"poNumber = {literal}", _ORDER, _FIELDS)(
            {**_THING, "poNumber": text + "x"}
        )


@given(st.text(alphabet='ab="()AND OR.*:\\-<>12', max_size=25))
def test_filter_is_read_or_refused(text: str) -> None:
    refusal = _refusal(lambda: _passes(text))
    assert refusal is None or refusal.status == "INVALID_ARGUMENT"


_COLUMNS: dict[str, Any] = {
    "id": lambda thing: thing["id"],
    "name": lambda thing: thing.get("name"),
    "isArchived": lambda thing: thing["isArchived"],
    "at": lambda thing: thing["at"],
}
_THINGS = [
    {"id": 1, "name": "One", "isArchived": False, "at": datetime(2026, 1, 1, tzinfo=UTC)},
    {"id": 2, "name": "It's two", "isArchived": True, "at": datetime(2026, 2, 1, tzinfo=UTC)},
    {"id": 3, "isArchived": False, "at": datetime(2026, 3, 1, tzinfo=UTC)},
]


def _ids(query: str, **values: Any) -> list[int]:
    entries = [{"key": name, "value": value} for name, value in values.items()]
    page = select({"query": query, "values": entries}, _THINGS, _COLUMNS, _ZONE)
    return [thing["id"] for thing in page.results]


def _value(kind: str, value: Any) -> dict[str, Any]:
    return {"_type": f"{kind}Value", "value": value}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [1, 2, 3]),
        ("WHERE id = 2", [2]),
        ("where ID in (1, 3) order by id desc", [3, 1]),
        ("WHERE id NOT IN (1, 3)", [2]),
        ("WHERE name = 'It''s two'", [2]),
        ("WHERE name LIKE 'it%'", [2]),
        ("WHERE name IS NULL", [3]),
        ("WHERE name IS NOT NULL AND NOT isArchived = true", [1]),
        ("WHERE isArchived = true OR id >= 3", [2, 3]),
        ("WHERE (isArchived = true OR id = 3) AND id < 3", [2]),
        ("WHERE at > '2026-01-15T00:00:00'", [2, 3]),
        ("LIMIT 2", [1, 2]),
        ("LIMIT 2 OFFSET 2", [3]),
        ("ORDER BY name ASC LIMIT 1", [3]),
    ],
)
def test_statement_means_what_it_says(query: str, expected: list[int]) -> None:
    assert _ids(query) == expected


def test_values_of_every_kind_are_bound() -> None:
    day = {"year": 2026, "month": 2, "day": 1}
    moment = {"date": day, "hour": 0, "minute": 0, "second": 0, "timeZoneId": "UTC"}
    numbers = {"_type": "SetValue", "values": [_value("Number", "1"), _value("Number", "2")]}
    assert _ids("WHERE id IN (:ids)", ids=numbers) == [1, 2]
    assert _ids("WHERE id = :id", id=_value("Text", "2")) == [2]
    assert _ids("WHERE isArchived = :is", **{"is": _value("Boolean", True)}) == [2]
    assert _ids("WHERE at = :at", at=_value("DateTime", moment)) == [2]
    assert _ids("WHERE at >= :day", day=_value("Date", day)) == [2, 3]


@pytest.mark.parametrize(
    "value", [_value("Number", "x"), _value("Text", "x"), _value("Boolean", True)]
)
def test_value_of_a_wrong_kind_is_refused_or_matches_nothing(value: dict[str, Any]) -> None:
    matches: list[int] = []
    refusal = _refusal(lambda: matches.extend(_ids("WHERE at = :value", value=value)))
    assert matches == []
    assert refusal is None or refusal.kind == "PublisherQueryLanguageContextError"


def test_date_that_no_calendar_has_is_refused() -> None:
    wrong = _value("Date", {"year": 2026, "month": 2, "day": 31})
    with pytest.raises(AdManagerApiError, match="bound date"):
        _ids("WHERE at = :day", day=wrong)


@given(st.text(max_size=30))
def test_bound_text_is_never_read_as_query(text: str) -> None:
    things = [{**_THINGS[0], "name": text}, {**_THINGS[1], "name": text + "x"}]
    given_value = {"key": "name", "value": _value("Text", text)}
    page = select({"query": "WHERE name = :name", "values": [given_value]}, things, _COLUMNS, _ZONE)
    assert [thing["id"] for thing in page.results] == [1]


@given(st.text(alphabet="idname =:()'ANDORLIMT129<>", max_size=25))
def test_statement_is_read_or_refused(text: str) -> None:
    refusal = _refusal(lambda: _ids(text))
    assert refusal is None or refusal.status == "INVALID_ARGUMENT"


def test_what_is_nested_too_deeply_is_refused() -> None:
    deep = "NOT " * 3000
    refused = _refusal(lambda: filter_test(f"{deep}archived = true", _ORDER, _FIELDS))
    assert refused is not None
    assert refused.status == "INVALID_ARGUMENT"
    refused = _refusal(lambda: _ids(f"WHERE {deep}id = 1"))
    assert refused is not None
    assert refused.reason == "UNPARSABLE"
