"""Checks records in JSON against their fields' types, before any other validation.

Salesforce refuses the whole request with JSON_PARSER_ERROR for a value of another type, and with
INVALID_FIELD for a member that is no field. A number may come as text, which its own example of
https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/dome_composite_sobject_tree_flat.htm
does; a truth value may not, nor may a number for a text.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from typing import Any

from seil.sandbox.salesforce.errors import OrgApiError, unreadable_json
from seil.sandbox.salesforce.json_text import JsonSource
from seil.sandbox.salesforce.metadata import SObject

_ATTRIBUTES = "attributes"
_INTEGER = re.compile(r"[+-]?\d+")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_DATETIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,3})?(Z|[+-]\d\d:?\d\d)")
_TIME = re.compile(r"(\d\d:\d\d:\d\d)(\.\d{1,3})?Z?")
_SOBJECT = "sobject"


def check_record(entity: SObject, row: Any, source: JsonSource) -> dict[str, Any]:
    """Returns the record. Raises OrgApiError unless each member is a field or a relationship of the
    object, with a value of its type.
    """
    if not isinstance(row, dict):
        raise OrgApiError(
            400,
            "INVALID_FIELD",
            "Json Deserialization failed on token 'null' and has left off in the middle of parsing"
            " a row. Will go to end of row to begin parsing the next row",
        )
    for name, value in row.items():
        kind = _kind(entity, name)
        if value is not None and not _TYPES.get(kind, _is_text)(value):
            raise _type_error(kind, value, source.inside(name).place)
    return row


def is_set(body: Mapping[str, Any], name: str, *, source: JsonSource) -> bool:
    """A boolean of a request; default: off."""
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise _type_error("boolean", value, source.inside(name).place)
    return value is True


def object_name(row: Mapping[str, Any]) -> str:
    """A record's object, from its attributes."""
    attributes = row.get(_ATTRIBUTES)
    return str(attributes.get("type", "")) if isinstance(attributes, dict) else ""


def _kind(entity: SObject, name: str) -> str:
    """The type of the field; that of a relationship is an object."""
    if name.lower() == _ATTRIBUTES:
        return _ATTRIBUTES
    if field := entity.field(name):
        return field.type
    if entity.relationship(name):
        return _SOBJECT
    reason = f"No such column '{name}' on sobject of type {entity.name}"
    raise OrgApiError(400, "INVALID_FIELD", reason)


def _type_error(kind: str, value: Any, position: str) -> OrgApiError:
    """As seen at Salesforce, where a list's bracket runs into that of the position."""
    token, view = _token(value)
    missing = "or request may be missing a required field at "
    where = position if isinstance(value, list) else f"{view} {missing}{position}"
    return unreadable_json(f"Cannot deserialize instance of {kind} from {token} value {where}")


def _token(value: Any) -> tuple[str, str]:
    match value:
        case bool():
            return f"VALUE_{str(value).upper()}", str(value).lower()
        case int():
            return "VALUE_NUMBER_INT", str(value)
        case float():
            return "VALUE_NUMBER_FLOAT", str(value)
        case list():
            return "START_ARRAY", "["
        case dict():
            return "START_OBJECT", "{"
    return "VALUE_STRING", str(value)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_integer(value: Any) -> bool:
    if isinstance(value, str):
        return bool(_INTEGER.fullmatch(value))
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    if isinstance(value, str):
        return bool(_NUMBER.fullmatch(value))
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_date(value: Any) -> bool:
    if not isinstance(value, str) or not _DATE.fullmatch(value[:10]):
        return False
    return _exists(date.fromisoformat, value) if len(value) == 10 else _is_datetime(value)


def _is_datetime(value: Any) -> bool:
    match = _DATETIME.fullmatch(value) if isinstance(value, str) else None
    return match is not None and _exists(datetime.fromisoformat, match[1])


def _is_time(value: Any) -> bool:
    match = _TIME.fullmatch(value) if isinstance(value, str) else None
    return match is not None and _exists(time.fromisoformat, match[1])


def _exists(read: Callable[[str], object], text: str) -> bool:
    try:
        read(text)
    except ValueError:
        return False
    return True


_TYPES: Mapping[str, Callable[[Any], bool]] = {
    "boolean": lambda value: isinstance(value, bool),
    "int": _is_integer,
    "long": _is_integer,
    "double": _is_number,
    "currency": _is_number,
    "percent": _is_number,
    "date": _is_date,
    "datetime": _is_datetime,
    "time": _is_time,
    **dict.fromkeys((_ATTRIBUTES, _SOBJECT, "address", "location", "complexvalue"), _is_object),
}
