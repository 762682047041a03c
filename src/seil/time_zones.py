"""Time zones by IANA name, and local times that a clock change skips or repeats."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo

# POSIX names that IANA keeps as zones, with the zone that ECMA-402 maps them to. Factory is the
# default of an unconfigured machine.
_POSIX_ZONES = {
    "CST6CDT": "America/Chicago",
    "EST5EDT": "America/New_York",
    "MST7MDT": "America/Denver",
    "PST8PDT": "America/Los_Angeles",
    "Factory": "Etc/UTC",
    "UTC": "UTC",
}


@cache
def _zones() -> Mapping[str, str]:
    """IANA's names, each with the canonical one.

    A link that zone.tab lists for a country, such as Europe/Oslo, is canonical itself:
    https://tc39.es/ecma402/#sec-use-of-iana-time-zone-database.
    """
    data = files("tzdata.zoneinfo")
    table = (data / "zone.tab").read_text("utf-8").splitlines()
    own = {line.split("\t")[2] for line in table if not line.startswith("#")}
    zones: dict[str, str] = {}
    for line in (data / "tzdata.zi").read_text("utf-8").splitlines():
        match line.split():
            case ["Z", name, *_]:
                zones[name] = name
            case ["L", target, name]:
                zones[name] = name if name in own else target
    return zones | _POSIX_ZONES


@cache
def _spellings() -> Mapping[str, str]:
    return {name.lower(): name for name in _zones()}


def is_time_zone(name: str) -> bool:
    return name in _zones()


def canonical_name(name: str) -> str | None:
    """IANA's canonical name of the zone; None if there is no such zone."""
    return _zones().get(name)


def canonical_zone(name: str) -> str:
    """Returns the name. Raises ValueError with the canonical name if it is not canonical.

    Unlike `time_zone` it does not search for similar names, which is slow: callers of the API
    reach it.
    """
    zones = _zones()
    canonical = zones.get(name) or zones.get(_spellings().get(name.lower(), ""))
    if canonical == name:
        return name
    cure = canonical or "one, such as Australia/Sydney"
    raise ValueError(f"{name!r} is not IANA's canonical name of a time zone; give {cure}")


def time_zone(name: str) -> str:
    """Returns the name. Raises ValueError with similar names if there is no such zone."""
    if is_time_zone(name):
        return name
    zones = sorted(set(_zones().values()))
    by_city = {zone.rpartition("/")[2].lower(): zone for zone in zones}
    near = get_close_matches(name, zones, 2, 0.6)
    last_part = name.rpartition("/")[2].strip().replace(" ", "_").lower()
    near = near or [by_city[city] for city in get_close_matches(last_part, by_city, 2, 0.7)]
    cure = f"did you mean {' or '.join(near)}?" if near else "give its IANA name: Australia/Sydney"
    raise ValueError(f"{name!r} is no time zone; {cure}")


def check_clock(local: datetime, zone: str) -> None:
    """Raises ValueError, with both readings, for a local time that the zone skips or repeats.

    They differ in their fold (PEP 495).
    """
    first = local.replace(tzinfo=ZoneInfo(zone), fold=0)
    second = first.replace(fold=1)
    before, after = first.utcoffset(), second.utcoffset()
    if before is None or after is None or before == after:
        return
    how = "is skipped" if before < after else "occurs twice"
    readings = " or ".join(_reading(moment) for moment in sorted((first, second), key=_moment))
    raise ValueError(f"{local:%H:%M:%S} {how} on that day in {zone}: give {readings}")


def _moment(local: datetime) -> datetime:
    return local.astimezone(UTC)


def _reading(local: datetime) -> str:
    """2030-10-06T03:30:00+11:00 (2030-10-05T16:30:00 in Etc/UTC)."""
    moment = _moment(local)
    clock = moment.astimezone(local.tzinfo)
    return f"{clock.isoformat()} ({moment.replace(tzinfo=None).isoformat()} in Etc/UTC)"
