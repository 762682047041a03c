from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seil.salesforce.schema import UTC_MICROS
from seil.sf_to_dw.ingest.casts import as_json, cast, is_convertible
from seil.sf_to_dw.ingest.column_types import UnknownTypeError, default_type
from seil.sf_to_dw.ingest.misfits import MisfitError, TooNarrowError

MONEY = pa.decimal128(18, 2)
DAY = pa.date32()
NOON = datetime(2020, 8, 6, 12, tzinfo=UTC)


def column(values: list[Any], kind: pa.DataType | None = None) -> Any:
    return pa.array(values, kind)


@pytest.mark.parametrize(
    ("text", "target", "expected"),
    [
        ("2020-08-06T12:00:00.000Z", UTC_MICROS, NOON),
        ("2020-08-06T12:00:00.000+0000", UTC_MICROS, NOON),
        ("2020-08-06T22:00:00+10:00", UTC_MICROS, NOON),
        ("2020-08-06T12:00:00", UTC_MICROS, NOON),
        ("2020-08-06 12:00:00.0000000Z", UTC_MICROS, NOON),
        ("2020-08-06", UTC_MICROS, datetime(2020, 8, 6, tzinfo=UTC)),
        ("2020-08-06", DAY, date(2020, 8, 6)),
        ("2020-08-06T00:00:00.000Z", DAY, date(2020, 8, 6)),
        ("14:16:08.123Z", pa.time64("us"), time(14, 16, 8, 123000)),
        ("14:16:08", pa.time64("us"), time(14, 16, 8)),
        ("true", pa.bool_(), True),
        ("False", pa.bool_(), False),
        ("42", pa.int64(), 42),
        ("42.0", pa.int64(), 42),
        ("1.5", MONEY, Decimal("1.50")),
        ("1.0E7", MONEY, Decimal("10000000.00")),
        ("1.500", MONEY, Decimal("1.50")),
        ("0E3", MONEY, Decimal("0.00")),
        ("1e-2", MONEY, Decimal("0.01")),
        ("", MONEY, None),
        ("", UTC_MICROS, None),
        ("2.5", pa.float64(), 2.5),
        ("NA", pa.string(), "NA"),
        ("", pa.string(), None),
        ("007", pa.string(), "007"),
    ],
)
def test_text_is_read_as_what_it_says(text: str, target: pa.DataType, expected: object) -> None:
    assert cast(column([text, None]), target).to_pylist() == [expected, None]


@pytest.mark.parametrize(
    ("values", "kind", "target", "expected"),
    [
        ([1, None], pa.int32(), pa.int64(), [1, None]),
        ([1], pa.uint64(), MONEY, [Decimal("1.00")]),
        ([1.0, float("nan")], pa.float64(), pa.int64(), [1, None]),
        ([0.1 + 0.2, 12.34], pa.float64(), MONEY, [Decimal("0.30"), Decimal("12.34")]),
        ([0.1], pa.float32(), MONEY, [Decimal("0.10")]),
        ([0.5], pa.float32(), pa.float64(), [0.5]),
        ([Decimal("5.00")], MONEY, pa.int64(), [5]),
        ([Decimal("5.100")], pa.decimal128(38, 18), MONEY, [Decimal("5.10")]),
        ([Decimal("5.1")], pa.decimal256(50, 1), MONEY, [Decimal("5.10")]),
        ([1, 0], pa.int8(), pa.bool_(), [True, False]),
        ([NOON.replace(tzinfo=None)], pa.timestamp("ms"), UTC_MICROS, [NOON]),
        ([NOON], pa.timestamp("ns", tz="Australia/Sydney"), UTC_MICROS, [NOON]),
        ([date(2020, 8, 6)], pa.date64(), DAY, [date(2020, 8, 6)]),
        ([date(2020, 8, 6)], DAY, UTC_MICROS, [datetime(2020, 8, 6, tzinfo=UTC)]),
        ([datetime(2020, 8, 6)], pa.timestamp("ns"), DAY, [date(2020, 8, 6)]),  # noqa: DTZ001
        ([time(1, 2)], pa.time32("ms"), pa.time64("us"), [time(1, 2)]),
        (["a", None], pa.large_string(), pa.string(), ["a", None]),
        ([b"a"], pa.binary(), pa.string(), ["a"]),
        (["a", "a"], pa.dictionary(pa.int32(), pa.string()), pa.string(), ["a", "a"]),
        ([None, None], pa.null(), MONEY, [None, None]),
        ([None], pa.float64(), pa.string(), [None]),
    ],
)
def test_other_types_become_the_kept_one(
    values: list[Any], kind: pa.DataType, target: pa.DataType, expected: list[Any]
) -> None:
    result = cast(column(values, kind), target)
    assert result.type == target
    assert result.to_pylist() == expected


