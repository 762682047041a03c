"""Translates pydantic's validation errors into the terms of the TOML: its settings and values.

Imported only on an error: every command reads the settings.
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

KeyPath = tuple[str | int, ...]

_LONGEST = 60
_SECRET = re.compile(r"(?i)secret|token|password|key")
# By a prefix of pydantic's error type: https://docs.pydantic.dev/latest/errors/validation_errors/
_TYPE_MISMATCHES = {
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
    error: ValidationError, name: Callable[[KeyPath], str], model: type[BaseModel] | None = None
) -> list[Problem]:
    """`name` maps a value's path in `model` to its name in the problems."""
    return [
        Problem(name(details["loc"]), *_explain(dict(details), model)) for details in error.errors()
    ]


def suggest(name: str, choices: Iterable[str]) -> str:
    """`did you mean x?`, or ""."""
    choice = closest(name, choices)
    return f"did you mean {choice}?" if choice else ""


def closest(name: str, choices: Iterable[str], *, cutoff: float = 0.6) -> str:
    """Case-insensitive; "" if none is close."""
    by_lower = {choice.lower(): choice for choice in choices}
    matches = get_close_matches(name.lower(), by_lower, n=1, cutoff=cutoff)
    return by_lower[matches[0]] if matches else ""


def line_of(text: str, path: Sequence[str | int]) -> int | None:
    """The line of the value at `path`; None if the TOML has no such value.

    tomllib reports no lines, so this parses ever longer prefixes until one has the value.
    """
    lines = text.splitlines()
    parsed = 0
    for count in range(1, len(lines) + 1):
        try:
            document = tomllib.loads("\n".join(lines[:count]))
        except tomllib.TOMLDecodeError:
            continue
        if _contains(document, path):
            return _first_statement(lines, parsed, count)
        parsed = count
    return None


def _first_statement(lines: Sequence[str], before: int, count: int) -> int:
    for number in range(before + 1, count + 1):
        text = lines[number - 1].strip()
        if text and not text.startswith("#"):
            return number
    return count


def _contains(value: Any, path: Sequence[str | int]) -> bool:
    for part in path:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return False
    return True


def _explain(details: dict[str, Any], model: type[BaseModel] | None) -> tuple[str, str]:
    """(reason, cure)"""
    kind, context, path = details["type"], details.get("ctx", {}), details["loc"]
    value = _quote(details["input"], path)
    match kind:
        case "extra_forbidden":
            names = _names_at(model, path[:-1])
            choices = f"valid names: {', '.join(sorted(names))}" if names else ""
            problem = "is unknown", suggest(str(path[-1]), names) or choices
        case "missing":
            problem = "is missing", ""
        case "model_type" | "dict_type" | "model_attributes_type" | "mapping_type":
            problem = f"is {value}, not a table", "write [its name], and its settings below that"
        case "literal_error":
            problem = f"is {value}, not one of {context['expected']}", _suggest_choice(details)
        case "string_pattern_mismatch":
            reason = f"is {value}, which does not match {context['pattern']}"
            problem = reason, _example(model, path)
        case "value_error" | "assertion_error":
            problem = str(context["error"]), ""
        case _ if kind in _LIMITS:
            limit, words = _LIMITS[kind]
            problem = f"is {value}, {words} {_limit(context[limit])}", ""
        case _:
            family = next((name for name in _TYPE_MISMATCHES if kind.startswith(name)), "")
            problem = f"is {value}, {_TYPE_MISMATCHES.get(family, 'which does not fit')}", ""
    return problem


def _quote(value: Any, path: KeyPath) -> str:
    """Masks secrets, by their setting's name and by their form."""
    if any(_SECRET.search(str(part)) for part in path):
        return "****"
    if isinstance(value, timedelta):
        return _limit(value)
    text = mask(repr(value))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _limit(value: Any) -> str:
    if not isinstance(value, timedelta):
        return str(value)
    seconds = value.total_seconds()
    for unit, length in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds and seconds % length == 0:
            return f"{seconds / length:g}{unit}"
    return f"{seconds:g}s"


def _suggest_choice(details: Mapping[str, Any]) -> str:
    choices = re.findall(r"'([^']*)'", details["ctx"]["expected"])
    return suggest(str(details["input"]), choices)


def _example(model: type[BaseModel] | None, path: KeyPath) -> str:
    owner = _model_at(model, path[:-1])
    field = owner.model_fields.get(str(path[-1])) if owner else None
    default = field.get_default() if field else None
    return f"as in {default!r}" if isinstance(default, str) and default else ""


def _names_at(model: type[BaseModel] | None, path: KeyPath) -> list[str]:
    owner = _model_at(model, path)
    return list(owner.model_fields) if owner else []


def _model_at(model: type[BaseModel] | None, path: KeyPath) -> type[BaseModel] | None:
    for part in path:
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
    models = (_model_in(part) for part in typing.get_args(annotation))
    return next((model for model in models if model), None)
