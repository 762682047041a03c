"""Lossless casts of landed columns to the types they are stored as.

Texts are parsed, and numbers may change their number type. No value is ever rounded: either the
column needs a wider type (`TooNarrowError`), or the value cannot be one of that type
(`MisfitError`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import pyarrow as pa

from seil.salesforce.ids import ID_LETTERS, id18
from seil.sf_to_dw.ingest.arrow import ArrowColumn, nulls, pc
from seil.sf_to_dw.ingest.column_types import (
    default_type,
    describe_type,
    is_text,
    plain_type,
    type_kind,
)
from seil.sf_to_dw.ingest.misfits import MisfitError, NoDecimalError, convert, recast, value_text
from seil.sf_to_dw.ingest.number_casts import cast_numbers, floats_to_numbers, text_to_numbers
from seil.sf_to_dw.ingest.time_casts import (
    cast_times,
    text_to_date,
    text_to_time,
    text_to_timestamp,
    timestamps_to_dates,
)

_SHORT_ID_LENGTH = 15


def cast(column: ArrowColumn, target: pa.DataType) -> ArrowColumn:
    """Raises MisfitError or TooNarrowError."""
    plain = _plain(column)
    if plain.null_count == len(plain):
        return nulls(len(plain), target)
    if pa.types.is_string(plain.type) and pa.types.is_string(target):
        return _without_empty(plain)
    if plain.type == target:
        return plain
    if pa.types.is_string(plain.type):
        return _from_text(plain, target)
    convert = _CONVERSIONS.get((type_kind(plain.type), type_kind(target)))
    if convert is None or pa.types.is_nested(plain.type):
        position = pc.index(pc.is_valid(plain), value=True).as_py()
        reason = f"is of type {plain.type}, expected {describe_type(target)}"
        raise MisfitError(position, value_text(plain, position), reason)
    return convert(plain, target)


def cast_or_null(
    column: ArrowColumn, target: pa.DataType
) -> tuple[ArrowColumn, Mapping[int, MisfitError]]:
    """Like `cast`, with nulls for numbers that no decimal holds; and their errors, by position."""
    try:
        return cast(column, target), {}
    except NoDecimalError as error:
        plain = _plain(column)
        is_misfit = pa.array([position in error.values for position in range(len(plain))])
        null = pa.scalar(None, plain.type)
        return cast(pc.if_else(is_misfit, null, plain), target), error.values


def to_default_type(column: ArrowColumn) -> ArrowColumn:
    """Casts to the `default_type`; nested values become JSON."""
    if pa.types.is_nested(column.type):
        return as_json(column)
    return cast(column, default_type(column.type))


def as_text(column: ArrowColumn) -> ArrowColumn:
    """Values of any type as text; nested ones as JSON."""
    if pa.types.is_nested(column.type):
        return as_json(column)
    return _without_empty(_plain(column).cast(pa.string()))


def as_json(column: ArrowColumn) -> ArrowColumn:
    """Converts structures and lists, which no Salesforce field has, to JSON text."""
    texts = [
        None if value is None else json.dumps(value, ensure_ascii=False, default=str)
        for value in column.to_pylist()
    ]
    return pa.array(texts, pa.string())


def with_full_ids(ids: ArrowColumn) -> ArrowColumn:
    """Completes well-formed Ids of 15 characters to 18; other values stay."""
    no = pa.scalar(value=False)
    short = pc.fill_null(pc.equal(pc.binary_length(ids), _SHORT_ID_LENGTH), no)
    if not pc.any(short).as_py():
        return ids
    short = pc.and_(short, pc.fill_null(pc.match_substring_regex(ids, ID_LETTERS), no))
    full = [id18(text) for text in ids.filter(short).to_pylist()]
    return pc.replace_with_mask(ids, short, pa.array(full, pa.string()))


def is_convertible(landed: pa.DataType, target: pa.DataType) -> bool:
    """False when no value of a `landed` column can be cast to `target`."""
    landed = plain_type(landed)
    if landed == target or is_text(landed) or pa.types.is_null(landed):
        return True
    return not pa.types.is_nested(landed) and (type_kind(landed), type_kind(target)) in _CONVERSIONS


def _from_text(text: ArrowColumn, target: pa.DataType) -> ArrowColumn:
    filled = _without_empty(text)
    kind = type_kind(target)
    if kind in ("decimal", "int"):
        return text_to_numbers(filled, target)
    return convert(filled, _FROM_TEXT[kind], target)


def _without_empty(text: ArrowColumn) -> ArrowColumn:
    """Replaces empty texts by null: Salesforce has none, and some tools write null that way."""
    empty = pc.equal(pc.binary_length(text), 0)
    if not pc.any(empty).as_py():
        return text
    return pc.if_else(empty, pa.scalar(None, pa.string()), text)


def _plain(column: ArrowColumn) -> ArrowColumn:
    if isinstance(column, pa.ExtensionArray):
        return _plain(column.storage)
    if pa.types.is_dictionary(column.type):
        return _plain(column.dictionary_decode())
    if is_text(column.type) and not pa.types.is_string(column.type):
        return convert(column, lambda part: part.cast(pa.string()), pa.string())
    return column


def _booleans(column: ArrowColumn, target: pa.DataType) -> ArrowColumn:
    return convert(column, lambda part: part.cast(pa.string()).cast(target), target)


_FROM_TEXT: dict[str, Callable[[ArrowColumn], ArrowColumn]] = {
    "bool": lambda text: text.cast(pa.bool_()),
    "float": lambda text: text.cast(pa.float64()),
    "timestamp": text_to_timestamp,
    "date": text_to_date,
    "time": text_to_time,
}
_CONVERSIONS: dict[tuple[str, str], Callable[[ArrowColumn, pa.DataType], ArrowColumn]] = {
    ("int", "int"): cast_numbers,
    ("int", "decimal"): cast_numbers,
    ("decimal", "int"): cast_numbers,
    ("decimal", "decimal"): cast_numbers,
    ("float", "int"): floats_to_numbers,
    ("float", "decimal"): floats_to_numbers,
    ("float", "float"): recast,
    ("int", "float"): recast,
    ("decimal", "float"): recast,
    ("int", "bool"): _booleans,
    ("timestamp", "timestamp"): cast_times,
    ("date", "timestamp"): recast,
    ("timestamp", "date"): timestamps_to_dates,
    ("date", "date"): recast,
    ("time", "time"): cast_times,
}
