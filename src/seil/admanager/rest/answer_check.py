"""Checks the REST API's raw answers, since its client accepts any JSON.

It ignores unknown fields, and parses a list or a string as an empty object: `[]`, or another
system's JSON, would pass as an order without line items.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from functools import cache
from typing import Any

import requests

from seil.admanager.calls import SERVICE
from seil.errors import UnexpectedAnswerError

_OK = 200
# Their JSON is not an object: a Timestamp is a string.
_WELL_KNOWN = "google.protobuf."
_JSON_TYPES: dict[type, str] = {list: "a list", str: "a string"}


class LastAnswer(threading.local):
    """The last HTTP answer of each thread."""

    answer: requests.Response | None = None

    def __call__(self, answer: requests.Response, *_: Any, **__: Any) -> None:
        """A response hook of requests."""
        self.answer = answer


def check(answer: requests.Response, message: Any) -> None:
    """`message` is the parsed answer. Raises UnexpectedAnswerError."""
    if answer.status_code != _OK:
        raise UnexpectedAnswerError(SERVICE, f"its status is {answer.status_code}")
    kind = message.DESCRIPTOR
    values = _parse(answer.content)
    _check_objects(values, kind)
    field_types = _fields(kind)
    # A type without fields, such as a batch action's response, cannot be checked.
    if values and field_types and not field_types.keys() & values.keys():
        raise UnexpectedAnswerError(SERVICE, f"it has none of the fields of {kind.name}")
    _check_name(kind, values)
    for name in field_types.keys() & values.keys():
        field = field_types[name]
        if field.is_repeated and field.message_type and not _is_map(field):
            for value in values[name] or ():
                _check_name(field.message_type, value)


def _parse(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError as error:
        raise UnexpectedAnswerError(SERVICE, "it is not JSON") from error


def _check_name(kind: Any, value: Mapping[str, Any]) -> None:
    """Requires a `name` where the type has that field."""
    if "name" in kind.fields_by_name and not value.get("name"):
        raise UnexpectedAnswerError(SERVICE, f"{_article(kind.name)} has no name")


def _check_objects(value: Any, kind: Any) -> None:
    """Raises UnexpectedAnswerError where a message type is not a JSON object."""
    if not isinstance(value, dict):
        json_type = _JSON_TYPES.get(type(value), "a scalar")
        raise UnexpectedAnswerError(SERVICE, f"{json_type} instead of {_article(kind.name)}")
    fields = _message_fields(kind)
    for name in fields.keys() & value.keys():
        entry = value[name]
        if entry is None:
            continue
        for part in entry if fields[name].is_repeated else (entry,):
            _check_objects(part, fields[name].message_type)


@cache
def _fields(kind: Any) -> dict[str, Any]:
    """By both spellings that protobuf's JSON allows."""
    return {name: field for field in kind.fields for name in (field.json_name, field.name)}


@cache
def _message_fields(kind: Any) -> dict[str, Any]:
    return {
        name: field
        for name, field in _fields(kind).items()
        if field.message_type
        and not _is_map(field)
        and not field.message_type.full_name.startswith(_WELL_KNOWN)
    }


def _is_map(field: Any) -> bool:
    return bool(field.message_type.GetOptions().map_entry)


def _article(name: str) -> str:
    return f"an {name}" if name[0] in "AEIOU" else f"a {name}"
