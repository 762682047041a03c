"""Arguments that several commands take."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from seil.catalog import Catalog

ObjectArguments = Annotated[
    list[str] | None,
    typer.Argument(help="API, table or display names; default: all objects of the catalog."),
]

_AGO = re.compile(r"(\d{1,5})\s*([smhd])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def moment(value: str) -> datetime:
    """A time in UTC: `2h` ago, or an ISO date or time (UTC where it names no zone)."""
    if match := _AGO.fullmatch(value.strip()):
        return datetime.now(UTC) - timedelta(**{_UNITS[match[2]]: int(match[1])})
    try:
        time = datetime.fromisoformat(value.strip())
    except ValueError as error:
        text = f"{value!r} is no time; write 30m, 2h, 1d, 2026-11-23 or 2026-11-23T10:00"
        raise typer.BadParameter(text) from error
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def interval(value: str) -> timedelta:
    """`90s`, `10m`, `1h`, `1d`; not nothing."""
    match = _AGO.fullmatch(value.strip())
    length = timedelta(**{_UNITS[match[2]]: int(match[1])}) if match else timedelta()
    if not length:
        raise typer.BadParameter(f"{value!r} is no interval; write 90s, 10m, 1h or 1d")
    return length


def object_name(catalog: Catalog, name: str) -> str:
    """The API name of an object given by any of its names.

    Raises ConfigurationError when the catalog has no such object.
    """
    return catalog.select([name])[0].api_name
