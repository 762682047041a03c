"""Progress displays: bars on a terminal, log lines elsewhere."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from seil.observe.progress import Progress, Step

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as RichDisplay
    from rich.progress import Task, TaskID

__all__ = ["LogProgress", "bars"]

logger = logging.getLogger(__name__)

_LOG_EVERY = 30.0


class LogProgress:
    """Logs a step's rows when it ends, and every 30 seconds until then.

    A step without rows is logged at DEBUG: an idle hour has some seventy.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock

    @contextmanager
    def step(self, name: str, total: int | None = None) -> Iterator[Step]:
        logger.debug("%s: started", name)
        count = _LogCount(name, self._clock)
        try:
            yield count
        except BaseException as error:
            # The handler of the error reports its message.
            logger.info(
                "%s: stopped after %s rows: %s", name, f"{count.rows:,}", type(error).__name__
            )
            raise
        logger.log(logging.INFO if count.rows else logging.DEBUG, "%s", count.text)


class _Count:
    def __init__(self) -> None:
        self.rows = 0
        self._lock = threading.Lock()

    def advance(self, rows: int) -> None:
        with self._lock:
            self.rows += rows

    def expect(self, total: int) -> None: ...

    def conclude(self, message: str, *, ok: bool = True) -> None: ...


class _LogCount(_Count):
    def __init__(self, name: str, clock: Callable[[], float]) -> None:
        super().__init__()
        self._name = name
        self._clock = clock
        self._started_at = self._logged_at = clock()

    @property
    def text(self) -> str:
        return _summary(self._name, self.rows, self._clock() - self._started_at)

    def advance(self, rows: int) -> None:
        super().advance(rows)
        if (now := self._clock()) - self._logged_at >= _LOG_EVERY:
            self._logged_at = now
            logger.info("%s: %s rows so far", self._name, f"{self.rows:,}")


def _summary(name: str, rows: int, seconds: float) -> str:
    rate = f" ({rows / seconds:,.0f} rows/s)" if rows and seconds > 0 else ""
    return f"{name}: {rows:,} rows in {seconds:.1f} s{rate}"


@contextmanager
def bars(console: Console) -> Iterator[Progress]:
    """A bar per running step, and a line per phase: `extract: 12 done, 301,276 rows`.

    A phase is the first word of its steps' names. A bar disappears when its step ends; at
    the end each phase with rows is printed as one plain line.
    """
    from rich.progress import BarColumn, ProgressColumn, SpinnerColumn, TextColumn
    from rich.progress import Progress as RichDisplay
    from rich.table import Column
    from rich.text import Text

    class Figures(ProgressColumn):
        def render(self, task: Task) -> Text:
            return Text(_figures(task), style="dim")

    # 80 columns: a spinner, 36 for the name, 12 for the bar, the rest for the figures.
    display = RichDisplay(
        SpinnerColumn(),
        TextColumn(
            "{task.description}",
            markup=False,
            table_column=Column(no_wrap=True, overflow="ellipsis", max_width=36),
        ),
        BarColumn(bar_width=12),
        Figures(table_column=Column(no_wrap=True, overflow="crop")),
        console=console,
        transient=True,
    )
    with display:
        progress = _Bars(display)
        yield progress
    for phase in progress.phases.values():
        if phase.rows:
            console.print(phase.text, style="dim", markup=False, highlight=False)


def _figures(task: Task) -> str:
    done = f"{task.completed:,.0f}"
    parts = [f"{done} rows" if task.total is None else f"{done} of {task.total:,.0f} rows"]
    if task.speed:
        parts.append(f"{task.speed:,.0f}/s")
    return ", ".join(parts)


class _Phase:
    """The sum of one phase's steps, as one line of the display.

    Its time runs from the first step's start to the last one's end: steps overlap.
    """

    def __init__(self, display: RichDisplay, name: str) -> None:
        self._display = display
        self._lock = threading.Lock()
        self._started_at = self._ended_at = time.monotonic()
        self.name = name
        self.rows = 0
        self.steps = 0
        self.task = display.add_task(name, total=None)

    @property
    def text(self) -> str:
        return _summary(self.name, self.rows, self._ended_at - self._started_at)

    def add(self, rows: int) -> None:
        with self._lock:
            self.rows += rows
        self._display.advance(self.task, rows)

    def end_step(self) -> None:
        with self._lock:
            self.steps += 1
            self._ended_at = time.monotonic()
        self._display.update(self.task, description=f"{self.name}: {self.steps:,} done")


class _Bars:
    def __init__(self, display: RichDisplay) -> None:
        self._display = display
        self._lock = threading.Lock()
        self.phases: dict[str, _Phase] = {}

    @contextmanager
    def step(self, name: str, total: int | None = None) -> Iterator[Step]:
        phase = self._phase(name)
        # A step named as its phase has no bar of its own.
        has_bar = name != phase.name
        task = self._display.add_task(f"  {name}", total=total) if has_bar else phase.task
        try:
            yield _Bar(self._display, task, phase)
        finally:
            if has_bar:
                self._display.remove_task(task)
            phase.end_step()

    def _phase(self, name: str) -> _Phase:
        word = name.partition(" ")[0]
        with self._lock:
            if word not in self.phases:
                self.phases[word] = _Phase(self._display, word)
            return self.phases[word]


class _Bar:
    def __init__(self, display: RichDisplay, task: TaskID, phase: _Phase) -> None:
        self._display = display
        self._task = task
        self._phase = phase

    def advance(self, rows: int) -> None:
        if self._task != self._phase.task:
            self._display.advance(self._task, rows)
        self._phase.add(rows)

    def expect(self, total: int) -> None:
        if self._task != self._phase.task:
            self._display.update(self._task, total=total)

    def conclude(self, message: str, *, ok: bool = True) -> None: ...
