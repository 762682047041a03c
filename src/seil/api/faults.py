"""What is wrong with a request, in the contract's words."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from seil.api.calls import Fault

__all__ = ["MOST_FAULTS", "faults_of", "place_of", "validation_faults"]

MOST_FAULTS = 50
_LONGEST_VALUE = 60
_LONGEST_PLACE = 200
# The type of the error with which a list of seil.admanager.models.lists ends early.
_TRUNCATION = "truncation"
_PREFIX = "Value error, "
# Parts of a location that the framework adds and the caller never wrote.
_OURS = ("body", "query", "path", "header")


def validation_faults(error: ValidationError, *place: str) -> tuple[Fault, ...]:
    """What pydantic found wrong with what stands at `place`: "body", or the request as a whole."""
    errors = error.errors(include_url=False)
    faults = [{**one, "loc": (*place, *one["loc"])} for one in errors if one["type"] != _TRUNCATION]
    return faults_of(faults, whole=len(faults) == len(errors))


def faults_of(errors: Sequence[Any], *, whole: bool = True) -> tuple[Fault, ...]:
    """Pydantic's errors, a fault each: where, what, and the value where it is short.

    `whole` is False where there may be more of them: a list was judged no further.
    """
    faults = [
        Fault(_code(e["loc"]), f"{_place(e['loc'])}: {_message(e)}{_given(e)}")
        for e in errors[:MOST_FAULTS]
    ]
    if (more := len(errors) - MOST_FAULTS) > 0:
        faults.append(
            Fault("EC40001", f"and {more} more" if whole else f"and at least {more} more")
        )
    return tuple(faults)


def _code(location: Sequence[Any]) -> str:
    return "EC40004" if location and location[0] == "header" else "EC40001"


def _message(error: Any) -> str:
    """Pydantic's own, which speaks of a text's items and of what comes after validation."""
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


def _given(error: Any) -> str:
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


def _place(location: Sequence[Any]) -> str:
    parts = list(location)
    if parts and parts[0] in _OURS:
        parts = parts[1:] or parts
    return place_of(parts) or "the request"


def place_of(parts: Sequence[str | int]) -> str:
    """As orders[0].name; of a long one both ends."""
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    if len(text) <= _LONGEST_PLACE:
        return text
    return f"{text[: _LONGEST_PLACE // 2]}...{text[-_LONGEST_PLACE // 2 :]}"
