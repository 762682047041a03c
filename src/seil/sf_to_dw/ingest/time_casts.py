"""Casts to dates, times and timestamps, from texts and from times of another precision."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from seil.salesforce.schema import UTC_MICROS
from seil.sf_to_dw.ingest.arrow import ArrowColumn, pc
from seil.sf_to_dw.ingest.misfits import convert, recast

_NANOS = 1000


def text_to_timestamp(text: ArrowColumn) -> ArrowColumn:
    """ISO 8601 with `Z`, `+0000` or `+00:00`; UTC if it has no zone, midnight if it has no time."""
    whole = pc.replace_substring_regex(
        text, pattern=r"^(\d{4}-\d\d-\d\d)$", replacement=r"\1T00:00"
    )
    micros = pc.replace_substring_regex(whole, pattern=r"(\.\d{6})0+", replacement=r"\1")
    zoned = pc.match_substring_regex(micros, r"(Z|[+-]\d\d(:?\d\d)?)$")
    # A bare date, whose end would match as a zone, got a time above.
    return pc.if_else(zoned, micros, pc.binary_join_element_wise(micros, "Z", "")).cast(UTC_MICROS)


def text_to_date(text: ArrowColumn) -> ArrowColumn:
    try:
        return text.cast(pa.date32())
    except pa.ArrowInvalid:
        return _midnight(text_to_timestamp(text))


def text_to_time(text: ArrowColumn) -> ArrowColumn:
    bare = pc.replace_substring_regex(text, pattern=r"Z$", replacement="")
    stamps = pc.binary_join_element_wise("1970-01-01T", bare, "")
    return stamps.cast(pa.timestamp("us")).cast(pa.time64("us"))


def cast_times(column: ArrowColumn, target: pa.DataType) -> ArrowColumn:
    return recast(_micros(column) if _is_nanoseconds(column.type) else column, target)


def timestamps_to_dates(column: ArrowColumn, target: pa.DataType) -> ArrowColumn:
    micros = _micros(column) if _is_nanoseconds(column.type) else column
    return convert(micros, lambda part: _midnight(part.cast(UTC_MICROS)), target)


def _midnight(stamps: ArrowColumn) -> ArrowColumn:
    days = stamps.cast(pa.date32())
    if not pc.all(pc.equal(days.cast(stamps.type), stamps), min_count=0).as_py():
        raise pa.ArrowInvalid("has a time of day, expected a date")
    return days


def is_finer_than_micros(column: ArrowColumn) -> bool:
    """Whether truncation to microseconds would change a value."""
    if not _is_nanoseconds(column.type):
        return False
    return not pc.all(pc.equal(_nanoseconds(_micros(column)), column), min_count=0).as_py()


def _is_nanoseconds(kind: pa.DataType) -> bool:
    is_timed = pa.types.is_timestamp(kind) or pa.types.is_time64(kind)
    return is_timed and getattr(kind, "unit", "") == "ns"


def _micros(column: ArrowColumn) -> ArrowColumn:
    """Nanoseconds truncated to the earlier microsecond, as pyarrow does when it reads INT96."""
    counts = column.view(pa.int64())
    rest = pc.subtract(counts, pc.multiply(pc.divide(counts, _NANOS), _NANOS))
    floor = pc.subtract(pc.divide(counts, _NANOS), pc.cast(pc.less(rest, 0), pa.int64()))
    return floor.view(_with_unit(column.type, "us"))


def _nanoseconds(column: ArrowColumn) -> ArrowColumn:
    return pc.multiply(column.view(pa.int64()), _NANOS).view(_with_unit(column.type, "ns"))


def _with_unit(kind: Any, unit: Any) -> pa.DataType:
    return pa.timestamp(unit, kind.tz) if pa.types.is_timestamp(kind) else pa.time64(unit)
