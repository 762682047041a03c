"""The settings as they are written: the file's text, overridden by SEIL_* variables.

`SEIL_SALESFORCE__CLIENT_ID` is `[salesforce] client_id`, `SEIL_WAREHOUSE__SPARK__URI` is
`[warehouse.spark] uri`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seil.errors import ConfigurationError, Problem
from seil.settings.root import SECTIONS, Settings, TopLevel, sections_in

PREFIX = "SEIL_"
# It names the settings file.
NOT_SETTINGS = frozenset({"SEIL_CONFIG"})


@dataclass(frozen=True)
class SettingsSource:
    file: Path | None
    text: str
    variables: Mapping[str, str]

    @classmethod
    def read(cls, file: Path | None, variables: Mapping[str, str]) -> SettingsSource:
        """Raises ConfigurationError where the file cannot be read."""
        return cls(file, _read_text(file) if file else "", variables)

    def values(self) -> dict[str, Any]:
        """Raises ConfigurationError where the file is not TOML."""
        values = self._in_file() if self.text else {}
        for variable, (*sections, name) in self._overrides():
            table: Any = values
            for section in sections:
                table = table.setdefault(section, {}) if isinstance(table, dict) else None
            if isinstance(table, dict):
                table[name] = self.variables[variable]
        return values

    def misspelt(self) -> list[Problem]:
        """Variables that can only be meant as a setting, but are none."""
        return [
            Problem(name, "is set, but there is no such setting", suggestion)
            for name in sorted(self.variables)
            if name.startswith(PREFIX) and not setting_of(name) and name not in NOT_SETTINGS
            if (suggestion := suggest(name)) and _is_misspelt(name)
        ]

    def name(self, path: Sequence[str | int]) -> str:
        """A setting with the variable that sets it, else the line of the file."""
        from seil.wrong_values import line_of

        dotted = ".".join(map(str, path))
        for variable, names in self._overrides():
            if list(path[: len(names)]) == names:
                return f"{dotted} ({variable})"
        line = line_of(self.text, path)
        return f"{dotted} ({self.file}, line {line})" if line else dotted

    def _in_file(self) -> dict[str, Any]:
        # A function on AWS has no file, and need not load the parser.
        import tomllib

        try:
            return tomllib.loads(self.text)
        except tomllib.TOMLDecodeError as error:
            raise ConfigurationError([Problem(str(self.file), f"is not TOML: {error}")]) from error

    def _overrides(self) -> Iterator[tuple[str, list[str]]]:
        for variable in self.variables:
            if variable.startswith(PREFIX) and (path := setting_of(variable)):
                yield variable, path


def setting_of(variable: str) -> list[str]:
    """A section and perhaps a setting of it, or one outside of sections; empty if there is none.

    The setting itself is not checked.
    """
    section, separator, name = variable.removeprefix(PREFIX).lower().partition("__")
    if section not in Settings.model_fields:
        return []
    subsection, _, setting = name.partition("__")
    if setting and section in SECTIONS and subsection in sections_in(SECTIONS[section]):
        return [section, subsection, setting]
    return [section, name] if separator else [section]


def _is_misspelt(variable: str) -> bool:
    """Whether it can only be meant as a setting: it has `__`, or `_` where that belongs."""
    letters = variable.replace("_", "").upper()
    return "__" in variable or any(name.replace("_", "") == letters for name in _names())


def suggest(variable: str) -> str:
    """`did you mean SEIL_X?`, or nothing."""
    from seil.wrong_values import closest

    names = {name.removeprefix(PREFIX): name for name in _names()}
    choice = closest(variable.removeprefix(PREFIX).upper(), names, cutoff=0.8)
    return f"did you mean {names[choice]}?" if choice else ""


def _names() -> Iterator[str]:
    for name in TopLevel.model_fields:
        yield f"{PREFIX}{name}".upper()
    for section, model in SECTIONS.items():
        yield from (f"{PREFIX}{section}__{name}".upper() for name in model.model_fields)
        for name, subsection in sections_in(model).items():
            prefix = f"{PREFIX}{section}__{name}"
            yield from (f"{prefix}__{setting}".upper() for setting in subsection.model_fields)


def _read_text(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except FileNotFoundError as error:
        problem = Problem(str(file), "no such file", "create one with `seil init`")
        raise ConfigurationError([problem]) from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        reason = f"is not TOML: line {line} is not UTF-8"
        raise ConfigurationError([Problem(str(file), reason)]) from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        cure = "name a settings file with --config; `seil init` writes one"
        raise ConfigurationError([Problem(repr(str(file)), reason, cure)]) from error
