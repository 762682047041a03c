from __future__ import annotations

import pyarrow as pa
import pytest

from seil.warehouse.types import TEXT, TIMESTAMP, common_type, sql_type, stored_type, type_name

INT, DOUBLE, DATE, FLAG = pa.int64(), pa.float64(), pa.date32(), pa.bool_()


def decimal(precision: int, scale: int) -> pa.DataType:
    return pa.decimal128(precision, scale)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (INT, INT, INT),
        (INT, decimal(18, 2), decimal(21, 2)),
        (decimal(18, 2), decimal(16, 4), decimal(20, 4)),
        (decimal(18, 0), decimal(20, 0), decimal(20, 0)),
        (decimal(38, 2), decimal(38, 30), None),
        (INT, decimal(38, 30), None),
        (INT, DOUBLE, DOUBLE),
        (decimal(18, 2), DOUBLE, None),
        (DATE, TIMESTAMP, TIMESTAMP),
        (FLAG, INT, None),
        (TEXT, INT, None),
        (pa.time64("us"), TIMESTAMP, None),
    ],
)
def test_common_type_takes_the_values_of_both(
    one: pa.DataType, other: pa.DataType, expected: pa.DataType | None
) -> None:
    assert common_type(one, other) == expected
    assert common_type(other, one) == expected


@pytest.mark.parametrize(
    ("type_", "stored"),
    [
        (pa.int8(), INT),
        (pa.uint32(), INT),
        (pa.uint64(), decimal(20, 0)),
        (pa.float32(), DOUBLE),
        (pa.decimal256(38, 4), decimal(38, 4)),
        (pa.decimal256(60, 4), None),
        (pa.date64(), DATE),
        (pa.timestamp("ns"), TIMESTAMP),
        (pa.timestamp("s", tz="Australia/Sydney"), TIMESTAMP),
        (pa.time32("ms"), pa.time64("us")),
        (pa.large_string(), TEXT),
        (pa.string_view(), TEXT),
        (pa.dictionary(pa.int32(), pa.string()), TEXT),
        (pa.null(), TEXT),
        (pa.binary(), None),
        (pa.list_(pa.string()), None),
    ],
)
def test_stored_type_reduces_what_files_hold(type_: pa.DataType, stored: pa.DataType) -> None:
    assert stored_type(type_) == stored


def test_types_have_a_name_in_sql_and_for_people() -> None:
    assert sql_type(decimal(18, 2)) == "DECIMAL(18,2)"
    assert sql_type(TIMESTAMP) == "TIMESTAMPTZ"
    assert type_name(decimal(18, 2)) == "decimal(18,2)"
    assert type_name(TIMESTAMP) == "timestamp with time zone"
    assert type_name(pa.list_(pa.int8())) == "list<item: int8>"
