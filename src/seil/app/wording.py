"""Numbers, durations and times as people read them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

# Control characters drive a terminal, bidirectional ones reorder what it shows. Of names that are
# not UTF-8, Python keeps the odd bytes as halves of surrogate pairs.
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_LAYOUT = "\n\t"


def printable(text: str, *, lines: bool = False) -> str:
    """With escapes for characters that do more than print; `lines` keeps newlines and tabs."""

    def escape(match: re.Match[str]) -> str:
        return match[0] if lines and match[0] in _LAYOUT else ascii(match[0])[1:-1]

    return _UNPRINTABLE.sub(escape, text)


def duration(value: timedelta) -> str:
    """The two largest units: `2d 3h`, `5m 10s`, `12s`."""
    rest = int(value.total_seconds())
    if rest < 0:
        return f"-{duration(-value)}"
    parts: list[str] = []
    for unit, seconds in (("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)):
        count, rest = divmod(rest, seconds)
        if count or (unit == "s" and not parts):
            parts.append(f"{count}{unit}")
    return " ".join(parts[:2])


def counted(count: int, noun: str) -> str:
    """`1 file`, `2 files`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def moment(value: datetime, *, exact: bool = False) -> str:
    """In UTC where it has a zone: `2026-11-30 10:00:00Z`; `exact` keeps fractions of a second."""
    if value.tzinfo:
        value = value.astimezone(UTC)
    text = value.isoformat(" ", "auto" if exact else "seconds")
    return text.replace("+00:00", "Z")
