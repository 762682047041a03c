"""Exact casts to integers and decimals, from texts, numbers and floats."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal
from math import isinf
from typing import Any

import pyarrow as pa

from seil.sf_to_dw.ingest.arrow import ArrowColumn, pc
from seil.sf_to_dw.ingest.column_types import MAX_DIGITS, describe_type
from seil.sf_to_dw.ingest.misfits import MisfitError, NoDecimalError, TooNarrowError

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
# Numbers that `Decimal` or a decimal column cannot hold.
_NUMBER_WITHOUT_DECIMAL = re.compile(
    r"[+-]?(nan|inf|infinity|(\d+\.?\d*|\.\d+)e[+-]?\d+)", re.ASCII | re.IGNORECASE
)
_INT64_DIGITS = 19
_INT64 = range(-(2**63), 2**63)
# Precise enough for every literal: normalising never rounds.
_WIDE = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)


def text_to_numbers(text: ArrowColumn, target: pa.DataType) -> ArrowColumn:
    try:
        return text.cast(target)
    except pa.ArrowInvalid:
        pass
    numbers: list[Decimal | None] = []
    no_decimals: dict[int, tuple[object, str]] = {}
    for position, value in enumerate(text.to_pylist()):
        is_number = value is not None and _NUMBER.fullmatch(value)
        numbers.append(Decimal(value) if is_number else None)
        if value is not None and not is_number:
            no_decimals[position] = (value, f"is not {describe_type(target)}")
            if not _NUMBER_WITHOUT_DECIMAL.fullmatch(value):
                raise MisfitError(position, *no_decimals[position])
    return _exact(numbers, target, no_decimals)


def cast_numbers(column: ArrowColumn, target: pa.DataType) -> ArrowColumn:
    try:
        if pa.types.is_integer(column.type) and pa.types.is_decimal(target):
            column = column.cast(pa.decimal128(20, 0))
        return column.cast(target)
    except pa.ArrowInvalid:
        return _exact([None if v is None else Decimal(v) for v in column.to_pylist()], target)


def floats_to_numbers(column: ArrowColumn, target: pa.DataType) -> ArrowColumn:
    """Converts a double by its 15 significant digits; NaN becomes null."""
    values = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
    # Through its shortest text: a direct cast makes the float32 0.1 the double 0.10000000149.
    if not pa.types.is_float64(values.type):
        values = values.cast(pa.string()).cast(pa.float64())
    try:
        exact = values.cast(target)
        if pc.all(pc.equal(exact.cast(pa.float64()), values), min_count=0).as_py():
            return exact
    except pa.ArrowInvalid:
        pass
    floats = values.to_pylist()
    infinite = {
        n: (v, f"is not {describe_type(target)}") for n, v in enumerate(floats) if v and isinf(v)
    }
    numbers = [None if n in infinite else _to_decimal(value) for n, value in enumerate(floats)]
    return _exact(numbers, target, infinite)


def _to_decimal(value: float | None) -> Decimal | None:
    return None if value is None else Decimal(f"{value:.15g}")


def _exact(
    numbers: Sequence[Decimal | None],
    target: pa.DataType,
    no_decimals: Mapping[int, tuple[object, str]] | None = None,
) -> ArrowColumn:
    """Raises TooNarrowError with the decimal type that holds these numbers and all of `target`.

    Raises NoDecimalError where that would need more than 38 digits, and for `no_decimals`.
    """
    misfits = dict(no_decimals or {})
    is_int = pa.types.is_integer(target)
    digits, scale = _capacity(target)
    fits = True
    for position, number in enumerate(numbers):
        if not number:
            continue
        whole, fraction = _digits(number)
        if max(digits, whole) + max(scale, fraction) > MAX_DIGITS:
            misfits[position] = (number, f"needs more than {MAX_DIGITS} digits to keep")
            continue
        fits &= (
            (fraction == 0 and int(number) in _INT64)
            if is_int
            else (whole <= digits and fraction <= scale)
        )
        digits, scale = max(digits, whole), max(scale, fraction)
    if misfits:
        raise NoDecimalError(misfits)
    if not fits:
        raise TooNarrowError(pa.decimal128(digits + scale, scale))
    values: list[Any] = (
        [int(n) if n is not None else None for n in numbers] if is_int else [*numbers]
    )
    return pa.array(values, target)


def _capacity(target: pa.DataType) -> tuple[int, int]:
    """The digits that it holds before and after the point."""
    if isinstance(target, pa.Decimal128Type):
        return target.precision - target.scale, target.scale
    return _INT64_DIGITS, 0


def _digits(number: Decimal) -> tuple[int, int]:
    """The digits before and after the point, without trailing zeros."""
    normal = number.normalize(_WIDE)
    scale = -int(normal.as_tuple().exponent)
    return max(normal.adjusted() + 1, 0), max(scale, 0)
