import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seil.salesforce.ids import id18
from seil.sandbox.salesforce.record_ids import (
    LARGEST_IN_SQL,
    id_sql,
    number_sql,
    record_id,
)


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("001A0000006Vm9u", "001A0000006Vm9uIAC"),
        ("001A0000006Vm9r", "001A0000006Vm9rIAC"),
        ("000000000000000", "000000000000000AAA"),
        ("ABCDEABCDEABCDE", "ABCDEABCDEABCDE555"),
        ("01254000001upcK", "01254000001upcKAAQ"),
    ],
)
def test_id18_is_salesforces_checksum(short: str, long: str) -> None:
    assert id18(short) == long
    assert id18(long) == long


@pytest.mark.parametrize("wrong", ["", "001", "001A0000006Vm9uIA", "x" * 19])
def test_id18_of_another_length(wrong: str) -> None:
    with pytest.raises(ValueError, match="is not a Salesforce Id"):
        id18(wrong)


@given(st.lists(st.integers(0, LARGEST_IN_SQL), min_size=1, max_size=20))
def test_sql_makes_the_same_ids_and_finds_their_numbers(numbers: list[int]) -> None:
    source = "SELECT unnest(?::BIGINT[]) AS n"
    query = f"FROM ({source}) SELECT n, {id_sql('a0X', 'n')} AS id"
    rows = duckdb.execute(f"FROM ({query}) SELECT n, id, {number_sql('id')}", [numbers]).fetchall()
    assert sorted(rows) == sorted((n, record_id("a0X", n), n) for n in numbers)


@given(st.sets(st.integers(0, 62**8), min_size=2, max_size=50))
def test_ids_are_unique_and_sort_like_their_numbers(numbers: set[int]) -> None:
    ids = [record_id("001", number) for number in sorted(numbers)]
    assert ids == sorted(ids)
    assert len(set(ids)) == len(numbers)
