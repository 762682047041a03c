"""Lossless casts of landed columns to the types they are stored as.

Texts are parsed, numbers may come as another number type. A value that does not fit is never
rounded: either the column needs a wider type (`TooNarrowError`), or the value is none of its type
(`MisfitError`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal
from math import isinf
from typing import Any

import pyarrow as pa

from seil.salesforce.ids import ID_LETTERS, id18
from seil.salesforce.schema import UTC_MICROS
from seil.sf_to_dw.ingest.arrow import ArrowColumn, nulls, pc

_DECIMALS = (pa.Decimal32Type, pa.Decimal64Type, pa.Decimal128Type, pa.Decimal256Type)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)
_SHORT_ID_LENGTH = 15
# Numbers, too, though no decimal holds them.
_NO_DECIMAL = re.compile(
    r"[+-]?(nan|inf|infinity|(\d+\.?\d*|\.\d+)e[+-]?\d+)", re.ASCII | re.IGNORECASE
)
_NANOS = 1000
_MAX_DIGITS = 38
_INT64_DIGITS = 19
_INT64 = range(-(2**63), 2**63)
_MAX_TEXT = 80
# Precise enough for every literal: normalising never rounds.
_WIDE = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)


class MisfitError(Exception):
    """The value at `position` (from 0) does not fit the column's type."""

    def __init__(self, position: int, value: object, reason: str) -> None:
        super().__init__(position, value, reason)
        self.position = position
        self.value = value if len(str(value)) <= _MAX_TEXT else f"{str(value)[:_MAX_TEXT]}..."
        self.reason = reason


class NoDecimalError(MisfitError):
    """Numbers that no decimal type holds exactly together with the column's others: NaN, Infinity,
    too many digits. `values` are all of them, by position.
    """

    def __init__(self, values: Mapping[int, tuple[object, str]]) -> None:
        """`values` are pairs of value and reason."""
        position = min(values)
        super().__init__(position, *values[position])
        self.values = {at: MisfitError(at, *pair) for at, pair in values.items()}


class TooNarrowError(Exception):
    """The values are valid; `needed` is the type that holds them and all earlier ones."""

    def __init__(self, needed: pa.DataType) -> None:
        super().__init__(needed)
        self.needed = needed


class UnknownTypeError(Exception):
    """A type that no field of Salesforce has."""


def default_type(landed: pa.DataType) -> pa.DataType:
    """The type that a landed column without an expected type is stored as.

    Raises UnknownTypeError.
    """
    landed = _plain_type(landed)
    if pa.types.is_uint64(landed):
        return pa.decimal128(20, 0)
    if isinstance(landed, _DECIMALS):
        return pa.decimal128(min(landed.precision, _MAX_DIGITS), landed.scale)
    for matches, default in _DEFAULTS:
        if matches(landed):
            return default
    raise UnknownTypeError(str(landed))


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
    convert = _CONVERSIONS.get((_kind(plain.type), _kind(target)))
    if convert is None or pa.types.is_nested(plain.type):
        position = pc.index(pc.is_valid(plain), value=True).as_py()
        reason = f"is of type {plain.type}, expected {_type_text(target)}"
        raise MisfitError(position, _value_text(plain, position), reason)
    return convert(plain, target)


def cast_or_null(
    column: ArrowColumn, target: pa.DataType
) -> tuple[ArrowColumn, Mapping[int, MisfitError]]:
    """Like `cast`, but null where no decimal holds the number; also the errors by position."""
    try:
        return cast(column, target), {}
    except NoDecimalError as error:
        plain = _plain(column)
        is_misfit = pa.array([position in error.values for position in range(len(plain))])
        null = pa.scalar(None, plain.type)
        return cast(pc.if_else(is_misfit, null, plain), target), error.values


def as_text(column: ArrowColumn) -> ArrowColumn:
    """Values of any type as text; nested ones as JSON."""
    if pa.types.is_nested(column.type):
        return as_json(column)
    return _without_empty(_plain(column).cast(pa.string()))


def _from_text(text: ArrowColumn, target: pa.DataType) -> ArrowColumn:
    filled = _without_empty(text)
    kind = _kind(target)
    if kind in ("decimal", "int"):
        return _numbers_from_text(filled, target)
    return _convert(filled, _TEXT[kind], target)


def _without_empty(text: ArrowColumn) -> ArrowColumn:
    """Empty texts as null: Salesforce has none, and some tools write null so."""
    empty = pc.equal(pc.binary_length(text), 0)
    if not pc.any(empty).as_py():
        return text
    return pc.if_else(empty, pa.scalar(None, pa.string()), text)


