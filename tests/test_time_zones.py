from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from seil.time_zones import canonical_zone, check_clock, is_time_zone

CANONICAL = ["Australia/Sydney", "Europe/Oslo", "Asia/Kolkata", "Etc/UTC", "UTC", "Etc/GMT+10"]
LINKS = {
    "US/Eastern": "America/New_York",
    "EST5EDT": "America/New_York",
    "Australia/ACT": "Australia/Sydney",
    "Asia/Calcutta": "Asia/Kolkata",
    "Europe/Kiev": "Europe/Kyiv",
    "Zulu": "Etc/UTC",
    "australia/sydney": "Australia/Sydney",
    "EUROPE/OSLO": "Europe/Oslo",
}
NONE = ["", "../x", "localtime", "posixrules", "right/Europe/Oslo", "tzdata.zi", "Sydney", "+10:00"]


@pytest.mark.parametrize("name", CANONICAL)
def test_canonical_name_is_accepted(name: str) -> None:
    assert canonical_zone(name) == name


@pytest.mark.parametrize(("name", "canonical"), LINKS.items())
def test_other_name_is_refused_with_the_canonical_one(name: str, canonical: str) -> None:
    with pytest.raises(ValueError, match=f"give {canonical}$"):
        canonical_zone(name)


@pytest.mark.parametrize("name", NONE)
def test_what_names_no_zone_is_none(name: str) -> None:
    assert not is_time_zone(name)
    with pytest.raises(ValueError, match="give one, such as"):
        canonical_zone(name)


CLOCKS: list[Any] = [
    pytest.param(
        datetime(2030, 10, 6, 2, 30),  # noqa: DTZ001 - a clock's
        "02:30:00 is skipped on that day in Australia/Sydney:"
        " give 2030-10-06T01:30:00+10:00 (2030-10-05T15:30:00 in Etc/UTC)"
        " or 2030-10-06T03:30:00+11:00 (2030-10-05T16:30:00 in Etc/UTC)",
        id="spring",
    ),
    pytest.param(
        datetime(2030, 4, 7, 2, 30),  # noqa: DTZ001 - a clock's
        "02:30:00 occurs twice on that day in Australia/Sydney:"
        " give 2030-04-07T02:30:00+11:00 (2030-04-06T15:30:00 in Etc/UTC)"
        " or 2030-04-07T02:30:00+10:00 (2030-04-06T16:30:00 in Etc/UTC)",
        id="autumn",
    ),
]


@pytest.mark.parametrize(("local", "message"), CLOCKS)
def test_hour_that_a_clock_never_or_twice_shows_is_refused_with_both_readings(
    local: datetime, message: str
) -> None:
    with pytest.raises(ValueError, match="that day") as refusal:
        check_clock(local, "Australia/Sydney")
    assert str(refusal.value) == message


@pytest.mark.parametrize(
    ("local", "zone"),
    [
        (datetime(2030, 4, 7, 1, 59, 59), "Australia/Sydney"),  # noqa: DTZ001 - a clock's
        (datetime(2030, 4, 7, 3), "Australia/Sydney"),  # noqa: DTZ001
        (datetime(2030, 4, 7, 2, 30), "Etc/UTC"),  # noqa: DTZ001
        (datetime(1, 1, 1), "Australia/Sydney"),  # noqa: DTZ001
        (datetime(9999, 12, 31, 23, 59), "America/New_York"),  # noqa: DTZ001
    ],
)
def test_hour_that_a_clock_shows_once_is_accepted(local: datetime, zone: str) -> None:
    check_clock(local, zone)
