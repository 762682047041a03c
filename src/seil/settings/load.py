"""Reads and validates the settings."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from seil.errors import ConfigurationError, Problem
from seil.secret import Secret
from seil.settings.paths import resolve, shared_files, warehouse_url
from seil.settings.root import SECTIONS, Settings, TopLevel
from seil.settings.section import Section
from seil.settings.source import NOT_SETTINGS, PREFIX, SettingsSource, setting_of, suggest
from seil.settings.storage import WarehouseSettings

CONFIG_FILE = "seil.toml"


def config_file(path: Path | None = None) -> Path | None:
    """The file in force: `path`, else SEIL_CONFIG, else ./seil.toml where it exists."""
    if path or (path := Path(os.environ["SEIL_CONFIG"]) if "SEIL_CONFIG" in os.environ else None):
        return path
    default = Path(CONFIG_FILE)
    return default if default.exists() else None


def load_settings(path: Path | None = None) -> Settings:
    """Relative paths in the file are relative to its folder.

    Raises ConfigurationError with every wrong setting at once.
    """
    file = config_file(path)
    source = SettingsSource.read(file, os.environ)
    settings = resolve(_validate(source), (file.parent if file else Path()).resolve())
    if problems := list(shared_files(settings)):
        places = [replace(p, place=source.name(p.place.split("."))) for p in problems]
        raise ConfigurationError(places)
    return settings


def with_warehouse_url(settings: Settings, url: str, base: Path) -> Settings:
    """Loaded settings with `url` as it would stand in a file in the folder `base`.

    Raises ConfigurationError as `load_settings` does.
    """
    source = SettingsSource(None, "", {})
    problems: list[Problem] = []
    values = settings.warehouse.model_dump(exclude={"password"}) | {"url": url}
    with _collect(problems, source, WarehouseSettings, "warehouse"):
        section = WarehouseSettings.model_validate(values)
    if not problems:
        update = {"url": warehouse_url(url, base), "password": settings.warehouse.password}
        new = settings.model_copy(update={"warehouse": section.model_copy(update=update)})
        problems += shared_files(new)
    if problems:
        raise ConfigurationError(problems)
    return new


def unknown_variables(settings: Settings) -> list[Problem]:
    """SEIL_* variables that are neither a setting's nor referred to by a secret."""
    secrets = {
        value.location.removeprefix("env:")
        for _, section in settings
        if isinstance(section, Section)
        for value in _secrets(section)
    }
    return [
        Problem(name, "is set, but is no setting's", suggest(name))
        for name in sorted(os.environ)
        if name.startswith(PREFIX) and not setting_of(name)
        if name not in secrets and name not in NOT_SETTINGS
    ]


def _secrets(section: Section) -> Iterator[Secret]:
    for _, value in section:
        if isinstance(value, Section):
            yield from _secrets(value)
        values = value.values() if isinstance(value, dict) else [value]
        yield from (secret for secret in values if isinstance(secret, Secret))


def _validate(source: SettingsSource) -> Settings:
    """As `Settings.model_validate`, but building validators for the sections in use only.

    Building those of all sections takes 25 ms, which every command would wait for.
    """
    validated: dict[str, Any] = {}
    values = source.values()
    problems = source.misspelt()
    top_level = {name: value for name, value in values.items() if name not in SECTIONS}
    for name, model in SECTIONS.items():
        if name in values:
            with _collect(problems, source, model, name):
                validated[name] = model.model_validate(values[name])
    with _collect(problems, source, Settings):
        validated |= dict(TopLevel.model_validate(top_level))
    if problems:
        searched = [*([str(source.file)] if source.file else []), "SEIL_* variables"]
        raise ConfigurationError(problems, searched=searched)
    return Settings.model_construct(**validated)


@contextmanager
def _collect(
    problems: list[Problem], source: SettingsSource, model: type[BaseModel], *section: str
) -> Iterator[None]:
    try:
        yield
    except ValidationError as error:
        from seil.wrong_values import problems_of

        problems += problems_of(error, lambda path: source.name((*section, *path)), model)
