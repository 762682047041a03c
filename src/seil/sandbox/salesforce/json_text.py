"""Parses JSON as the REST API does, with the positions of values."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from seil.sandbox.salesforce.errors import unreadable_json

_NO_BODY = "The HTTP entity body is required, but this request has no entity body."
_SPACE = re.compile(r"[ \t\r\n]*")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_DECODER = json.JSONDecoder()


def parse(text: str) -> Any:
    """Raises OrgApiError JSON_PARSER_ERROR with the error's position."""
    if not text.strip():
        raise unreadable_json(_NO_BODY)
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
        if _SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise unreadable_json(f"{_trouble(text, error)} at {_position(text, error.pos)}") from error
    except RecursionError as error:
        raise unreadable_json("The body is nested too deeply") from error
    except ValueError as error:
        raise unreadable_json(str(error)) from error
    return value


@dataclass(frozen=True)
class JsonSource:
    """A value's origin: the whole text, and the path to the value."""

    text: str
    path: tuple[str | int, ...] = ()

    def inside(self, *steps: str | int) -> JsonSource:
        return JsonSource(self.text, (*self.path, *steps))

    def check_members(self, value: Mapping[str, Any], members: Collection[str]) -> None:
        """Raises OrgApiError JSON_PARSER_ERROR for other members."""
        for name in value:
            if name not in members:
                raise unreadable_json(f'Unrecognized field "{name}" at {self.inside(name).place}')

    @property
    def place(self) -> str:
        """In Salesforce's format: [line:1, column:12]."""
        return _position(self.text, _offset(self.text, self.path))


def _position(text: str, at: int) -> str:
    line = text.count("\n", 0, at) + 1
    return f"[line:{line}, column:{at - text.rfind(chr(10), 0, at)}]"


def _offset(text: str, path: Sequence[str | int]) -> int:
    at = _after_space(text, 0)
    for step in path:
        at = _member(text, at, step) if isinstance(step, str) else _element(text, at, step)
    return at


def _member(text: str, at: int, name: str) -> int:
    """The offset of the last member of that name in the object."""
    last = at
    at = _after_space(text, at + 1)
    while text[at] != "}":
        key, end = _DECODER.raw_decode(text, at)
        value = _after_space(text, _after_space(text, end) + 1)
        last = value if key == name else last
        at = _next(text, value)
    return last


def _element(text: str, at: int, number: int) -> int:
    at = _after_space(text, at + 1)
    for _ in range(number):
        at = _next(text, at)
    return at


def _next(text: str, at: int) -> int:
    """The offset after the value that starts here and its comma."""
    _, end = _DECODER.raw_decode(text, at)
    end = _after_space(text, end)
    return _after_space(text, end + 1) if text[end] == "," else end


def _after_space(text: str, at: int) -> int:
    space = _SPACE.match(text, at)
    return space.end() if space else at


def _trouble(text: str, error: json.JSONDecodeError) -> str:
    if error.pos >= len(text.rstrip()):
        return "Unexpected end-of-input: expected close marker for OBJECT"
    char = text[error.pos]
    return f"Unexpected character ('{char}' (code {ord(char)})): {error.msg}"


def _refuse_constant(name: str) -> None:
    raise ValueError(f"Non-standard token '{name}': enable JsonParser.Feature")
