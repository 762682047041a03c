"""What a JSON answer is, and the one way in which it is written.

Every answer is a frozen dataclass, made by its `of` from what a function of `app` returns.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any, ClassVar, NewType

TimeText = NewType("TimeText", str)
"""ISO 8601, as an event has it."""


# Of names that are not UTF-8, Python keeps the odd bytes as halves of surrogate pairs.
_HALVES = re.compile("[\ud800-\udfff]")
_OPTIONAL = "optional"


class JsonDocument:
    """`schema` names the shape and its version, `command` what prints it (docs/json.md)."""

    schema: ClassVar[str]
    command: ClassVar[str]

    def __init_subclass__(cls, *, schema: str, command: str) -> None:
        cls.schema, cls.command = schema, command


def optional() -> Any:
    """A field that is left out where it is None."""
    return dataclasses.field(default=None, metadata={_OPTIONAL: True})


def is_optional(field: dataclasses.Field[Any]) -> bool:
    return _OPTIONAL in field.metadata


def keys_of(shape: Any) -> dict[str, dataclasses.Field[Any]]:
    """The fields of a dataclass by their JSON keys; `json_keys` has those that are no names."""
    keys: Mapping[str, str] = getattr(shape, "json_keys", {})
    return {keys.get(field.name, field.name): field for field in dataclasses.fields(shape)}


def body_of(part: Any) -> dict[str, Any]:
    """The fields of a dataclass by their JSON keys, each as it is."""
    values = {key: (field, getattr(part, field.name)) for key, field in keys_of(part).items()}
    return {k: value for k, (f, value) in values.items() if value is not None or not is_optional(f)}


def document_body(document: JsonDocument) -> dict[str, Any]:
    return {"schema": document.schema, **body_of(document)}


def to_json(value: Any, *, indent: int | None = None) -> str:
    """Times are ISO 8601, durations seconds; decimals are text, so that they stay exact."""
    text = json.dumps(value, ensure_ascii=False, indent=indent, default=_plain)
    if text.isascii() or not _HALVES.search(text):
        return text
    return json.dumps(value, indent=indent, default=_plain)


def _plain(value: Any) -> Any:
    if isinstance(value, JsonDocument):
        return document_body(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return body_of(value)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, set | frozenset) else str(value)
