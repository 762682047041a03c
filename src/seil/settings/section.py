"""What the sections share: their base class and the types of paths, URLs and time zones."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict


class Section(BaseModel):
    # Every command reads the settings, and none needs the validators of all sections.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


def _require_text(value: object) -> object:
    """An empty path would be the folder of the settings file."""
    if value == "":
        raise ValueError("is empty")
    return value


def _split(value: object) -> object:
    """A variable holds a list with commas."""
    if not isinstance(value, str):
        return value
    return [part for part in (text.strip() for text in value.split(",")) if part]


def _require_zone(name: str) -> str:
    # Imported only where a zone is set: few commands need zones.
    from seil.time_zones import time_zone

    return time_zone(name)


def _require_no_credentials(url: str) -> str:
    """They would be in every message that names the far end."""
    try:
        parts = urlsplit(url)
    except ValueError:
        # Whoever connects to it says what is wrong with it.
        return url
    if parts.username is not None or parts.password is not None:
        raise ValueError("holds a user name or password: there are settings for those")
    return url


def split_pairs(value: object) -> object:
    """A variable holds a table as `name=value` pairs with commas."""
    if not isinstance(value, str):
        return value
    pairs = [part.partition("=") for part in value.split(",") if part.strip()]
    if any(not separator for _, separator, _ in pairs):
        raise ValueError("in a variable it is name=value, with commas between them")
    return {name.strip(): text.strip() for name, _, text in pairs}


# Of a far end, over HTTP.
EndpointUrl = Annotated[str, AfterValidator(_require_no_credentials)]
NameList = Annotated[tuple[str, ...], BeforeValidator(_split)]
NonEmptyPath = Annotated[Path, BeforeValidator(_require_text)]
NonEmptyUrl = Annotated[str, BeforeValidator(_require_text)]
OptionalPath = Annotated[Path | None, BeforeValidator(_require_text)]
TimeZone = Annotated[str, AfterValidator(_require_zone)]
OptionalTimeZone = Annotated[str, AfterValidator(lambda name: _require_zone(name) if name else "")]
