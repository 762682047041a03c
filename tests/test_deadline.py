from __future__ import annotations

import contextvars
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from tests.issuers import Clock

from seil.deadline import deadline, remaining


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock(1000)
    monkeypatch.setattr("seil.deadline.time", SimpleNamespace(monotonic=clock))
    return clock


def test_without_a_deadline_the_limit_holds() -> None:
    assert remaining(20) == 20
    with deadline(None):
        assert remaining(20) == 20


def test_the_shorter_of_limit_and_deadline_holds() -> None:
    with deadline(10):
        assert remaining(3) == 3
        assert remaining(20) == 10


def test_an_inner_deadline_never_outlasts_the_outer() -> None:
    with deadline(5):
        with deadline(60):
            assert remaining(20) == 5
        with deadline(1):
            assert remaining(20) == 1
        assert remaining(20) == 5
    assert remaining(20) == 20


@pytest.mark.parametrize("seconds", [0, -3])
def test_nothing_is_left_of_a_deadline_that_is_over(seconds: float) -> None:
    with deadline(seconds):
        assert remaining(20) == 0


def test_time_passes(clock: Clock) -> None:
    with deadline(5):
        clock.now += 2
        assert remaining(20) == 3
        clock.now += 4
        assert remaining(20) == 0


def test_an_error_ends_it_too() -> None:
    with pytest.raises(ValueError, match="x"), deadline(0):
        raise ValueError("x")
    assert remaining(20) == 20


def test_other_threads_have_their_own() -> None:
    with deadline(1), ThreadPoolExecutor(1) as threads:
        assert threads.submit(remaining, 20).result() == 20
        copied = contextvars.copy_context()
        assert threads.submit(copied.run, remaining, 20).result() == 1
