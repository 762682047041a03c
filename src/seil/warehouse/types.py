"""The warehouse's column types, as Arrow types, and the common type of two.

Eight cover Salesforce: boolean, 64-bit integer, exact decimal, double, date, timestamp in
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


def stored_type(kind: pa.DataType) -> pa.DataType | None:
    """The column type for values of an Arrow type; None where there is none."""
    if isinstance(kind, pa.DictionaryType):
        return stored_type(kind.value_type)
    if isinstance(kind, _DECIMALS):
        fits = kind.precision <= _MAX_PRECISION
        return pa.decimal128(kind.precision, kind.scale) if fits else None
    return next((stored for test, stored in _STORED if test(kind)), None)


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
    """The narrowest type that holds every value of both; None where only text does."""
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


def _is_exact(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_decimal(kind))


def _common_decimal(one: pa.DataType, other: pa.DataType) -> pa.DataType | None:
    (digits, scale), (other_digits, other_scale) = _digits(one), _digits(other)
    scale = max(scale, other_scale)
    precision = max(digits, other_digits) + scale
    return pa.decimal128(precision, scale) if precision <= _MAX_PRECISION else None


def _digits(kind: pa.DataType) -> tuple[int, int]:
    """Digits before and after the decimal point."""
    if isinstance(kind, pa.Decimal128Type):
        return kind.precision - kind.scale, kind.scale
    return _INTEGER_DIGITS, 0


def sql_type(stored: pa.DataType) -> str:
    """A column type in SEIL's own dialect."""
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


def type_name(kind: pa.DataType) -> str:
    """A type's name for messages and descriptions."""
    if isinstance(kind, _DECIMALS):
        return f"decimal({kind.precision},{kind.scale})"
    return _NAMES.get(kind, str(kind))


_NAMES = {
    pa.bool_(): "boolean",
    pa.int64(): "bigint",
    pa.float64(): "double",
    pa.date32(): "date",
    TIMESTAMP: "timestamp with time zone",
    _TIME: "time",
    TEXT: "text",
}
