"""Changes one setting in the settings file, and nothing else of it: comments and order stay."""

from __future__ import annotations

import json
import os
import re
import tempfile
import tomllib
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

from seil.errors import ConfigurationError, Problem
from seil.settings.load import config_file
from seil.settings.source import SettingsSource
from seil.wrong_values import line_of

_STRING = r""""(?:[^"\\\n]|\\.)*"|'[^'\n]*'"""


class SettingPlace:
    """Where `[section] name` is set, or would be: a variable, or the settings file."""

    def __init__(self, config: Path | None, section: str, name: str) -> None:
        self.file = config_file(config)
        self._path = (section, name)
        self._source = SettingsSource.read(self.file, os.environ)
        # As it is: reading text would unify the ends of its lines.
        self._text = self.file.read_bytes().decode() if self.file else ""

    @property
    def variable(self) -> str:
        """The variable that sets it; empty if none does."""
        name = "__".join(("SEIL", *self._path)).replace("SEIL__", "SEIL_", 1).upper()
        set_ = (variable for variable in self._source.variables if variable.upper() == name)
        return next(set_, "")

    def __str__(self) -> str:
        return self._source.name(self._path)

    def line(self, value: str) -> str:
        """What to write there."""
        if self.variable:
            return f"{self.variable}={value}"
        return f"{self._path[1]} = {json.dumps(value)}"

    def check(self) -> None:
        """Raises ConfigurationError where `write` would."""
        self._new_text("x")

    def write(self, value: str) -> None:
        """Atomically; the file keeps its mode. Raises ConfigurationError where another place sets
        it, or the file's form is not understood.
        """
        text = self._new_text(value)
        file = Path(os.path.realpath(self.file or ""))
        with tempfile.NamedTemporaryFile(
            "w",
            encoding="utf-8",
            newline="",
            dir=file.parent,
            prefix=f".{file.name}.",
            delete=False,
        ) as new:
            try:
                os.fchmod(new.fileno(), file.stat().st_mode)
                new.write(text)
                new.flush()
                os.fsync(new.fileno())
                Path(new.name).replace(file)
            except BaseException:
                Path(new.name).unlink(missing_ok=True)
                raise

    def _new_text(self, value: str) -> str:
        if self.variable:
            raise self._refusal(f"{self.variable} sets it", "change that variable")
        if self.file is None:
            raise self._refusal("there is no settings file", "write one with `seil init`")
        expected = deepcopy(tomllib.loads(self._text))
        section, name = self._path
        expected.setdefault(section, {})[name] = value
        for text in self._candidates(value):
            if _parsed(text) == expected:
                return text
        cure = f"write {self.line(value)} below [{section}]"
        raise self._refusal("its line is not understood", cure)

    def _refusal(self, reason: str, cure: str) -> ConfigurationError:
        return ConfigurationError([Problem(str(self), reason, cure)])

    def _candidates(self, value: str) -> Iterator[str]:
        """Texts of which one may be right; the file may hold the words elsewhere as well."""
        section, name = self._path
        lines = self._text.splitlines(keepends=True)
        literal = json.dumps(value)
        number = line_of(self._text, self._path)
        if number:
            pattern = rf"(?<![\w-])({re.escape(name)}\s*=\s*)(?:{_STRING})"
            line = lines[number - 1]
            for match in re.finditer(pattern, line):
                new = f"{line[: match.start()]}{match[1]}{literal}{line[match.end() :]}"
                yield "".join([*lines[: number - 1], new, *lines[number:]])
            return
        for place, line in enumerate(lines):
            if re.match(rf"\s*\[\s*{re.escape(section)}\s*\]", line):
                ended = line if line.endswith("\n") else f"{line}\n"
                new = f"{name} = {literal}\n"
                yield "".join([*lines[:place], ended, new, *lines[place + 1 :]])
        end = "" if not lines or lines[-1].endswith("\n") else "\n"
        yield f"{self._text}{end}\n[{section}]\n{name} = {literal}\n"


def _parsed(text: str) -> dict[str, Any] | None:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return None
