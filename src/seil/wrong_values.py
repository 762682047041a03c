"""What is wrong with a value in a settings file, in our words: pydantic's name types, not settings.

Imported only once something is wrong: every command reads the settings.
"""

from __future__ import annotations

import re
import tomllib
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from difflib import get_close_matches
from typing import Any

from pydantic import BaseModel, ValidationError

from seil.errors import Problem
from seil.masking import mask

Place = tuple[str | int, ...]

_SHOWN = 60
_SECRET = re.compile(r"(?i)secret|token|password|key")
# By how pydantic names the error: https://docs.pydantic.dev/latest/errors/validation_errors/
_NOT = {
    "string_type": "not text",
    "int": "not a whole number",
    "float": "not a number",
    "bool": "not true or false",
    "path_type": "not a path",
    "tuple_type": "not a list",
    "list_type": "not a list",
    "time_delta": "not a duration; write 90s, 10m, 1h or 2d",
}
_LIMITS = {
    "string_too_short": ("min_length", "shorter than"),
    "greater_than_equal": ("ge", "less than"),
    "less_than_equal": ("le", "more than"),
    "greater_than": ("gt", "not more than"),
    "less_than": ("lt", "not less than"),
}


def problems_of(
    error: ValidationError, name: Callable[[Place], str], model: type[BaseModel] | None = None
) -> list[Problem]:
    """`name` says where the value at a place of `model` stands."""
    return [
        Problem(name(details["loc"]), *_words(dict(details), model)) for details in error.errors()
    ]


def nearest(name: str, known: Iterable[str]) -> str:
    """`did you mean x?`, or nothing."""
    found = near(name, known)
    return f"did you mean {found}?" if found else ""


def near(name: str, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    lower = {entry.lower(): entry for entry in known}
    found = get_close_matches(name.lower(), lower, n=1, cutoff=cutoff)
    return lower[found[0]] if found else ""


def line_of(text: str, place: Sequence[str | int]) -> int | None:
    """The line on which the value at `place` is written; None where the TOML has no such value.

    tomllib knows no lines, but can read any beginning of a file that ends behind a statement.
    """
    lines = text.splitlines()
    whole = 0
    for count in range(1, len(lines) + 1):
        try:
            read = tomllib.loads("\n".join(lines[:count]))
        except tomllib.TOMLDecodeError:
            continue
        if _holds(read, place):
            return _first_statement(lines, whole, count)
        whole = count
    return None


def _first_statement(lines: Sequence[str], before: int, count: int) -> int:
    for number in range(before + 1, count + 1):
        text = lines[number - 1].strip()
        if text and not text.startswith("#"):
            return number
    return count


def _holds(value: Any, place: Sequence[str | int]) -> bool:
    for part in place:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return False
    return True


def _words(details: dict[str, Any], model: type[BaseModel] | None) -> tuple[str, str]:
    """The reason, and the cure."""
    kind, context, place = details["type"], details.get("ctx", {}), details["loc"]
    value = _shown(details["input"], place)
    match kind:
        case "extra_forbidden":
            known = _names_at(model, place[:-1])
            listed = f"known are {', '.join(sorted(known))}" if known else ""
            said = "is unknown", nearest(str(place[-1]), known) or listed
        case "missing":
            said = "is missing", ""
        case "model_type" | "dict_type" | "model_attributes_type" | "mapping_type":
            said = f"is {value}, not a table", "write [its name], and its settings below that"
        case "literal_error":
            said = f"is {value}, not one of {context['expected']}", _near_choice(details)
        case "string_pattern_mismatch":
            reason = f"is {value}, which does not match {context['pattern']}"
            said = reason, _example(model, place)
        case "value_error" | "assertion_error":
            said = str(context["error"]), ""
        case _ if kind in _LIMITS:
            limit, words = _LIMITS[kind]
            said = f"is {value}, {words} {_limit(context[limit])}", ""
        case _:
            family = next((name for name in _NOT if kind.startswith(name)), "")
            said = f"is {value}, {_NOT.get(family, 'which does not fit')}", ""
    return said


def _shown(value: Any, place: Place) -> str:
    """Never a secret: neither what stands at a place for one, nor what looks like one."""
    if any(_SECRET.search(str(part)) for part in place):
        return "****"
    if isinstance(value, timedelta):
        return _limit(value)
    text = mask(repr(value))
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


def _limit(value: Any) -> str:
    if not isinstance(value, timedelta):
        return str(value)
    seconds = value.total_seconds()
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds and seconds % length == 0:
            return f"{seconds / length:g}{unit}"
    return f"{seconds:g}s"


def _near_choice(details: Mapping[str, Any]) -> str:
    choices = re.findall(r"'([^']*)'", details["ctx"]["expected"])
    return nearest(str(details["input"]), choices)


def _example(model: type[BaseModel] | None, place: Place) -> str:
    owner = _model_at(model, place[:-1])
    field = owner.model_fields.get(str(place[-1])) if owner else None
    default = field.get_default() if field else None
    return f"as in {default!r}" if isinstance(default, str) and default else ""


def _names_at(model: type[BaseModel] | None, place: Place) -> list[str]:
    owner = _model_at(model, place)
    return list(owner.model_fields) if owner else []


def _model_at(model: type[BaseModel] | None, place: Place) -> type[BaseModel] | None:
    for part in place:
        if model is None:
            return None
        if isinstance(part, int):
            continue
        field = model.model_fields.get(part)
        model = _model_in(field.annotation) if field else None
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_model_in(part) for part in typing.get_args(annotation))
    return next((model for model in found if model), None)
