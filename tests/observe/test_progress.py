"""What a person or a log sees of work under way."""

from __future__ import annotations

import io
import logging
from concurrent.futures import ThreadPoolExecutor

import pytest
from rich.console import Console
from tests.limits import until

from seil.observe.progress import SILENT, Progress
from seil.observe.terminal import LogProgress, _figures, bars


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 2.0
        return self.now


def messages(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


def test_logged_progress_has_one_line_when_a_step_ends(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "seil")
    with LogProgress(Clock()).step("extract Order", 10) as step:
        step.expect(20)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(step.advance, [1_000] * 4))
    assert messages(caplog) == ["extract Order: 4,000 rows in 10.0 s (400 rows/s)"]


def test_logged_progress_of_a_long_step_moves(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "seil")
    with LogProgress(Clock()).step("load") as step:
        for _ in range(31):
            step.advance(1_000)
    assert messages(caplog)[:2] == ["load: 15,000 rows so far", "load: 30,000 rows so far"]


def test_logged_progress_says_that_a_step_stopped(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "seil")
    with pytest.raises(KeyboardInterrupt), LogProgress(Clock()).step("load") as step:
        step.advance(5)
        raise KeyboardInterrupt
    assert messages(caplog)[-1] == "load: stopped after 5 rows: KeyboardInterrupt"


def test_logged_progress_of_an_empty_step_is_silent(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "seil")
    with LogProgress(Clock()).step("load"):
        pass
    assert messages(caplog) == []


def test_bars_show_rows_while_running_and_a_line_per_phase() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=80)
    with bars(console) as progress:
        with progress.step("extract Order [x]") as step:
            step.advance(1_500)
            step.expect(3_000)
            step.advance(500)
            until(lambda: "2,000 of 3,000 rows" in out.getvalue())
        with progress.step("extract Account") as step:
            step.advance(7)
        with progress.step("load account"):
            pass
    lines = out.getvalue().splitlines()
    assert any("  extract Order [x]" in line and "2,000 of 3,000 rows" in line for line in lines)
    assert "extract: 2,007 rows in" in lines[-1]
    assert not any("extract Order [x]: 2,000" in line for line in lines)


def test_bars_leave_no_line_for_a_step_that_failed() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=120)
    with pytest.raises(ValueError, match="odd"), bars(console) as progress, progress.step("load"):
        raise ValueError("odd")
    assert "rows in" not in out.getvalue()


def test_bars_show_the_rate() -> None:
    class Task:
        completed, total, speed = 1_500.0, 3_000.0, 750.0

    assert _figures(Task()) == "1,500 of 3,000 rows, 750/s"  # type: ignore[arg-type]


@pytest.mark.parametrize("progress", [SILENT, LogProgress()], ids=["silent", "logged"])
def test_steps_nest(progress: Progress) -> None:
    with progress.step("outer") as outer, progress.step("inner", 3) as inner:
        inner.advance(1)
        outer.expect(2)
        outer.advance(2)
