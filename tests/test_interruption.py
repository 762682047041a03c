"""No signal is lost, wherever it meets the main thread."""

from __future__ import annotations

import signal
import time
import weakref

import pytest
from tests.limits import HELD

from seil.interruption import (
    TerminatedError,
    last_signal_error,
    postponed_signals,
    raised_signals,
)

_SIGNALS = pytest.mark.parametrize(
    ("number", "error"),
    [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, TerminatedError)],
    ids=["SIGINT", "SIGTERM"],
)


class _Destroyed:
    def __init__(self, number: signal.Signals) -> None:
        self._number = number

    def __del__(self) -> None:
        signal.raise_signal(self._number)


@_SIGNALS
def test_a_signal_that_python_ignores_is_raised_again(
    number: signal.Signals, error: type[BaseException]
) -> None:
    with raised_signals(), pytest.raises(error):
        _Destroyed(number)
        time.sleep(HELD)


@_SIGNALS
def test_a_signal_in_a_weak_references_callback(
    number: signal.Signals, error: type[BaseException]
) -> None:
    class Referent:
        pass

    referent = Referent()
    _reference = weakref.ref(referent, lambda _: signal.raise_signal(number))
    with raised_signals(), pytest.raises(error):
        del referent
        time.sleep(HELD)


@_SIGNALS
def test_a_postponed_signal_is_raised_at_the_end_of_the_outer_block(
    number: signal.Signals, error: type[BaseException]
) -> None:
    passed = []
    with raised_signals():
        with pytest.raises(error), postponed_signals():
            with postponed_signals():
                signal.raise_signal(number)
                passed.append("inner")
            passed.append("outer")
        assert isinstance(last_signal_error(), error)
    assert passed == ["inner", "outer"]


def test_a_signal_raised_already_is_not_raised_again() -> None:
    with raised_signals():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        with postponed_signals():
            pass
        signal.raise_signal(signal.SIGALRM)


def test_an_ignored_signal_stays_ignored_and_handlers_come_back() -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with raised_signals():
            signal.raise_signal(signal.SIGTERM)
        assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN
        assert signal.getsignal(signal.SIGINT) == signal.default_int_handler
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_signal_that_is_ignored_at_the_end_of_the_block_leaves_no_alarm() -> None:
    with raised_signals():
        _Destroyed(signal.SIGINT)
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_signal_that_comes_while_an_ignored_one_is_noted_is_raised(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    signals, set_timer = [signal.SIGTERM], signal.setitimer

    def set_timer_after_signal(timer: int, seconds: float) -> tuple[float, float]:
        if signals:
            signal.raise_signal(signals.pop())
        return set_timer(timer, seconds)

    monkeypatch.setattr(signal, "setitimer", set_timer_after_signal)
    with raised_signals(), pytest.raises(TerminatedError):
        _Destroyed(signal.SIGINT)
        time.sleep(HELD)
