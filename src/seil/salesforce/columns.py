"""CSV columns as Arrow types: what the reader parses, and what the batches store.

A value that the declared type cannot hold widens the column; nothing is rounded or dropped.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from seil.salesforce.schema import UTC_MICROS, Field

MAX_DIGITS = 38
_INTEGER = pa.decimal128(MAX_DIGITS, 0)
_LEAST, _MOST = -(2**63), 2**63 - 1


@dataclass(frozen=True)
class CsvColumn:
    """`read` is the type that the CSV reader parses, `store` that of the batches."""

    name: str
    read: pa.DataType
    store: pa.DataType

    def to_stored(self, values: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
        """`values` as read, in the stored type. Raises ArrowInvalid when one does not fit."""
        if pa.types.is_decimal(self.read):
            # The CSV reader accepts 12345678901234567 as decimal(18, 2).
            values.validate(full=True)
        if self.read == self.store:
            return values
        if pa.types.is_time(self.store):
            # Arrow casts text to a time only through a timestamp.
            moment = r"1970-01-01T\1Z"
            texts = pc.replace_substring_regex(values, pattern="^(.*?)Z?$", replacement=moment)
            values = texts.cast(UTC_MICROS)
        return values.cast(self.store)


def declared_column(field: Field) -> CsvColumn:
    """Times are read as text: Salesforce writes 14:30:00.000Z, Arrow's reader stops at the Z."""
    read = pa.string() if pa.types.is_time(field.arrow) else field.arrow
    return CsvColumn(field.name, read, field.arrow)


def as_text(column: CsvColumn) -> CsvColumn:
    return CsvColumn(column.name, pa.string(), pa.string())


def widen(column: CsvColumn, texts: Iterable[str | None]) -> CsvColumn:
    """The narrowest column that holds `texts` as well as everything that `column` holds."""
    if not pa.types.is_integer(column.store) and not pa.types.is_decimal(column.store):
        return as_text(column)
    try:
        values = [Decimal(text) for text in texts if text]
    except InvalidOperation:
        return as_text(column)
    if not all(value.is_finite() for value in values):
        return as_text(column)
    widened = _widen_numbers(column, values) if values else column
    # Python parses numbers that Arrow does not, such as 1_000.
    return as_text(column) if widened == column else widened


def wider_of(a: CsvColumn, b: CsvColumn) -> CsvColumn:
    """The narrowest column that holds the values of both."""
    if a.store == b.store:
        return a if a.read != a.store else b
    if pa.types.is_string(a.store) or pa.types.is_string(b.store):
        return as_text(a)
    return _decimal(a, *map(max, zip(_digits(a.store), _digits(b.store), strict=True)))


def _widen_numbers(column: CsvColumn, values: list[Decimal]) -> CsvColumn:
    sizes = [_size(value) for value in values]
    scale = max(s for _, s in sizes)
    is_whole = pa.types.is_integer(column.store) and not scale
    if is_whole and all(_LEAST <= value <= _MOST for value in values):
        return CsvColumn(column.name, _INTEGER, column.store)
    before, declared_scale = _digits(column.store)
    scale = max(scale, declared_scale)
    needed = max(b for b, _ in sizes)
    if needed + scale > MAX_DIGITS:
        return as_text(column)
    return _decimal(column, max(before, needed), scale)


def _decimal(column: CsvColumn, before: int, scale: int) -> CsvColumn:
    """Beyond 38 digits, cuts the integer part's unused room rather than the scale."""
    store = pa.decimal128(max(1, min(before + scale, MAX_DIGITS)), scale)
    return CsvColumn(column.name, store, store)


def _digits(store: pa.DataType) -> tuple[int, int]:
    """Digits before and after the point."""
    if isinstance(store, pa.Decimal128Type):
        return store.precision - store.scale, store.scale
    return 19, 0


def _size(value: Decimal) -> tuple[int, int]:
    """Digits `value` needs before and after the point."""
    _, digits, exponent = value.as_tuple()
    text = "".join(map(str, digits)).lstrip("0")
    significant = text.rstrip("0")
    if not significant:
        return 0, 0
    point = int(exponent) + len(text) - len(significant)
    return max(0, len(significant) + point), max(0, -point)
