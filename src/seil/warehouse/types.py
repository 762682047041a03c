"""The types that columns of the warehouse have, as Arrow types, and which of two is the wider.

Eight are enough for Salesforce: boolean, 64-bit integer, exact decimal, double, date, timestamp in
UTC, time of day, text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    Column = pa.Field[Any]

TEXT = pa.string()
TIMESTAMP = pa.timestamp("us", tz="UTC")
_TIME = pa.time64("us")
_MAX_PRECISION = 38
_INTEGER_DIGITS = 19
_DECIMALS = (pa.Decimal32Type, pa.Decimal64Type, pa.Decimal128Type, pa.Decimal256Type)


def stored_type(found: pa.DataType) -> pa.DataType | None:
    """The type that values of `found` are stored as; None where the warehouse holds no such."""
    if isinstance(found, pa.DictionaryType):
        return stored_type(found.value_type)
    if isinstance(found, _DECIMALS):
        fits = found.precision <= _MAX_PRECISION
        return pa.decimal128(found.precision, found.scale) if fits else None
    return next((stored for test, stored in _STORED if test(found)), None)


_STORED = (
    (pa.types.is_boolean, pa.bool_()),
    (pa.types.is_uint64, pa.decimal128(20, 0)),
    (pa.types.is_integer, pa.int64()),
    (pa.types.is_floating, pa.float64()),
    (pa.types.is_date, pa.date32()),
    (pa.types.is_timestamp, TIMESTAMP),
    (pa.types.is_time, _TIME),
    (pa.types.is_string, TEXT),
    (pa.types.is_large_string, TEXT),
    (pa.types.is_string_view, TEXT),
    (pa.types.is_null, TEXT),
)


def common_type(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    """The narrowest stored type that takes every value of both; None where only text would."""
    if one.equals(other):
        return one
    if _is_exact(one) and _is_exact(other):
        return _common_decimal(one, other)
    pair = {one, other}
    if pair == {pa.int64(), pa.float64()}:
        return pa.float64()
    if pair == {pa.date32(), TIMESTAMP}:
        return TIMESTAMP
    return None


def _is_exact(found: pa.DataType) -> bool:
    return bool(pa.types.is_integer(found) or pa.types.is_decimal(found))


def _common_decimal(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    (digits, scale), (other_digits, other_scale) = _digits(one), _digits(other)
    scale = max(scale, other_scale)
    precision = max(digits, other_digits) + scale
    return pa.decimal128(precision, scale) if precision <= _MAX_PRECISION else None


def _digits(found: pa.DataType) -> tuple[int, int]:
    """Digits before and after the point."""
    if isinstance(found, pa.Decimal128Type):
        return found.precision - found.scale, found.scale
    return _INTEGER_DIGITS, 0


def sql_type(stored: pa.DataType) -> str:
    """A stored type in the dialect SEIL writes its SQL in."""
    if isinstance(stored, pa.Decimal128Type):
        return f"DECIMAL({stored.precision},{stored.scale})"
    return _SQL_NAMES[stored]


_SQL_NAMES = {
    pa.bool_(): "BOOLEAN",
    pa.int64(): "BIGINT",
    pa.float64(): "DOUBLE",
    pa.date32(): "DATE",
    TIMESTAMP: "TIMESTAMPTZ",
    _TIME: "TIME",
    TEXT: "VARCHAR",
}


def type_name(found: pa.DataType) -> str:
    """As a person would write it."""
    if isinstance(found, _DECIMALS):
        return f"decimal({found.precision},{found.scale})"
    return _NAMES.get(found, str(found))


_NAMES = {
    pa.bool_(): "boolean",
    pa.int64(): "bigint",
    pa.float64(): "double",
    pa.date32(): "date",
    TIMESTAMP: "timestamp with time zone",
    _TIME: "time",
    TEXT: "text",
}
