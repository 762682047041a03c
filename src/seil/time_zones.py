"""Time zones by their IANA names."""

from __future__ import annotations

from difflib import get_close_matches
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones


def is_time_zone(name: str) -> bool:
    try:
        return bool(name) and bool(ZoneInfo(name).key)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        return False


def time_zone(name: str) -> str:
    """The name itself. Raises ValueError with the nearest names where there is no such zone."""
    if is_time_zone(name):
        return name
    zones = sorted(available_timezones())
    by_city = {zone.rpartition("/")[2].lower(): zone for zone in zones}
    near = get_close_matches(name, zones, 2, 0.6)
    wanted = name.rpartition("/")[2].strip().replace(" ", "_").lower()
    near = near or [by_city[city] for city in get_close_matches(wanted, by_city, 2, 0.7)]
    cure = f"did you mean {' or '.join(near)}?" if near else "give its IANA name: Australia/Sydney"
    raise ValueError(f"{name!r} is no time zone; {cure}")