def with_full_ids(ids: ArrowColumn) -> ArrowColumn:
    """Completes well-formed Ids of 15 characters to 18; other values stay."""
    no = pa.scalar(value=False)
    short = pc.fill_null(pc.equal(pc.binary_length(ids), _SHORT_ID_LENGTH), no)
    if not pc.any(short).as_py():
        return ids
    short = pc.and_(short, pc.fill_null(pc.match_substring_regex(ids, ID_LETTERS), no))
    full = [id18(text) for text in ids.filter(short).to_pylist()]
    return pc.replace_with_mask(ids, short, pa.array(full, pa.string()))


def _convert(
    column: ArrowColumn, convert: Callable[[ArrowColumn], ArrowColumn], target: pa.DataType
) -> ArrowColumn:
    try:
        return convert(column)
    except pa.ArrowInvalid:
        position = _first_failing(column, convert)
        reason = f"is not {_type_text(target)}"
        raise MisfitError(position, _value_text(column, position), reason) from None


def _first_failing(column: ArrowColumn, convert: Callable[[ArrowColumn], ArrowColumn]) -> int:
    low, high = 0, len(column)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            convert(column.slice(low, middle - low))
        except pa.ArrowInvalid:
            high = middle
        else:
            low = middle
    return low


def _text_to_timestamp(text: ArrowColumn) -> ArrowColumn:
    """ISO 8601 with `Z`, `+0000` or `+00:00`; without a zone it is UTC, a date is its midnight."""
    whole = pc.replace_substring_regex(
        text, pattern=r"^(\d{4}-\d\d-\d\d)$", replacement=r"\1T00:00"
    )
    micros = pc.replace_substring_regex(whole, pattern=r"(\.\d{6})0+", replacement=r"\1")
    zoned = pc.match_substring_regex(micros, r"(Z|[+-]\d\d(:?\d\d)?)$")
    # A bare date's last hyphen would match as a zone; it got a time above.
    return pc.if_else(zoned, micros, pc.binary_join_element_wise(micros, "Z", "")).cast(UTC_MICROS)


def _text_to_date(text: ArrowColumn) -> ArrowColumn:
    try:
        return text.cast(pa.date32())
    except pa.ArrowInvalid:
        return _midnight(_text_to_timestamp(text))


def _midnight(stamps: ArrowColumn) -> ArrowColumn:
    days = stamps.cast(pa.date32())
    if not pc.all(pc.equal(days.cast(stamps.type), stamps), min_count=0).as_py():
        raise pa.ArrowInvalid("a time of day where a date is expected")
    return days


def _text_to_time(text: ArrowColumn) -> ArrowColumn:
    bare = pc.replace_substring_regex(text, pattern=r"Z$", replacement="")
    stamps = pc.binary_join_element_wise("1970-01-01T", bare, "")
    return stamps.cast(pa.timestamp("us")).cast(pa.time64("us"))


def _numbers_from_text(text: ArrowColumn, target: pa.DataType) -> ArrowColumn:
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
            no_decimals[position] = (value, f"is not {_type_text(target)}")
            if not _NO_DECIMAL.fullmatch(value):
                raise MisfitError(position, *no_decimals[position])
    return _exact(numbers, target, no_decimals)


def _numbers(column: ArrowColumn, target: pa.DataType) -> ArrowColumn:
    try:
        if pa.types.is_integer(column.type) and pa.types.is_decimal(target):
            column = column.cast(pa.decimal128(20, 0))
        return column.cast(target)
    except pa.ArrowInvalid:
        return _exact([None if v is None else Decimal(v) for v in column.to_pylist()], target)


def _floats(column: ArrowColumn, target: pa.DataType) -> ArrowColumn:
    """A double counts as the decimal of its 15 significant digits, NaN as null."""
    values = pc.if_else(pc.is_nan(column), pa.scalar(None, column.type), column)
    # By way of its shortest text: cast to a double, the float32 0.1 is 0.10000000149.
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
        n: (v, f"is not {_type_text(target)}") for n, v in enumerate(floats) if v and isinf(v)
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
        if max(digits, whole) + max(scale, fraction) > _MAX_DIGITS:
            misfits[position] = (number, f"needs more than {_MAX_DIGITS} digits to keep")
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
    """Its digits before and after the point."""
    if isinstance(target, pa.Decimal128Type):
        return target.precision - target.scale, target.scale
    return _INT64_DIGITS, 0


def _digits(number: Decimal) -> tuple[int, int]:
    """Its digits before and after the point, without trailing zeros."""
    normal = number.normalize(_WIDE)
    scale = -int(normal.as_tuple().exponent)
    return max(normal.adjusted() + 1, 0), max(scale, 0)


