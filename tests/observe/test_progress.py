"""What a person or a log sees of work under way."""

from __future__ import annotations

import io
import logging
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from rich.console import Console

from seil.observe.progress import SILENT, Progress
from seil.observe.terminal import LoggedProgress, _figures, bars


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 2.0
        return self.now


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_logged_progress_has_one_line_at_each_end(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "seil")
    with LoggedProgress(Clock()).step("extract Order", 10) as step:
        step.expect(20)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(step.advance, [1_000] * 4))
    assert messages(caplog) == [
        "extract Order: started",
        "extract Order: 4,000 rows in 2.0 s (2,000 rows/s)",
    ]


def test_logged_progress_says_that_a_step_stopped(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "seil")
    with pytest.raises(KeyboardInterrupt), LoggedProgress(Clock()).step("load") as step:
        step.advance(5)
        raise KeyboardInterrupt
    assert messages(caplog)[-1] == "load: stopped after 5 rows: KeyboardInterrupt"


def test_logged_progress_of_an_empty_step(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "seil")
    with LoggedProgress(Clock()).step("load"):
        pass
    assert messages(caplog)[-1] == "load: 0 rows in 2.0 s"


def test_bars_show_rows_while_running_and_a_line_when_done() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=120)
    with bars(console) as progress, progress.step("extract Order [x]") as step:
        step.advance(1_500)
        step.expect(3_000)
        step.advance(500)
        time.sleep(0.3)
    text = out.getvalue()
    assert "2,000 of 3,000 rows" in text
    assert "extract Order [x]: 2,000 rows in" in text


def test_bars_leave_no_line_for_a_step_that_failed() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=120)
    with pytest.raises(ValueError, match="odd"), bars(console) as progress, progress.step("load"):
        raise ValueError("odd")
    assert "rows in" not in out.getvalue()


def test_bars_tell_rate_and_time_left() -> None:
    class Given:
        completed, total, speed, time_remaining, finished = 1_500.0, 3_000.0, 750.0, 62.0, False

    assert _figures(Given()) == "1,500 of 3,000 rows, 750 rows/s, 1:02 left"  # type: ignore[arg-type]


@pytest.mark.parametrize("progress", [SILENT, LoggedProgress()], ids=["silent", "logged"])
def test_steps_nest(progress: Progress) -> None:
    with progress.step("outer") as outer, progress.step("inner", 3) as inner:
        inner.advance(1)
        outer.expect(2)
        outer.advance(2)
