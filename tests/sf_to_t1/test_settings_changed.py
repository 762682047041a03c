"""Settings of [sf_to_t1] that are corrected between two attempts of a file."""

from __future__ import annotations

from collections import Counter

import pytest
from tests.sf_to_t1.conftest import Billing
from tests.sf_to_t1.test_billing import BY, RECEIVED

from seil.errors import RetryError

CSV = "A;B\n1;one\n2;two\n3;three\n"
ROWS = Counter({("1", "one"): 1, ("2", "two"): 1, ("3", "three"): 1})
SEMICOLON = 'delimiter = ";"'
CHANGES = {
    "batch_column added": ("", BY["batch"], 1),
    "batch_column removed": (BY["batch"], "", 0),
    "read_by added": ("", BY["column"], 1),
    "another read_by": (BY["column"], 'read_by = "B"', 2),
}


@pytest.mark.parametrize("mode", ["", *BY.values()], ids=["whole table", *BY])
def test_refused_file_is_read_again_with_another_delimiter(billing: Billing, mode: str) -> None:
    event = billing.extract(CSV)
    billing.known_fault("period-closed", times=1)
    assert not billing.handle(event).ok
    billing.configure(f"{SEMICOLON}\n{mode}")
    assert billing.handle(event).ok
    assert Counter(row[:2] for row in billing.rows().elements()) == ROWS
    assert billing.job(event.job_id) == (RECEIVED, None)


@pytest.mark.parametrize(("size", "sent"), [(1, 3), (3, 1)])
def test_refused_file_is_sent_again_in_batches_of_another_size(
    billing: Billing, size: int, sent: int
) -> None:
    billing.configure(SEMICOLON)
    event = billing.extract(CSV)
    billing.fault(status=413, times=1)
    assert [file.code for file in billing.handle(event).files] == ["refused"]
    before = billing.imports
    billing.configure(f'{SEMICOLON}\nbatch_column = "SEIL"', batch_rows=size)
    assert billing.handle(event).ok
    assert billing.imports - before == sent
    assert Counter(row[:2] for row in billing.rows().elements()) == ROWS


def test_file_in_techone_in_part_keeps_its_batches(billing: Billing) -> None:
    billing.configure(SEMICOLON)
    event = billing.extract(CSV)
    billing.known_fault("period-closed", after=1, times=1)
    assert not billing.handle(event).ok
    billing.configure("", batch_rows=1)
    (file,) = billing.handle(event).files
    assert (file.code, billing.rows().total()) == ("settings", 2)
    billing.configure(SEMICOLON, batch_rows=1)
    assert billing.handle(event).ok
    assert billing.rows() == ROWS


@pytest.mark.parametrize("modes", CHANGES.values(), ids=CHANGES)
def test_lost_answer_is_decided_as_it_was_sent(
    billing: Billing, modes: tuple[str, str, int]
) -> None:
    before, after, reads_before = modes
    billing.configure(f"{SEMICOLON}\nattempts = 1\n{before}")
    event = billing.extract(CSV)
    billing.fault(reset="after", times=1)
    billing.fault(body="DoRead", status=503, after=reads_before)
    with pytest.raises(RetryError):
        billing.handle(event)
    billing.techone.faults.clear()
    billing.configure(f"{SEMICOLON}\n{after}")
    assert billing.handle(event).ok
    assert Counter(row[:2] for row in billing.rows().elements()) == ROWS
