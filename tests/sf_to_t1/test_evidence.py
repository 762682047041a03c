"""What the table shows decides what becomes of a batch; what does not add up, nobody guesses."""

from __future__ import annotations

from collections import Counter

import pytest

from seil.sf_to_t1.evidence import judge
from seil.sf_to_t1.rows import TableCount
from seil.state.billing import BillingBatch

A, B = "a" * 16, "b" * 16
BATCH = BillingBatch(
    "f1", "W/T", 1, 1, 3, hashes=Counter({A: 2, B: 1}), before={A: 5}, total_before=9
)
CASES = {
    "all there": ((5 + 2, 1, 9 + 3), "committed"),
    "all there, others too": ((5 + 2, 1, 9 + 30), "committed"),
    "nothing": ((5, 0, 9), "missing"),
    "some": ((5 + 1, 1, 9 + 2), "partial"),
    "grown by others or in another form": ((5, 0, 9 + 3), "unclear"),
    "some, and others": ((5 + 1, 0, 9 + 3), "unclear"),
    "emptied": ((0, 0, 0), "unclear"),
    "some gone": ((4, 0, 9), "unclear"),
    "others gone": ((5 + 2, 1, 9), "unclear"),
    "too many": ((5 + 4, 2, 9 + 6), "unclear"),
}


@pytest.mark.parametrize("case", CASES)
def test_table_is_compared_with_what_it_held(case: str) -> None:
    (a, b, total), verdict = CASES[case]
    evidence = judge(BATCH, TableCount(frozenset({A, B}), total, Counter({A: a, B: b})))
    assert evidence.verdict == verdict
    missing = {"committed": Counter(), "partial": Counter({A: 1})}
    assert evidence.missing == missing.get(verdict, BATCH.hashes)
    assert bool(evidence.reason) == (verdict == "unclear")


def test_own_rows_count_in_whatever_form_they_are_stored() -> None:
    batch = BillingBatch("f1", "W/T", 1, 1, 3, hashes=Counter({A: 2, B: 1}))
    watched = frozenset({A, B})
    assert judge(batch, TableCount(watched, 3), exact=True).verdict == "committed"
    assert judge(batch, TableCount(watched, 0), exact=True).verdict == "missing"
    assert judge(batch, TableCount(watched, 2), exact=True).verdict == "unclear"
    some = judge(batch, TableCount(watched, 2, Counter({A: 2})), exact=True)
    assert (some.verdict, some.missing, some.total_before) == ("partial", Counter({B: 1}), 2)
