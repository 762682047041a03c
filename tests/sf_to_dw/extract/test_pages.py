from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seil.sf_to_dw.extract.flows import LandedPage
from seil.sf_to_dw.extract.pages import PagePlan, land_pages

LOCATORS = ["", "a", "b", "c", "d"]


def done_page(number: int) -> LandedPage:
    following = LOCATORS[number + 1] if number + 1 < len(LOCATORS) else None
    return LandedPage(number, LOCATORS[number], following, f"in/{number}", 1)


class Job:
    """Serves LOCATORS, remembers which pages were landed, opens each page `times` times."""

    def __init__(self, times: int = 1) -> None:
        self.landed: list[int] = []
        self._times = times
        self._lock = threading.Lock()

    def land(self, number: int, locator: str, opened: Callable[[str | None], None]) -> None:
        assert LOCATORS[number] == locator
        for _ in range(self._times):
            opened(done_page(number).next)
        with self._lock:
            self.landed.append(number)


@pytest.mark.parametrize("is_listed", [True, False], ids=["resultPages", "chained locators"])
@given(done=st.sets(st.integers(0, 4)), workers=st.integers(1, 4), times=st.integers(1, 2))
def test_every_page_lands_once_behind_those_done(
    is_listed: bool, done: set[int], workers: int, times: int
) -> None:
    plan = PagePlan([done_page(n) for n in done], LOCATORS if is_listed else None)
    job = Job(times)
    land_pages(plan, job.land, workers=workers, stop=threading.Event())
    assert sorted(job.landed) == sorted(set(range(5)) - done)


def test_first_error_stops_the_rest() -> None:
    stop = threading.Event()
    landed: list[int] = []

    def land(number: int, locator: str, opened: Callable[[str | None], None]) -> None:
        if number == 1:
            raise ValueError("page 1")
        landed.append(number)

    with pytest.raises(ValueError, match="page 1"):
        land_pages(PagePlan([], LOCATORS), land, workers=1, stop=stop)
    assert landed == [0]
    assert stop.is_set()
