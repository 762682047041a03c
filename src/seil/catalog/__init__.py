"""The catalog of synced objects: packaged defaults, merged with the user's own file."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from difflib import get_close_matches
from functools import cache, partial
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from seil.catalog.model import (
    CatalogColumn,
    FlowSettings,
    SyncedObject,
    Validation,
)
from seil.catalog.model import (
    Mapping as ColumnMapping,
)
from seil.errors import ConfigurationError, Problem

__all__ = [
    "Catalog",
    "CatalogColumn",
    "ColumnMapping",
    "FlowSettings",
    "SyncedObject",
    "Validation",
    "load_catalog",
]


_HOURLY = timedelta(hours=1)


class Catalog(Mapping[str, SyncedObject]):
    """Enabled objects by API name, in catalog order; lookups are case-insensitive."""

    def __init__(
        self, objects: Iterable[SyncedObject], *, usual_schedule: timedelta = _HOURLY
    ) -> None:
        """`usual_schedule` is that of objects without a schedule of their own."""
        self.usual_schedule = usual_schedule
        self._objects = {o.api_name.lower(): o for o in objects if o.enabled}
        self._landing = {o.landing_name.lower(): o for o in self._objects.values()}
        tables = {o.table.lower(): o for o in self._objects.values()}
        displayed = {o.display_name.lower(): o for o in self._objects.values()}
        # Of objects that share a name, the rightmost mapping wins.
        self._names = displayed | tables | self._landing | self._objects

    def __getitem__(self, name: str) -> SyncedObject:
        return self._objects[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return (o.api_name for o in self._objects.values())

    def __len__(self) -> int:
        return len(self._objects)

    def by_landing_name(self, name: str) -> SyncedObject | None:
        return self._landing.get(name.lower())

    def find(self, name: str) -> SyncedObject | None:
        """By API, landing, table or display name."""
        return self._names.get(name.lower())

    def select(self, names: Iterable[str]) -> list[SyncedObject]:
        """The named objects, or all of them. Raises ConfigurationError naming unknown names."""
        entries = {name: self.find(name) for name in names}
        if not entries:
            return list(self.values())
        unknown = [name for name, entry in entries.items() if entry is None]
        if unknown:
            raise ConfigurationError(
                [
                    Problem(name, "is not an object of the catalog", self._suggest(name))
                    for name in unknown
                ]
            )
        return list(dict.fromkeys(entry for entry in entries.values() if entry))

    def _suggest(self, name: str) -> str:
        """Compares with every name of every object."""
        matches = get_close_matches(name.lower(), self._names, cutoff=0.7)
        candidates = dict.fromkeys(self._names[match].api_name for match in matches)
        cure = "`seil status --all` lists them, docs/add-an-object.md shows how to add one"
        return f"did you mean {' or '.join(candidates)}? {cure}" if candidates else cure


_SECTIONS = ("objects", "defaults")
_API_NAME = re.compile(r"[A-Za-z]\w*")


def load_catalog(file: Path | None = None) -> Catalog:
    """Packaged objects, each overlaid key by key by `file`, then the new objects of `file`.

    Raises ConfigurationError naming every entry that is wrong.
    """
    return _overlaid(file) if file else _packaged_catalog()


@cache
def _packaged_catalog() -> Catalog:
    return _overlaid(None)


@cache
def _packaged_entries() -> dict[str, Any]:
    """Shared: do not modify."""
    return tomllib.loads(resources.files(__name__).joinpath("objects.toml").read_text("utf-8"))


def _overlaid(file: Path | None) -> Catalog:
    packaged = _packaged_entries()
    own = _read_toml(file) if file else {}
    if problems := list(_shape_problems(own)):
        raise ConfigurationError(problems, searched=[str(file)])
    entries = {name.lower(): (name, entry) for name, entry in packaged["objects"].items()}
    for name, entry in own.get("objects", {}).items():
        api_name, base = entries.get(name.lower(), (name, {}))
        entries[name.lower()] = (api_name, _merge(base, entry))
    defaults = _merge(packaged.get("defaults", {}), own.get("defaults", {}))
    objects: list[SyncedObject] = []
    for name, entry in entries.values():
        try:
            objects.append(
                SyncedObject.model_validate({"api_name": name, **_merge(defaults, entry)})
            )
        except ValidationError as error:
            from seil.wrong_values import problems_of

            problems += problems_of(error, partial(_locate, file, name), SyncedObject)
    problems += _clashes(objects)
    if problems:
        raise ConfigurationError(problems, searched=[str(file)] if file else ["packaged catalog"])
    usual = SyncedObject.model_validate({"api_name": "Any", **defaults}).flow.schedule
    return Catalog(objects, usual_schedule=usual)


def _locate(file: Path | None, object_name: str, path: tuple[str | int, ...]) -> str:
    """The value's dotted key, with its line if it is in the user's file."""
    from seil.wrong_values import line_of

    full_path = ("objects", object_name, *path)
    dotted = ".".join(map(str, full_path))
    line = line_of(file.read_text("utf-8"), full_path) if file else None
    return f"{dotted} ({file}, line {line})" if line else dotted


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except FileNotFoundError as error:
        cure = "create it or correct [catalog] file in seil.toml"
        raise ConfigurationError([Problem(str(file), "no such file", cure)]) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError([Problem(str(file), f"is not TOML: {error}")]) from error
    except OSError as error:
        reason = error.strerror or str(error)
        cure = "correct [catalog] file in seil.toml, or the rights on it"
        raise ConfigurationError([Problem(str(file), reason, cure)]) from error


def _shape_problems(own: dict[str, Any]) -> Iterator[Problem]:
    """Unknown sections, and entries that are not tables: they would be ignored silently."""
    for name, value in own.items():
        if name not in _SECTIONS:
            matches = get_close_matches(name.lower(), _SECTIONS, n=1)
            choices = f"known are {', '.join(_SECTIONS)}"
            cure = f"did you mean {matches[0]}?" if matches else choices
            yield Problem(name, "is unknown", cure)
        elif not isinstance(value, dict):
            yield Problem(name, f"is {value!r}, not a table", f"write [{name}] ...")
    objects = own.get("objects", {})
    for name, entry in objects.items() if isinstance(objects, dict) else ():
        if not _API_NAME.fullmatch(name):
            cure = "write it as in Lead or Integration_Job__c"
            yield Problem(f"objects.{name}", f"{name!r} is not an API name", cure)
        elif not isinstance(entry, dict):
            yield Problem(
                f"objects.{name}", f"is {entry!r}, not a table", f"write [objects.{name}]"
            )


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    out = dict(base)
    for key, value in over.items():
        nested = isinstance(value, dict) and isinstance(out.get(key), dict)
        out[key] = _merge(out[key], value) if nested else value
    return out


def _clashes(objects: Iterable[SyncedObject]) -> Iterator[Problem]:
    for attribute in ("landing_name", "table"):
        owners: dict[str, str] = {}
        for entry in objects:
            value = str(getattr(entry, attribute)).lower()
            if value in owners:
                yield Problem(
                    f"objects.{entry.api_name}.{attribute}",
                    f"{value!r} is already taken by {owners[value]}",
                    "give it another name",
                )
            owners[value] = entry.api_name
