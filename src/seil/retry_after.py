"""Parses the Retry-After header."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

__all__ = ["retry_after"]

# Some servers send fractions; float() would also accept "inf" and "1e999".
_SECONDS = re.compile(r"[0-9]{1,9}(?:\.[0-9]{0,9})?")


def retry_after(header: str | None) -> float | None:
    """Seconds, from a number or a date (RFC 9110, section 10.2.3); None if it is neither."""
    text = (header or "").strip()
    if _SECONDS.fullmatch(text):
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
