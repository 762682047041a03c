"""How a column's text becomes values: read as one Arrow type, stored as another where need be.

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
_WHOLE = pa.decimal128(MAX_DIGITS, 0)
_LEAST, _MOST = -(2**63), 2**63 - 1


@dataclass(frozen=True)
class CsvColumn:
    """`read` is what the CSV reader makes of the text, `store` what the batches hold."""

    name: str
    read: pa.DataType
    store: pa.DataType

    def to_stored(self, values: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
        """`values` as read, in the stored type. Raises ArrowInvalid when one does not fit."""
        if pa.types.is_decimal(self.read):
            # The CSV reader lets 12345678901234567 pass as decimal(18, 2).
            values.validate(full=True)
        if self.read == self.store:
            return values
        if pa.types.is_time(self.store):
            # Arrow casts text to a time only by way of a moment.
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


def holding(column: CsvColumn, texts: Iterable[str | None]) -> CsvColumn:
    """The narrowest widening of `column` that holds `texts` as well as what it held before."""
    if not pa.types.is_integer(column.store) and not pa.types.is_decimal(column.store):
        return as_text(column)
    try:
        values = [Decimal(text) for text in texts if text]
    except InvalidOperation:
        return as_text(column)
    if not all(value.is_finite() for value in values):
        return as_text(column)
    widened = _holding_numbers(column, values) if values else column
    # Python reads numbers that Arrow does not, such as 1_000.
    return as_text(column) if widened == column else widened


def wider(one: CsvColumn, other: CsvColumn) -> CsvColumn:
    """A column that holds what both hold."""
    if one.store == other.store:
        return one if one.read != one.store else other
    if pa.types.is_string(one.store) or pa.types.is_string(other.store):
        return as_text(one)
    return _decimal(one, *map(max, zip(_digits(one.store), _digits(other.store), strict=True)))


def _holding_numbers(column: CsvColumn, values: list[Decimal]) -> CsvColumn:
    sizes = [_size(value) for value in values]
    scale = max(s for _, s in sizes)
    is_whole = pa.types.is_integer(column.store) and not scale
    if is_whole and all(_LEAST <= value <= _MOST for value in values):
        return CsvColumn(column.name, _WHOLE, column.store)
    before, declared_scale = _digits(column.store)
    scale = max(scale, declared_scale)
    needed = max(b for b, _ in sizes)
    if needed + scale > MAX_DIGITS:
        return as_text(column)
    return _decimal(column, max(before, needed), scale)


def _decimal(column: CsvColumn, before: int, scale: int) -> CsvColumn:
    """Room for digits before the point is given up first: the declared room is rarely used."""
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
    shown = "".join(map(str, digits)).lstrip("0")
    significant = shown.rstrip("0")
    if not significant:
        return 0, 0
    point = int(exponent) + len(shown) - len(significant)
    return max(0, len(significant) + point), max(0, -point)
