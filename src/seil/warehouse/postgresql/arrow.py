"""PostgreSQL's types and results as Arrow's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import ROUND_HALF_UP, Context, Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from psycopg.postgres import types

from seil.warehouse.types import TEXT, TIMESTAMP

if TYPE_CHECKING:
    from psycopg import Column as ResultColumn

# Of a number without declared digits, such as a sum.
FREE_DECIMAL = pa.decimal128(38, 18)
_UNIT = Decimal(1).scaleb(-FREE_DECIMAL.scale)
_ROUNDING = Context(prec=FREE_DECIMAL.precision, rounding=ROUND_HALF_UP)
_TIME = pa.time64("us")
_KINDS: dict[str, pa.DataType] = {
    "bool": pa.bool_(),
    "int2": pa.int64(),
    "int4": pa.int64(),
    "int8": pa.int64(),
    "float4": pa.float64(),
    "float8": pa.float64(),
    "date": pa.date32(),
    "timestamptz": TIMESTAMP,
    "timestamp": pa.timestamp("us"),
    "time": _TIME,
}
_BY_OID = {types[name].oid: kind for name, kind in _KINDS.items()}
_NUMERIC = types["numeric"].oid
_HEADER = 4  # A numeric's modifier is that of a varlena: its header is counted in.
_SCALE_BITS = 0x7FF  # A negative scale is taken for a large one.


def result_schema(description: Sequence[ResultColumn]) -> pa.Schema:
    fields = ((c.name, _kind(c.type_code, c.precision, c.scale)) for c in description)
    return pa.schema([pa.field(name, kind) for name, kind in fields])


def stored_columns(rows: Sequence[tuple[str, int, int]]) -> pa.Schema:
    """Of names, types and their modifiers, as pg_attribute has them."""
    return pa.schema([pa.field(name, _kind(kind, *_digits(mod))) for name, kind, mod in rows])


def _digits(modifier: int) -> tuple[int, int] | tuple[None, None]:
    """Of a numeric: precision and scale, if it has any."""
    if modifier < 0:
        return None, None
    return (modifier - _HEADER) >> 16, (modifier - _HEADER) & _SCALE_BITS


def _kind(oid: int, precision: int | None, scale: int | None) -> pa.DataType:
    if oid != _NUMERIC:
        return _BY_OID.get(oid, TEXT)
    if precision is None or scale is None:
        return FREE_DECIMAL
    # PostgreSQL admits a scale that is negative or larger than the precision.
    if not 0 <= scale <= precision <= FREE_DECIMAL.precision:
        return FREE_DECIMAL
    return pa.decimal128(precision, scale)


def result_batch(rows: Sequence[Sequence[Any]], schema: pa.Schema) -> pa.RecordBatch:
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(schema)
    arrays = [_array(values, field.type) for values, field in zip(columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _array(values: Iterable[Any], kind: pa.DataType) -> pa.Array[Any]:
    if kind == TEXT:
        values = [None if value is None else str(value) for value in values]
    if kind == FREE_DECIMAL:
        values = map(_rounded, values)
    return pa.array(values, kind)


def _rounded(value: Decimal | None) -> Decimal | None:
    """As the server casts it. Raises pa.ArrowInvalid for what has no place in FREE_DECIMAL."""
    if value is None:
        return None
    try:
        return value.quantize(_UNIT, context=_ROUNDING)
    except InvalidOperation as error:
        raise pa.ArrowInvalid(f"{value} has too many digits") from error
