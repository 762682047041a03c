"""Field masks: the requested parts of an answer, and the changed parts of a resource.

https://google.aip.dev/157 and https://google.aip.dev/134.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any


def apply_mask(answer: dict[str, Any], requested: str) -> dict[str, Any]:
    """The mask's paths only; everything without a mask or for *."""
    paths = [path.strip() for path in requested.split(",") if path.strip()]
    if not paths or "*" in paths:
        return answer
    masked: dict[str, Any] = _pick(answer, [path.split(".") for path in paths])
    return masked


def wants(requested: str, name: str) -> bool:
    """Whether a mask includes this member."""
    return any(path.strip() in (name, "*") for path in requested.split(","))


def _pick(value: Any, paths: list[list[str]]) -> Any:
    if isinstance(value, list):
        return [_pick(item, paths) for item in value]
    if not isinstance(value, dict) or any(not path for path in paths):
        return value
    heads = {path[0] for path in paths}
    return {
        name: _pick(inner, [path[1:] for path in paths if path[0] == name])
        for name, inner in value.items()
        if name in heads
    }


def apply_paths(
    before: Mapping[str, Any], update: Mapping[str, Any], paths: Iterable[str]
) -> dict[str, Any]:
    """`before` with the payload's values at the paths; missing ones are removed."""
    after = copy.deepcopy(dict(before))
    for path in paths:
        *way, last = path.split(".")
        source: Any = update
        target = after
        for part in way:
            source = source.get(part) if isinstance(source, Mapping) else None
            target = target.setdefault(part, {})
        if isinstance(source, Mapping) and last in source:
            target[last] = source[last]
        else:
            target.pop(last, None)
    return after
