"""Turns validation errors into the contract's faults."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from seil.api.calls import Fault

__all__ = ["MOST_FAULTS", "dotted_path", "faults_of", "validation_faults"]

MOST_FAULTS = 50
_LONGEST_VALUE = 60
_LONGEST_PATH = 200
# seil.admanager.models.lists ends a truncated list of errors with this type.
_TRUNCATION = "truncation"
_PREFIX = "Value error, "
# Path parts that the framework adds.
_FRAMEWORK_PARTS = ("body", "query", "path", "header")


def validation_faults(error: ValidationError, *prefix: str) -> tuple[Fault, ...]:
    """`prefix` precedes the errors' paths, such as "body"."""
    errors = error.errors(include_url=False)
    own = [{**e, "loc": (*prefix, *e["loc"])} for e in errors if e["type"] != _TRUNCATION]
    return faults_of(own, complete=len(own) == len(errors))


def faults_of(errors: Sequence[Any], *, complete: bool = True) -> tuple[Fault, ...]:
    """A fault for each of pydantic's errors: the path, the problem, and the value if it is short.

    `complete` is False if validation stopped early.
    """
    faults = [
        Fault(_code(e["loc"]), f"{_location(e['loc'])}: {_message(e)}{_quote_input(e)}")
        for e in errors[:MOST_FAULTS]
    ]
    if (more := len(errors) - MOST_FAULTS) > 0:
        faults.append(
            Fault("EC40001", f"and {more} more" if complete else f"and at least {more} more")
        )
    return tuple(faults)


def _code(location: Sequence[Any]) -> str:
    return "EC40004" if location and location[0] == "header" else "EC40001"


def _message(error: Any) -> str:
    """Pydantic's message, reworded for lengths."""
    facts = error.get("ctx", {})
    unit = "entries" if isinstance(error.get("input"), list) else "characters"
    match error["type"]:
        case "too_long":
            return (
                f"has {facts['actual_length']} {unit}, at most {facts['max_length']} may be given"
            )
        case "too_short":
            return (
                f"has {facts['actual_length']} {unit}, at least {facts['min_length']} must be given"
            )
    return str(error["msg"]).removeprefix(_PREFIX)


def _quote_input(error: Any) -> str:
    value = error.get("input")
    if (
        error["type"] == "missing"
        or "input" not in error
        or not isinstance(value, str | int | float | bool | None)
        or (isinstance(value, str) and len(value) > _LONGEST_VALUE)
    ):
        return ""
    text = json.dumps(value)
    return f" (given: {text})" if len(text) <= _LONGEST_VALUE else ""


def _location(location: Sequence[Any]) -> str:
    parts = list(location)
    if parts and parts[0] in _FRAMEWORK_PARTS:
        parts = parts[1:] or parts
    return dotted_path(parts) or "the request"


def dotted_path(parts: Sequence[str | int]) -> str:
    """As orders[0].name; a long one is shortened in the middle."""
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    if len(text) <= _LONGEST_PATH:
        return text
    return f"{text[: _LONGEST_PATH // 2]}...{text[-_LONGEST_PATH // 2 :]}"
