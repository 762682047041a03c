"""What is wrong with a request, in the contract's words."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from seil.api.calls import Fault

__all__ = ["faults_of"]

_MOST_FAULTS = 50
_LONGEST_VALUE = 60
_PREFIX = "Value error, "
# Parts of a location that the framework adds and the caller never wrote.
_OURS = ("body", "query", "path", "header")


def faults_of(errors: Sequence[Any]) -> tuple[Fault, ...]:
    """What pydantic found wrong, a fault each: where, what, and the value where it is short."""
    faults = [
        Fault(_code(e["loc"]), f"{_place(e['loc'])}: {e['msg'].removeprefix(_PREFIX)}{_given(e)}")
        for e in errors[:_MOST_FAULTS]
    ]
    if (more := len(errors) - _MOST_FAULTS) > 0:
        faults.append(Fault("EC40001", f"and {more} more"))
    return tuple(faults)


def _code(location: Sequence[Any]) -> str:
    return "EC40004" if location and location[0] == "header" else "EC40001"


def _given(error: Any) -> str:
    value = error.get("input")
    if (
        error["type"] == "missing"
        or "input" not in error
        or not isinstance(value, str | int | float | bool | None)
    ):
        return ""
    text = json.dumps(value)
    return f" (given: {text})" if len(text) <= _LONGEST_VALUE else ""


def _place(location: Sequence[Any]) -> str:
    parts = list(location)
    if parts and parts[0] in _OURS:
        parts = parts[1:] or parts
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text or "the request"
