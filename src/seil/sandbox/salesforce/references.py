"""Resolves @{refAccount.id}: references to the answers of a composite's earlier requests.

https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_composite_composite_post.htm
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from seil.sandbox.salesforce.errors import processing_halted

_REFERENCE = re.compile(r"@\{([^}]*)\}")
_STEP = re.compile(r"\.?([A-Za-z0-9_]+)|\[(\d+)\]")
_NAME = re.compile(r"[A-Za-z0-9]\w*", re.ASCII)


def check_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise processing_halted(
            f"Provided referenceId ('{name}') must start with a letter or a number, and it can"
            " contain only letters, numbers and underscores ('_')."
        )


def resolve(value: Any, answers: Mapping[str, Any]) -> Any:
    """`value` with the references in its texts replaced; one that is the whole text keeps its type.

    Raises OrgApiError PROCESSING_HALTED for one that has no value.
    """
    match value:
        case str():
            if whole := _REFERENCE.fullmatch(value):
                return _value(whole[1], answers)
            return _REFERENCE.sub(lambda match: str(_value(match[1], answers)), value)
        case list():
            return [resolve(item, answers) for item in value]
        case dict():
            return {name: resolve(item, answers) for name, item in value.items()}
    return value


def _value(reference: str, answers: Mapping[str, Any]) -> Any:
    steps = [name or int(number) for name, number in _STEP.findall(reference)]
    value: Any = answers
    for step in steps:
        try:
            value = value[step]
        except (KeyError, IndexError, TypeError):
            value = None
    if value is None:
        name = steps[0] if steps else reference
        reason = f"Invalid reference specified. No value for {reference} found in {name}."
        raise processing_halted(reason)
    return value
