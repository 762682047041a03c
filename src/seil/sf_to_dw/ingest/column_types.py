"""The types of landed columns: what they are stored as, and what people call them."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from seil.salesforce.schema import UTC_MICROS

_DECIMALS = (pa.Decimal32Type, pa.Decimal64Type, pa.Decimal128Type, pa.Decimal256Type)
MAX_DIGITS = 38


class UnknownTypeError(Exception):
    """A type that no Salesforce field has."""


def is_text(kind: pa.DataType) -> bool:
    return (
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
    )


_DEFAULTS: tuple[tuple[Callable[[pa.DataType], bool], pa.DataType], ...] = (
    (is_text, pa.string()),
    (pa.types.is_boolean, pa.bool_()),
    (pa.types.is_integer, pa.int64()),
    (pa.types.is_floating, pa.float64()),
    (pa.types.is_timestamp, UTC_MICROS),
    (pa.types.is_date, pa.date32()),
    (pa.types.is_time, pa.time64("us")),
    (pa.types.is_null, pa.null()),
    (pa.types.is_nested, pa.string()),
)
_KINDS: tuple[tuple[Callable[[pa.DataType], bool], str], ...] = (
    (pa.types.is_boolean, "bool"),
    (pa.types.is_integer, "int"),
    (pa.types.is_decimal, "decimal"),
    (pa.types.is_floating, "float"),
    (pa.types.is_timestamp, "timestamp"),
    (pa.types.is_date, "date"),
    (pa.types.is_time, "time"),
)
_DESCRIPTIONS = {
    "bool": "a truth value (true, false)",
    "int": "a whole number",
    "float": "a number",
    "timestamp": "a date and time (ISO 8601)",
    "date": "a date (yyyy-mm-dd)",
    "time": "a time of day",
    "text": "text",
}


def default_type(landed: pa.DataType) -> pa.DataType:
    """The stored type of a landed column that has no expected type. Raises UnknownTypeError."""
    landed = plain_type(landed)
    if pa.types.is_uint64(landed):
        return pa.decimal128(20, 0)
    if isinstance(landed, _DECIMALS):
        return pa.decimal128(min(landed.precision, MAX_DIGITS), landed.scale)
    for matches, default in _DEFAULTS:
        if matches(landed):
            return default
    raise UnknownTypeError(str(landed))


def plain_type(landed: pa.DataType) -> pa.DataType:
    if isinstance(landed, pa.BaseExtensionType):
        return plain_type(landed.storage_type)
    if isinstance(landed, pa.DictionaryType):
        return plain_type(landed.value_type)
    return landed


def type_kind(kind: pa.DataType) -> str:
    return next((name for matches, name in _KINDS if matches(kind)), "text")


def describe_type(target: pa.DataType) -> str:
    if pa.types.is_decimal(target):
        return f"a number, {target}"
    return _DESCRIPTIONS[type_kind(target)]
