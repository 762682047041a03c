"""Whether an answer of the REST API is what was promised, seen before its client reads it.

The client leaves out what it does not know, and reads a list or a text as an object without fields.
So `[]`, or another system's JSON, would count as an order that has no line items.
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
# Their JSON is not an object of their fields: a Timestamp is a text.
_WELL_KNOWN = "google.protobuf."
_WORDS: dict[type, str] = {list: "a list", str: "a text"}


class LastAnswer(threading.local):
    """The last HTTP answer that this thread was given."""

    answer: requests.Response | None = None

    def __call__(self, answer: requests.Response, *_: Any, **__: Any) -> None:
        """A response hook of requests."""
        self.answer = answer


def check(answer: requests.Response, message: Any) -> None:
    """`message` is what the client made of it. Raises UnexpectedAnswerError."""
    if answer.status_code != _OK:
        raise UnexpectedAnswerError(SERVICE, f"its status is {answer.status_code}")
    kind = message.DESCRIPTOR
    values = _parsed(answer.content)
    _objects(values, kind)
    field_types = _fields(kind)
    # A type without fields, as a batch action's answer is, has nothing to be told by.
    if values and field_types and not field_types.keys() & values.keys():
        raise UnexpectedAnswerError(SERVICE, f"it has none of the fields of {kind.name}")
    _named(kind, values)
    for name in field_types.keys() & values.keys():
        field = field_types[name]
        if field.is_repeated and field.message_type and not _is_map(field):
            for value in values[name] or ():
                _named(field.message_type, value)


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError as error:
        raise UnexpectedAnswerError(SERVICE, "it is not JSON") from error


def _named(kind: Any, value: Mapping[str, Any]) -> None:
    """Whatever has a name in the REST API is nothing without it."""
    if "name" in kind.fields_by_name and not value.get("name"):
        raise UnexpectedAnswerError(SERVICE, f"{_article(kind.name)} has no name")


def _objects(value: Any, kind: Any) -> None:
    """Raises where something else stands for an object."""
    if not isinstance(value, dict):
        what = _WORDS.get(type(value), "no object")
        raise UnexpectedAnswerError(SERVICE, f"{what} stands for {_article(kind.name)}")
    fields = _nested(kind)
    for name in fields.keys() & value.keys():
        entry = value[name]
        if entry is None:
            continue
        for part in entry if fields[name].is_repeated else (entry,):
            _objects(part, fields[name].message_type)


@cache
def _fields(kind: Any) -> dict[str, Any]:
    """By both names that JSON of protobuf may use."""
    return {name: field for field in kind.fields for name in (field.json_name, field.name)}


@cache
def _nested(kind: Any) -> dict[str, Any]:
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
