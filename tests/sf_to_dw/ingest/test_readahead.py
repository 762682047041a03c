from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from seil.sf_to_dw.ingest.readahead import read_ahead


def test_items_come_in_order_and_none_is_lost() -> None:
    assert list(read_ahead(iter(range(100)), limit=3)) == list(range(100))


def test_no_more_are_made_than_allowed() -> None:
    numbers: list[int] = []

    def items() -> Iterator[int]:
        for number in range(50):
            numbers.append(number)
            yield number

    for number in read_ahead(items(), limit=2):
        time.sleep(0.002)
        # The one in hand, and two that wait.
        assert len(numbers) <= number + 3


def test_error_comes_where_its_item_would_have() -> None:
    def items() -> Iterator[int]:
        yield from range(5)
        raise ValueError("bad page")

    seen: list[int] = []
    with pytest.raises(ValueError, match="bad page"):
        seen.extend(read_ahead(items(), limit=2))
    assert seen == list(range(5))


def test_closing_ends_the_thread() -> None:
    def endless() -> Iterator[int]:
        while True:
            time.sleep(0.005)
            yield 1

    items = read_ahead(endless(), limit=2)
    assert next(items) == 1
    items.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("ahead")]
