"""SOQL's date literals as ranges of days.

https://developer.salesforce.com/docs/atlas.en-us.soql_sosl.meta/soql_sosl/sforce_api_calls_soql_select_dateformats.htm
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date, timedelta

_SINGLE = {"YESTERDAY": -1, "TODAY": 0, "TOMORROW": 1}
_UNIT = r"(?:FISCAL_)?(DAY|WEEK|MONTH|QUARTER|YEAR)"
_RELATIVE = re.compile(rf"(LAST|THIS|NEXT)_{_UNIT}")
_NUMBERED = re.compile(rf"(LAST|NEXT)_N_{_UNIT}S:(\d+)")
_AGO = re.compile(rf"N_{_UNIT}S_AGO:(\d+)")
_NINETY = re.compile(r"(LAST|NEXT)_90_DAYS")


def literal_range(text: str, today: date) -> tuple[date, date] | None:
    """The days [first, last) of a literal such as LAST_N_DAYS:3; None when it is none.

    The fiscal year is the calendar year; weeks begin on Sunday, as in an org of locale en_US.
    """
    literal = text.upper()
    if literal in _SINGLE:
        first = today + timedelta(days=_SINGLE[literal])
        return first, first + timedelta(days=1)
    if match := _NINETY.fullmatch(literal):
        return _counted_range(match[1], "DAY", 90, today)
    if (match := _RELATIVE.fullmatch(literal)) and match[2] != "DAY":
        first = _start(match[2], today)
        step = {"LAST": -1, "THIS": 0, "NEXT": 1}[match[1]]
        return _shift(match[2], first, step), _shift(match[2], first, step + 1)
    if match := _NUMBERED.fullmatch(literal):
        return _counted_range(match[1], match[2], int(match[3]), today)
    if match := _AGO.fullmatch(literal):
        first = _start(match[1], today)
        return _shift(match[1], first, -int(match[2])), _shift(match[1], first, 1 - int(match[2]))
    return None


def _counted_range(direction: str, unit: str, count: int, today: date) -> tuple[date, date]:
    """LAST_N_DAYS includes the current day; longer units exclude the current one."""
    first = _start(unit, today)
    if direction == "NEXT":
        return _shift(unit, first, 1), _shift(unit, first, 1 + count)
    return _shift(unit, first, -count), _shift(unit, first, 1) if unit == "DAY" else first


def _start(unit: str, day: date) -> date:
    starts: dict[str, Callable[[], date]] = {
        "DAY": lambda: day,
        "WEEK": lambda: day - timedelta(days=day.isoweekday() % 7),
        "MONTH": lambda: day.replace(day=1),
        "QUARTER": lambda: day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1),
        "YEAR": lambda: day.replace(month=1, day=1),
    }
    return starts[unit]()


def _shift(unit: str, start: date, count: int) -> date:
    """`start` is the first day of its unit."""
    days = {"DAY": 1, "WEEK": 7}
    if unit in days:
        return start + timedelta(days=days[unit] * count)
    months = {"MONTH": 1, "QUARTER": 3, "YEAR": 12}[unit] * count
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    return date(year, month + 1, 1)
