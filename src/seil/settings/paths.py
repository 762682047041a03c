"""Makes relative paths and file references absolute; refuses two stores in one file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from seil.errors import Problem
from seil.secret import Secret
from seil.settings.publish import CATALOGS
from seil.settings.root import Settings
from seil.settings.section import Section
from seil.settings.storage import POSTGRES

# libpq's options that name a file.
_POSTGRES_FILES = ("passfile", "sslcert", "sslcrl", "sslkey", "sslrootcert")


def resolve(settings: Settings, base: Path) -> Settings:
    """Relative paths are meant from `base`; objects.toml there is the default catalog."""
    journal = base / settings.events.journal
    updates: dict[str, dict[str, Any]] = {
        name: _resolve_fields(name, getattr(settings, name), base)
        for name in (
            "salesforce",
            "admanager",
            "techone",
            "api",
            "state",
            "models",
            "publish",
            "push",
            "subscribe",
        )
    }
    updates["lake"] = {"url": _url(settings.lake.url, base)}
    updates["feed"] = {"url": _url(settings.feed.url, base)}
    updates["publish"] |= {
        "catalog": catalog_url(settings.publish.catalog, base),
        "secrets": settings.publish.resolve_secrets(base),
    }
    updates["warehouse"] = {
        "url": warehouse_url(settings.warehouse.url, base),
        **settings.warehouse.resolve_spark(base),
    }
    updates["events"] = {"journal": journal}
    updates["state"] |= {"url": _state_url(settings.state.url, base, journal)}
    updates["catalog"] = {"file": _catalog_file(settings.catalog.file, base)}
    return settings.model_copy(
        update={
            name: getattr(settings, name).model_copy(update=update)
            for name, update in updates.items()
        }
    )


def shared_files(settings: Settings) -> Iterator[Problem]:
    """A problem for each store that would write to the file of another one.

    `settings` are resolved. A file is the same under any name: links and `..` are followed.
    """
    owners: dict[object, str] = {}
    for setting, file in _stores(settings):
        for identity in _identities(file):
            owner = owners.setdefault(identity, setting)
            if owner != setting:
                cure = "give each a file of its own"
                yield Problem(setting, f"is the file of {owner}, too: {file}", cure)
                break


def _stores(settings: Settings) -> Iterator[tuple[str, Path]]:
    """What is written on this machine, by the setting that names it."""
    if settings.lake.url.startswith("file:"):
        yield "lake.url", Path(unquote(urlsplit(settings.lake.url).path))
    location = settings.warehouse.url.partition(":")[2]
    # A folder's name is refused where the warehouse is opened.
    if (file := Path(location)).name and not location.startswith("//"):
        yield "warehouse.url", file
        if settings.warehouse.publish:
            yield "warehouse.publish", file.with_name(f"{file.stem}.read{file.suffix}")
    yield "events.journal", settings.events.journal
    scheme, _, location = settings.state.url.partition(":")
    if scheme == "sqlite":
        yield "state.url", Path(location)
    yield "api.state", settings.api.state / "requests.sqlite"


def _identities(file: Path) -> Iterator[object]:
    # A link to itself or a folder that is closed to us: whoever opens the file says so.
    with suppress(OSError, RuntimeError):
        yield file.resolve()
        stat = file.stat()
        yield stat.st_dev, stat.st_ino


def _resolve_fields(section: str, values: Section, base: Path) -> dict[str, Any]:
    secrets = {
        name: value.resolve(base, f"{section}.{name}")
        for name, value in values
        if isinstance(value, Secret)
    }
    return secrets | {name: base / value for name, value in values if isinstance(value, Path)}


def _url(value: str, base: Path) -> str:
    return value if "://" in value else (base / value).as_uri()


def catalog_url(value: str, base: Path) -> str:
    """A folder as file:///..., everything else as it is."""
    is_url = not value or value.partition(":")[0] in CATALOGS
    return value if is_url else (base / value).as_uri()


def warehouse_url(url: str, base: Path) -> str:
    """`<scheme>:<file>` names a file, `<scheme>://...` a server (RFC 3986, section 3)."""
    scheme, colon, location = url.partition(":")
    return url if not colon or location.startswith("//") else f"{scheme}:{base / location}"


def _state_url(url: str, base: Path, journal: Path) -> str:
    parts = urlsplit(url)
    if parts.scheme in POSTGRES:
        options = parse_qsl(parts.query, keep_blank_values=True)
        absolute = [(name, _postgres_option(name, value, base)) for name, value in options]
        query = urlencode(absolute, quote_via=quote)
        return f"{parts.scheme}://{parts.netloc}{parts.path}" + (f"?{query}" if query else "")
    location = url.partition(":")[2]
    file = base / location.removeprefix("//") if location else journal.with_name("state.sqlite")
    return f"sqlite:{file}"


def _postgres_option(name: str, value: str, base: Path) -> str:
    """`sslrootcert=system` names no file."""
    return str(base / value) if name in _POSTGRES_FILES and value != "system" else value


def _catalog_file(file: Path | None, base: Path) -> Path | None:
    default = base / "objects.toml"
    if file is None:
        return default if default.exists() else None
    return base / file
