from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seil.sandbox.salesforce import soql
from seil.sandbox.salesforce.dates import literal_range
from seil.sandbox.salesforce.errors import OrgApiError


def test_parse_keeps_names_values_and_order() -> None:
    query = soql.parse(
        "select Id, Account.Name from Order o where o.Amount >= -1.5 and Status != 'x'"
        " order by Id desc nulls last limit 5 offset 2 all rows"
    )
    assert [field.path for field in query.select if isinstance(field, soql.FieldPath)] == [
        ("Id",),
        ("Account", "Name"),
    ]
    assert (query.object, query.alias, query.limit, query.offset) == ("Order", "o", 5, 2)
    assert query.all_rows
    assert query.order[0].descending
    assert not query.order[0].nulls_first
    assert isinstance(query.where, soql.AllOf)


def test_parse_takes_offset_before_limit() -> None:
    query = soql.parse("SELECT Id FROM Account OFFSET 1999 LIMIT 1")
    assert (query.offset, query.limit) == (1999, 1)


@pytest.mark.parametrize(
    "text",
    [
        "SELECT Id FROM Order ORDER BY Id",
        "SELECT Id FROM Group GROUP BY Id",
        "SELECT Android__c, Order FROM X WHERE Not__c = TRUE AND Inc__c IN ('a') LIMIT 1",
        "SELECT Id FROM X WHERE Like__c LIKE '%a' OR NOT (In__c NOT IN ('b', null))",
        "SELECT Id FROM X USING SCOPE everything WHERE A = 1 WITH SECURITY_ENFORCED FOR VIEW",
        "SELECT COUNT() FROM X",
        "SELECT Id\n FROM X\n WHERE T = 12:00:00.000Z AND D = LAST_N_DAYS:3",
    ],
)
def test_parse_accepts(text: str) -> None:
    assert soql.parse(text).text == text


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("SELECT Id FRM X", "ERROR at Row:1:Column:15\nunexpected token: 'X'"),
        ("SELECT Id FROM X WHERE", "unexpected token: '<EOF>'"),
        ("SELECT Id FROM X WHERE A = 1 AND B = 2 OR C = 3", "unexpected token: 'OR'"),
        ("SELECT Id FROM X WHERE A = 'O'Brien'", "unexpected token: 'Brien'"),
        ("SELECT Id FROM X WHERE A = #", "no viable alternative at character '#'"),
        ("SELECT Id\nFROM X WHERE A = '\\q'", "ERROR at Row:2:Column:19\nIllegal string escape"),
        ("SELECT Id FROM X WHERE D > 2024-01-01T00:00:00 00:00", "unexpected token"),
        ("", "unexpected token"),
    ],
)
def test_parse_points_at_what_is_wrong(text: str, words: str) -> None:
    with pytest.raises(OrgApiError) as refused:
        soql.parse(text)
    assert (refused.value.status, refused.value.code) == (400, "MALFORMED_QUERY")
    assert words in refused.value.message


@given(st.text())
def test_quote_round_trips_any_text(text: str) -> None:
    query = soql.parse(f"SELECT Id FROM X WHERE A = {soql.quote(text)}")
    assert isinstance(query.where, soql.Compare)
    assert soql.unescape(query.where.value.text) == text


@pytest.mark.parametrize(
    ("literal", "pattern"),
    [
        ("a%b_c", "a%b_c"),
        (r"100\%", r"100\%"),
        (r"a\_b", r"a\_b"),
        (r"back\\slash", r"back\\slash"),
        (r"tab\tquote\'", "tab\tquote'"),
        (r"\u0025", r"\%"),
    ],
)
def test_like_pattern_keeps_escaped_wildcards(literal: str, pattern: str) -> None:
    assert soql.like_pattern(literal) == pattern


@pytest.mark.parametrize(
    ("literal", "expected"),
    [
        ("TODAY", ("2026-11-23", "2026-11-24")),
        ("yesterday", ("2026-11-22", "2026-11-23")),
        ("TOMORROW", ("2026-11-24", "2026-11-25")),
        ("LAST_WEEK", ("2026-11-15", "2026-11-22")),
        ("THIS_WEEK", ("2026-11-22", "2026-11-29")),
        ("NEXT_MONTH", ("2026-12-01", "2027-01-01")),
        ("THIS_MONTH", ("2026-11-01", "2026-12-01")),
        ("LAST_QUARTER", ("2026-07-01", "2026-10-01")),
        ("THIS_FISCAL_QUARTER", ("2026-10-01", "2027-01-01")),
        ("NEXT_YEAR", ("2027-01-01", "2028-01-01")),
        ("LAST_90_DAYS", ("2026-08-25", "2026-11-24")),
        ("NEXT_90_DAYS", ("2026-11-24", "2027-02-22")),
        ("LAST_N_DAYS:3", ("2026-11-20", "2026-11-24")),
        ("NEXT_N_DAYS:2", ("2026-11-24", "2026-11-26")),
        ("LAST_N_MONTHS:11", ("2025-12-01", "2026-11-01")),
        ("NEXT_N_FISCAL_QUARTERS:1", ("2027-01-01", "2027-04-01")),
        ("N_DAYS_AGO:1", ("2026-11-22", "2026-11-23")),
        ("N_YEARS_AGO:2", ("2024-01-01", "2025-01-01")),
        ("THIS_DAY", None),
        ("NEVER", None),
    ],
)
def test_literal_range(literal: str, expected: Any) -> None:
    days = literal_range(literal, date(2026, 11, 23))
    assert (days and tuple(day.isoformat() for day in days)) == expected
