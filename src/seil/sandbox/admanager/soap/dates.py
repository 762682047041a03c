"""SOAP's DateTime: https://developers.google.com/ad-manager/api/reference/v202608/ProposalService.DateTime."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from seil.sandbox.admanager.errors import invalid, rejection, required_error
from seil.time_zones import is_time_zone


def from_soap(value: Mapping[str, Any], field: str) -> datetime:
    """Raises AdManagerApiError for an invalid date or an unknown time zone."""
    day = value.get("date")
    if not day or not value.get("timeZoneId"):
        raise required_error(f"{field}.{'timeZoneId' if day else 'date'}")
    zone = _zone(value["timeZoneId"], f"{field}.timeZoneId")
    try:
        return datetime(
            day.get("year", 0),
            day.get("month", 0),
            day.get("day", 0),
            value.get("hour", 0),
            value.get("minute", 0),
            value.get("second", 0),
            tzinfo=zone,
        )
    except ValueError as error:
        raise invalid(f"{field}: {error}", field=field) from error


def _zone(name: str, field: str) -> ZoneInfo:
    if is_time_zone(name):
        return ZoneInfo(name)
    message = f"{name!r} is no time zone"
    raise rejection("TimeZoneError", "INVALID_TIMEZONE_ID", message, field=field, trigger=name)


def to_soap(when: datetime, zone: ZoneInfo) -> dict[str, Any]:
    local = when.astimezone(zone)
    return {
        "date": {"year": local.year, "month": local.month, "day": local.day},
        "hour": local.hour,
        "minute": local.minute,
        "second": local.second,
        "timeZoneId": zone.key,
    }
