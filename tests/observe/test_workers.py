from __future__ import annotations

import signal
import threading
from concurrent.futures import Future

import pytest
from tests.limits import HANGS

from seil.interruption import raised_signals
from seil.observe.workers import Workers


def test_a_signal_while_a_thread_starts_leaves_no_thread_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As Ctrl-C does between the start of a thread and the return of `submit`."""
    stop = threading.Event()
    ended: list[bool] = []
    start = threading.Thread.start

    def start_and_signal(thread: threading.Thread) -> None:
        start(thread)
        signal.raise_signal(signal.SIGINT)

    def task() -> None:
        ended.append(stop.wait(HANGS))

    with raised_signals(), pytest.raises(KeyboardInterrupt), Workers(2, "flow", stop=stop) as pool:
        monkeypatch.setattr(threading.Thread, "start", start_and_signal)
        pool.submit(task)
    assert ended == [True]


def test_an_error_cancels_what_has_not_begun() -> None:
    stop = threading.Event()
    running: list[Future[bool]] = []
    with pytest.raises(ZeroDivisionError), Workers(1, "flow", stop=stop) as pool:
        running += [pool.submit(stop.wait, HANGS) for _ in range(3)]
        raise ZeroDivisionError
    assert running[0].result()
    assert running[2].cancelled()
