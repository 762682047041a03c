"""What can go wrong in a cast: a value that does not fit, or a type too narrow for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pyarrow as pa

from seil.sf_to_dw.ingest.arrow import ArrowColumn
from seil.sf_to_dw.ingest.column_types import describe_type

_MAX_TEXT = 80


class MisfitError(Exception):
    """The value at `position` (from 0) does not fit the column's type."""

    def __init__(self, position: int, value: object, reason: str) -> None:
        super().__init__(position, value, reason)
        self.position = position
        self.value = value if len(str(value)) <= _MAX_TEXT else f"{str(value)[:_MAX_TEXT]}..."
        self.reason = reason


class NoDecimalError(MisfitError):
    """Numbers that no decimal type holds exactly along with the column's others: NaN, Infinity,
    too many digits. `values` holds a MisfitError per such number, by position.
    """

    def __init__(self, values: Mapping[int, tuple[object, str]]) -> None:
        """`values` maps positions to pairs of value and reason."""
        position = min(values)
        super().__init__(position, *values[position])
        self.values = {at: MisfitError(at, *pair) for at, pair in values.items()}


class TooNarrowError(Exception):
    """The values are valid; `needed` is a type that holds them and those of the current type."""

    def __init__(self, needed: pa.DataType) -> None:
        super().__init__(needed)
        self.needed = needed


def convert(
    column: ArrowColumn, conversion: Callable[[ArrowColumn], ArrowColumn], target: pa.DataType
) -> ArrowColumn:
    """Raises MisfitError for the first value that `conversion` fails on."""
    try:
        return conversion(column)
    except pa.ArrowInvalid:
        position = _first_failing(column, conversion)
        reason = f"is not {describe_type(target)}"
        raise MisfitError(position, value_text(column, position), reason) from None


def recast(column: ArrowColumn, target: pa.DataType) -> ArrowColumn:
    return convert(column, lambda part: part.cast(target), target)


def _first_failing(column: ArrowColumn, conversion: Callable[[ArrowColumn], ArrowColumn]) -> int:
    low, high = 0, len(column)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            conversion(column.slice(low, middle - low))
        except pa.ArrowInvalid:
            high = middle
        else:
            low = middle
    return low


def value_text(column: ArrowColumn, position: int) -> str:
    # as_py needs pandas for a timestamp in nanoseconds.
    value = column.slice(position, 1)
    try:
        return str(value.cast(pa.string())[0].as_py())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return str(value.to_pylist()[0])