def _booleans(column: ArrowColumn, target: pa.DataType) -> ArrowColumn:
    return _convert(column, lambda part: part.cast(pa.string()).cast(target), target)


def is_finer(column: ArrowColumn) -> bool:
    """Whether it has times finer than a microsecond."""
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


def _times(column: ArrowColumn, target: pa.DataType) -> ArrowColumn:
    return _recast(_micros(column) if _is_nanoseconds(column.type) else column, target)


def _recast(column: ArrowColumn, target: pa.DataType) -> ArrowColumn:
    return _convert(column, lambda part: part.cast(target), target)


def _days(column: ArrowColumn, target: pa.DataType) -> ArrowColumn:
    micros = _micros(column) if _is_nanoseconds(column.type) else column
    return _convert(micros, lambda part: _midnight(part.cast(UTC_MICROS)), target)


def to_default_type(column: ArrowColumn) -> ArrowColumn:
    """As `default_type`, nested values as JSON."""
    if pa.types.is_nested(column.type):
        return as_json(column)
    return cast(column, default_type(column.type))


def as_json(column: ArrowColumn) -> ArrowColumn:
    """Structures and lists, which no Salesforce field has, as JSON text."""
    texts = [
        None if value is None else json.dumps(value, ensure_ascii=False, default=str)
        for value in column.to_pylist()
    ]
    return pa.array(texts, pa.string())


def is_convertible(landed: pa.DataType, target: pa.DataType) -> bool:
    """False when no value of a `landed` column can be cast to `target`."""
    landed = _plain_type(landed)
    if landed == target or _is_text(landed) or pa.types.is_null(landed):
        return True
    return not pa.types.is_nested(landed) and (_kind(landed), _kind(target)) in _CONVERSIONS


def _value_text(column: ArrowColumn, position: int) -> str:
    # Not as_py: a timestamp in nanoseconds would need pandas.
    value = column.slice(position, 1)
    try:
        return str(value.cast(pa.string())[0].as_py())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return str(value.to_pylist()[0])


def _plain_type(landed: pa.DataType) -> pa.DataType:
    if isinstance(landed, pa.BaseExtensionType):
        return _plain_type(landed.storage_type)
    if isinstance(landed, pa.DictionaryType):
        return _plain_type(landed.value_type)
    return landed


def _plain(column: ArrowColumn) -> ArrowColumn:
    if isinstance(column, pa.ExtensionArray):
        return _plain(column.storage)
    if pa.types.is_dictionary(column.type):
        return _plain(column.dictionary_decode())
    if _is_text(column.type) and not pa.types.is_string(column.type):
        return _convert(column, lambda part: part.cast(pa.string()), pa.string())
    return column


def _is_text(kind: pa.DataType) -> bool:
    return (
        pa.types.is_string(kind)
        or pa.types.is_large_string(kind)
        or pa.types.is_string_view(kind)
        or pa.types.is_binary(kind)
        or pa.types.is_large_binary(kind)
    )


_DEFAULTS: tuple[tuple[Callable[[pa.DataType], bool], pa.DataType], ...] = (
    (_is_text, pa.string()),
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


def _kind(kind: pa.DataType) -> str:
    return next((name for matches, name in _KINDS if matches(kind)), "text")


_DESCRIPTIONS = {
    "bool": "a truth value (true, false)",
    "int": "a whole number",
    "float": "a number",
    "timestamp": "a date and time (ISO 8601)",
    "date": "a date (yyyy-mm-dd)",
    "time": "a time of day",
    "text": "text",
}


def _type_text(target: pa.DataType) -> str:
    if pa.types.is_decimal(target):
        return f"a number, {target}"
    return _DESCRIPTIONS[_kind(target)]


_TEXT: dict[str, Callable[[ArrowColumn], ArrowColumn]] = {
    "bool": lambda text: text.cast(pa.bool_()),
    "float": lambda text: text.cast(pa.float64()),
    "timestamp": _text_to_timestamp,
    "date": _text_to_date,
    "time": _text_to_time,
}

_CONVERSIONS: dict[tuple[str, str], Callable[[ArrowColumn, pa.DataType], ArrowColumn]] = {
    ("int", "int"): _numbers,
    ("int", "decimal"): _numbers,
    ("decimal", "int"): _numbers,
    ("decimal", "decimal"): _numbers,
    ("float", "int"): _floats,
    ("float", "decimal"): _floats,
    ("float", "float"): _recast,
    ("int", "float"): _recast,
    ("decimal", "float"): _recast,
    ("int", "bool"): _booleans,
    ("timestamp", "timestamp"): _times,
    ("date", "timestamp"): _recast,
    ("timestamp", "date"): _days,
    ("date", "date"): _recast,
    ("time", "time"): _times,
}
