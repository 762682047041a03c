"""SOAP's DateTime: https://developers.google.com/ad-manager/api/reference/v202608/ProposalService.DateTime."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from seil.sandbox.admanager.errors import invalid, required


def from_soap(given: Mapping[str, Any], field: str) -> datetime:
    """Raises ApiError for a date that no calendar has, or a zone that nobody knows."""
    day = given.get("date")
    if not day or not given.get("timeZoneId"):
        raise required(f"{field}.{'timeZoneId' if day else 'date'}")
    try:
        zone = ZoneInfo(given["timeZoneId"])
        return datetime(
            day.get("year", 0),
            day.get("month", 0),
            day.get("day", 0),
            given.get("hour", 0),
            given.get("minute", 0),
            given.get("second", 0),
            tzinfo=zone,
        )
    except (ValueError, ZoneInfoNotFoundError) as error:
        raise invalid(f"{field}: {error}", field=field) from error


def to_soap(when: datetime, zone: ZoneInfo) -> dict[str, Any]:
    local = when.astimezone(zone)
    return {
        "date": {"year": local.year, "month": local.month, "day": local.day},
        "hour": local.hour,
        "minute": local.minute,
        "second": local.second,
        "timeZoneId": zone.key,
    }
