"""The pace of a flow's calls: evenly spaced, counted, patient where Ad Manager throttles."""

from __future__ import annotations

import pytest

from seil.admanager.calls import Calls
from seil.admanager.pace import CallPace
from seil.errors import ThrottledError, UnavailableError

# Of the test's clock.
PATIENCE = 20


class Time:
    """Passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0
        self.pauses: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.pauses.append(round(seconds, 3))
        self.now += seconds


def pace(time: Time, per_second: float) -> CallPace:
    return CallPace(per_second, sleep=time.sleep, clock=lambda: time.now)


def test_calls_are_spaced_evenly_and_counted() -> None:
    time = Time()
    own = pace(time, 8)
    for _ in range(4):
        own.take_turn()
    assert (time.pauses, own.calls) == ([0.125] * 3, 4)
    time.now += 60
    own.take_turn()
    assert len(time.pauses) == 3, "a late call does not wait"


@pytest.mark.parametrize(
    ("error", "pauses"),
    [
        (ThrottledError("Ad Manager", "quota"), [5, 10, 15, 20, 25]),
        (ThrottledError("Ad Manager", "quota", retry_after=12), [12, 12, 15, 20, 25]),
        (ThrottledError("Ad Manager", "quota", retry_after=600), [60] * 5),
        (UnavailableError("Ad Manager", "down"), [1, 2, 3, 4, 5]),
    ],
    ids=["throttled", "with its own pause", "with a long pause", "down"],
)
def test_a_refused_call_is_repeated_after_longer_and_longer_pauses(
    error: UnavailableError, pauses: list[float]
) -> None:
    time = Time()
    calls = Calls(
        timeout=PATIENCE, attempts=1, translate=lambda *_: None, pace=pace(time, 1_000_000)
    )

    def refuse(_seconds: float) -> None:
        raise error

    with pytest.raises(UnavailableError):
        calls.read("list_orders", refuse)
    assert [pause for pause in time.pauses if pause >= 1] == pauses