@pytest.mark.parametrize(
    ("values", "kind", "target", "position", "reason"),
    [
        (["1", "2", "abc", "4"], pa.string(), MONEY, 2, "'abc' is not a number"),
        (["1", "NaN"], pa.string(), MONEY, 1, "'NaN' is not a number"),
        (["1e60"], pa.string(), MONEY, 0, "needs more than 38 digits"),
        (["2020-02-30"], pa.string(), DAY, 0, "is not a date"),
        (["2020-02-03", "2020-02-03T10:00:00Z"], pa.string(), DAY, 1, "is not a date"),
        (["2020-01-01", "x", "2020-01-01", "y"], pa.string(), DAY, 1, "'x' is not a date"),
        (["yes"], pa.string(), pa.bool_(), 0, "is not a truth value"),
        ([1, 2], pa.int8(), pa.bool_(), 1, "is not a truth value"),
        (["25:00"], pa.string(), pa.time64("us"), 0, "is not a time of day"),
        ([None, 7], pa.int64(), pa.string(), 1, "is of type int64, expected text"),
        ([True], pa.bool_(), MONEY, 0, "is of type bool"),
        ([1.0, float("inf")], pa.float64(), MONEY, 1, "is not a number"),
        ([b"\xff"], pa.binary(), pa.string(), 0, "is not text"),
        ([{"x": 1}], None, MONEY, 0, "is of type struct"),
        ([5], pa.int64(), UTC_MICROS, 0, "is of type int64, expected a date and time"),
    ],
)
def test_value_that_fits_nowhere_is_named(
    values: list[Any],
    kind: pa.DataType | None,
    target: pa.DataType,
    position: int,
    reason: str,
) -> None:
    with pytest.raises(MisfitError) as caught:
        cast(column(values, kind), target)
    assert caught.value.position == position
    assert reason in f"{caught.value.value!r} {caught.value.reason}"


def test_long_value_is_shown_in_part() -> None:
    with pytest.raises(MisfitError) as caught:
        cast(column(["x" * 1000]), MONEY)
    assert len(str(caught.value.value)) < 100


@pytest.mark.parametrize(
    ("values", "kind", "target", "needed"),
    [
        (["1.25", "1.2345"], pa.string(), MONEY, pa.decimal128(20, 4)),
        (["12345678901234567.1"], pa.string(), MONEY, pa.decimal128(19, 2)),
        (["12.5"], pa.string(), pa.int64(), pa.decimal128(20, 1)),
        (["9223372036854775808"], pa.string(), pa.int64(), pa.decimal128(19, 0)),
        ([1.25], pa.float64(), pa.int64(), pa.decimal128(21, 2)),
        ([0.123], pa.float64(), MONEY, pa.decimal128(19, 3)),
        ([Decimal("0.123")], pa.decimal128(10, 3), MONEY, pa.decimal128(19, 3)),
        ([10**17], pa.int64(), MONEY, pa.decimal128(20, 2)),
        ([1e17], pa.float64(), MONEY, pa.decimal128(20, 2)),
    ],
)
def test_value_that_would_be_cut_asks_for_a_wider_type(
    values: list[Any], kind: pa.DataType, target: pa.DataType, needed: pa.DataType
) -> None:
    with pytest.raises(TooNarrowError) as caught:
        cast(column(values, kind), target)
    assert caught.value.needed == needed


@given(st.lists(st.decimals(allow_nan=False, allow_infinity=False, places=3) | st.none()))
def test_decimals_survive_as_text(values: list[Decimal | None]) -> None:
    texts = column([None if v is None else str(v) for v in values], pa.string())
    target: pa.DataType = MONEY
    try:
        result = cast(texts, target)
    except TooNarrowError as error:
        result = cast(texts, error.needed)
    except MisfitError:
        assert max(len(str(value)) for value in values) > 30
        return
    assert result.to_pylist() == values


@given(st.lists(st.floats(allow_nan=False, min_value=-1e12, max_value=1e12)))
def test_doubles_keep_their_sure_digits(values: list[float]) -> None:
    target: pa.DataType = pa.decimal128(18, 2)
    try:
        result = cast(column(values, pa.float64()), target)
    except TooNarrowError as error:
        result = cast(column(values, pa.float64()), error.needed)
    except MisfitError:
        return
    for given_value, stored in zip(values, result.to_pylist(), strict=True):
        assert float(stored) == pytest.approx(given_value, rel=1e-14)


@pytest.mark.parametrize(
    ("landed", "expected"),
    [
        (pa.int16(), pa.int64()),
        (pa.uint64(), pa.decimal128(20, 0)),
        (pa.float32(), pa.float64()),
        (pa.decimal32(5, 1), pa.decimal128(5, 1)),
        (pa.decimal256(60, 2), pa.decimal128(38, 2)),
        (pa.timestamp("ns"), UTC_MICROS),
        (pa.date64(), DAY),
        (pa.time32("s"), pa.time64("us")),
        (pa.large_string(), pa.string()),
        (pa.binary(), pa.string()),
        (pa.dictionary(pa.int8(), pa.large_string()), pa.string()),
        (pa.list_(pa.int64()), pa.string()),
        (pa.json_(), pa.string()),
        (pa.null(), pa.null()),
    ],
)
def test_new_column_gets_a_type_that_is_kept(landed: pa.DataType, expected: pa.DataType) -> None:
    assert default_type(landed) == expected


@pytest.mark.parametrize("landed", [pa.duration("s"), pa.binary(16), pa.month_day_nano_interval()])
def test_type_of_no_field_is_refused(landed: pa.DataType) -> None:
    with pytest.raises(UnknownTypeError):
        default_type(landed)


def test_extension_column_is_read_as_what_it_stores() -> None:
    stored = pa.array(['{"a": 1}'])
    wrapped: Any = pa.ExtensionArray.from_storage(pa.json_(), stored)
    assert cast(wrapped, pa.string()).to_pylist() == ['{"a": 1}']


def test_structures_become_json() -> None:
    assert as_json(column([{"a": "é"}, None])).to_pylist() == ['{"a": "é"}', None]


@pytest.mark.parametrize(
    ("landed", "target", "expected"),
    [
        (pa.string(), MONEY, True),
        (pa.int64(), MONEY, True),
        (pa.int64(), pa.string(), False),
        (pa.null(), MONEY, True),
        (pa.list_(pa.int64()), pa.string(), False),
    ],
)
def test_convertible_types(landed: pa.DataType, target: pa.DataType, *, expected: bool) -> None:
    assert is_convertible(landed, target) is expected
