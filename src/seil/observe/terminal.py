"""Progress for whoever is looking: bars on a terminal, one log line a step elsewhere."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from seil.observe.progress import Progress, Step

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as RichDisplay
    from rich.progress import Task, TaskID

__all__ = ["LoggedProgress", "bars"]

logger = logging.getLogger(__name__)


class LoggedProgress:
    """Logs when a step starts and when it ends, with its rows and rows a second."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock

    @contextmanager
    def step(self, name: str, total: int | None = None) -> Iterator[Step]:
        logger.info("%s: started", name)
        count = _Count()
        begun = self._clock()
        try:
            yield count
        except BaseException as error:
            logger.info("%s: stopped after %s rows: %s", name, f"{count.rows:,}", _kind(error))
            raise
        seconds = self._clock() - begun
        logger.info(
            "%s: %s rows in %.1f s%s", name, f"{count.rows:,}", seconds, _rate(count.rows, seconds)
        )


class _Count:
    def __init__(self) -> None:
        self.rows = 0
        self._lock = threading.Lock()

    def advance(self, rows: int) -> None:
        with self._lock:
            self.rows += rows

    def expect(self, total: int) -> None: ...


def _rate(rows: int, seconds: float) -> str:
    return f" ({rows / seconds:,.0f} rows/s)" if rows and seconds > 0 else ""


def _kind(error: BaseException) -> str:
    # The message is reported by whoever handles the error; here it would be told twice.
    return type(error).__name__


@contextmanager
def bars(console: Console) -> Iterator[Progress]:
    """One bar a step: rows, rows a second, time left. Ended steps scroll up as plain lines."""
    from rich.progress import BarColumn, ProgressColumn, SpinnerColumn, TextColumn
    from rich.progress import Progress as RichDisplay
    from rich.text import Text

    class Figures(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(_figures(task), style="dim")

    display = RichDisplay(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        Figures(),
        console=console,
        transient=True,
    )
    with display:
        yield _Bars(display)


def _figures(task: Task) -> str:
    done = f"{task.completed:,.0f}"
    parts = [f"{done} rows" if task.total is None else f"{done} of {task.total:,.0f} rows"]
    if task.speed:
        parts.append(f"{task.speed:,.0f} rows/s")
    if task.time_remaining is not None and not task.finished:
        minutes, seconds = divmod(round(task.time_remaining), 60)
        parts.append(f"{minutes}:{seconds:02d} left")
    return ", ".join(parts)


class _Bars:
    def __init__(self, display: RichDisplay) -> None:
        self._display = display

    def step(self, name: str, total: int | None = None) -> AbstractContextManager[Step]:
        return self._step(name, total)

    @contextmanager
    def _step(self, name: str, total: int | None) -> Iterator[Step]:
        bar = _Bar(self._display, self._display.add_task(name, total=total))
        begun = time.monotonic()
        try:
            yield bar
        finally:
            self._display.remove_task(bar.task)
        seconds = time.monotonic() - begun
        ended = f"{name}: {bar.rows:,} rows in {seconds:.1f} s{_rate(bar.rows, seconds)}"
        self._display.console.print(ended, style="dim", markup=False, highlight=False)


class _Bar(_Count):
    def __init__(self, display: RichDisplay, task: TaskID) -> None:
        super().__init__()
        self._display = display
        self.task = task

    def advance(self, rows: int) -> None:
        super().advance(rows)
        self._display.advance(self.task, rows)

    def expect(self, total: int) -> None:
        self._display.update(self.task, total=total)
