"""`seil start`: everything that seil.toml schedules, in one process."""

from __future__ import annotations

import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING

import typer

from seil.app import wording
from seil.cli.context import opened
from seil.cli.frame import Call, command

if TYPE_CHECKING:
    from seil.app.site import Site
    from seil.app.start.scheduler import Scheduler
    from seil.app.start.stopping import StopSignal

log = logging.getLogger(__name__)

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def register(app: typer.Typer) -> None:
    command(app, narrated=True)(start)


def start(call: Call) -> None:
    """Run what [start] in seil.toml schedules, until SIGTERM or Ctrl-C.

    The work under way then ends at its next commit point; a second signal ends it at once. The next
    start resumes it. Exit code 2 if nothing is scheduled, 5 if the site has a `seil start` already.
    """
    from seil.app.start.service import scheduler_of
    from seil.app.start.stopping import StopSignal
    from seil.cli.start_display import display

    stop = StopSignal()
    open_site = partial(_open, call, stop)
    with opened(call) as site, display(call) as show:
        patience = site.settings.start.stop_timeout
        with scheduler_of(site, open_site, on_change=show, stop=stop) as scheduler:
            _run(scheduler, patience)


def _open(call: Call, stop: StopSignal) -> Site:
    from seil.app.site import Site
    from seil.settings import load_settings

    return Site(load_settings(call.config), sleep=stop.sleep)


def _run(scheduler: Scheduler, patience: timedelta) -> None:
    """Raises what the signal that ended it raises elsewhere."""
    with _stop_on_signals(scheduler) as received:
        try:
            scheduler.run()
        finally:
            unfinished = scheduler.shut_down(patience)
            if unfinished:
                _abandon(unfinished, patience, 128 + (received or [signal.SIGTERM])[0])


def _abandon(jobs: list[str], patience: timedelta, code: int) -> None:
    """Ends the process under its threads, as a kill would: what is committed stays."""
    text = "%s reached no commit point within %s and ends as by a kill; the next start resumes"
    log.error(text, ", ".join(jobs), wording.duration(patience))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


@contextmanager
def _stop_on_signals(scheduler: Scheduler) -> Iterator[list[signal.Signals]]:
    """The signals received. The first is raised at the end of the block, a second ends at once."""
    received: list[signal.Signals] = []
    before = {number: signal.getsignal(number) for number in _SIGNALS}

    def receive(number: int, _frame: FrameType | None) -> None:
        if received:
            os._exit(128 + number)
        received.append(signal.Signals(number))
        scheduler.stop.set()
        scheduler.wake()

    for number, handler in before.items():
        # Ignored in a shell's background, for example: that stays.
        if callable(handler):
            signal.signal(number, receive)
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for number in received:
        handler = before[number]
        if callable(handler):
            handler(number, None)
