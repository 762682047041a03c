"""The validity of an exchange rate."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from zoneinfo import ZoneInfo

from seil.errors import RequestRejectedError, UnexpectedAnswerError
from seil.techone.models import Rate
from seil.techone.wire import SERVICE

__all__ = ["check_holds"]


def check_holds(rate: Rate, days: Iterable[date], zone: ZoneInfo) -> None:
    """Raises RequestRejectedError (404) where the rate is valid on none of `days`.

    Start and end are inclusive. TechOne's dates have no zone and are the business's; one with a
    zone is converted to `zone`. Raises UnexpectedAnswerError where a date cannot be parsed.
    """
    start = _day(rate.start_datei, "START_DATEI", zone)
    end = _day(rate.end_datei, "END_DATEI", zone)
    days = tuple(days)
    if not any(start <= day <= end for day in days):
        reason = (
            f"there is no rate for {days[-1]} ({zone.key}): TechOne's is valid from {start}"
            f" to {end}"
        )
        raise RequestRejectedError(SERVICE, "NO_RATE", reason, status=404)


def _day(text: str, name: str, zone: ZoneInfo) -> date:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise UnexpectedAnswerError(SERVICE, f"{name} is not an ISO 8601 date") from error
    return (moment.astimezone(zone) if moment.tzinfo else moment).date()
