"""How `seil start` shows its jobs: a live table, a line for each change, or JSON."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from seil.app import wording
from seil.cli import output
from seil.cli.frame import Call

if TYPE_CHECKING:
    from rich.table import Table

    from seil.app.start.scheduler import JobChange

_BAD = ("incomplete", "failed")
_LONGEST_MESSAGE = 200


@contextmanager
def display(call: Call) -> Iterator[Callable[[JobChange], None]]:
    """A function that shows a change, for any thread."""
    lock = threading.Lock()
    if call.json:
        yield _locked(lock, _json_line(call))
    elif call.quiet:
        yield lambda _: None
    elif sys.stdout.isatty() and not call.verbose:
        with _live_table() as show:
            yield _locked(lock, show)
    else:
        yield _locked(lock, _text_line)


def _locked(lock: threading.Lock, show: Callable[[JobChange], None]) -> Callable[[JobChange], None]:
    def show_alone(change: JobChange) -> None:
        with lock:
            show(change)

    return show_alone


def _json_line(call: Call) -> Callable[[JobChange], None]:
    from seil.app.documents.start import StartDocument

    return lambda change: call.answer_line(StartDocument.of(change))


def _text_line(change: JobChange) -> None:
    parts = [output.text(change.at), change.job, change.state, _message(change)]
    output.line("  ".join(filter(None, parts)) + _next(change))
    sys.stdout.flush()


def _message(change: JobChange) -> str:
    first, *more = change.message.splitlines() or [""]
    start = first[:_LONGEST_MESSAGE]
    return output.text(start + (" ..." if more or len(first) > len(start) else ""))


def _next(change: JobChange) -> str:
    if not change.wait or change.next_at is None:
        return ""
    return f"; next in {wording.duration(change.wait)}, at {change.next_at:%H:%M:%S}Z"


@contextmanager
def _live_table() -> Iterator[Callable[[JobChange], None]]:
    from rich.live import Live

    changes: dict[str, JobChange] = {}

    def show(change: JobChange) -> None:
        changes[change.job] = change
        live.refresh()

    with Live(
        console=output.console(),
        get_renderable=lambda: _table(list(changes.values()), datetime.now(UTC)),
        refresh_per_second=1,
    ) as live:
        yield show


def _table(changes: list[JobChange], now: datetime) -> Table:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for column in ("job", "state", "since", "next in", ""):
        table.add_column(column, no_wrap=True)
    for change in changes:
        rest = max(change.next_at - now, timedelta()) if change.next_at else None
        cells = (
            change.job,
            change.state,
            f"{change.at:%H:%M:%S}",
            wording.duration(rest) if rest is not None else "",
            _message(change),
        )
        style = "red" if change.state in _BAD else ""
        table.add_row(*[Text(cell, style=style) for cell in cells])
    return table
