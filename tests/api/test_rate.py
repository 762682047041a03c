from __future__ import annotations

import pytest

from seil.api.rate import RateLimit


class Clock:
    def __init__(self) -> None:
        self.now = 6000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def passed(limit: RateLimit, times: int, caller: str = "booking") -> int:
    return sum(limit.wait(caller) is None for _ in range(times))


def test_limit_counts_each_caller_for_itself(clock: Clock) -> None:
    limit = RateLimit(3, clock=clock)

    assert passed(limit, 5) == 3
    assert passed(limit, 5, "other") == 3


def test_limit_lets_the_minute_before_go_bit_by_bit(clock: Clock) -> None:
    limit = RateLimit(60, clock=clock)
    clock.now += 59
    assert passed(limit, 100) == 60

    clock.now += 1
    assert passed(limit, 100) == 0
    clock.now += 15
    assert passed(limit, 100) == 15
    clock.now += 30
    assert passed(limit, 100) == 30


def test_limit_never_passes_more_in_a_window_than_what_came_evenly_allows(clock: Clock) -> None:
    limit = RateLimit(60, clock=clock)
    moments = []
    for _ in range(600):
        clock.now += 0.5
        moments.append(passed(limit, 3))

    assert max(sum(moments[at : at + 120]) for at in range(480)) <= 75
    assert sum(moments) >= 60 * 4


def test_limit_forgets_a_caller_who_was_away_for_two_minutes(clock: Clock) -> None:
    limit = RateLimit(60, clock=clock)
    assert passed(limit, 60) == 60

    clock.now += 120
    assert passed(limit, 100) == 60


@pytest.mark.parametrize("second", [20, 59])
@pytest.mark.parametrize("before", [0, 7, 60])
def test_caller_who_honours_retry_after_passes_and_hardly_sooner(
    clock: Clock, before: int, second: int
) -> None:
    limit = RateLimit(60, clock=clock)
    passed(limit, before)
    clock.now += 60 + second
    while (seconds := limit.wait("booking")) is None:
        pass

    clock.now += seconds - 1.001
    assert limit.wait("booking") is not None
    clock.now += 1.002
    assert limit.wait("booking") is None
