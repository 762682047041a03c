"""Durations in settings and arguments: `90s`, `10m`, `1h`, `2d`."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any

from pydantic import BeforeValidator

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"(\d{1,9})\s*([smhd])")


def duration(value: Any) -> Any:
    """`90s`, `10m`, `1h`, `2d`, or a number of seconds."""
    if isinstance(value, str) and (match := _DURATION.fullmatch(value.strip())):
        return timedelta(seconds=int(match[1]) * _UNITS[match[2]])
    if isinstance(value, str):
        raise ValueError(f"{value!r} is not a duration; write 90s, 10m, 1h or 2d")
    return value


Duration = Annotated[timedelta, BeforeValidator(duration)]


def interval(value: Any) -> Any:
    """A duration, or `off`."""
    return None if value == "off" else duration(value)


Interval = Annotated[timedelta | None, BeforeValidator(interval)]
