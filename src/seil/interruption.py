"""Ctrl-C and SIGTERM as errors of the main thread, none of which is lost.

Python raises such an error wherever the main thread happens to be. In a destructor or in a weak
reference's callback it is ignored (https://docs.python.org/3/library/sys.html#sys.unraisablehook),
and a pool that is starting a thread forgets that thread. `raised_signals` is for the first,
`postponed_signals` for the second.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

_RAISED_AGAIN_AFTER = 0.05


class TerminatedError(BaseException):
    """SIGTERM: passes every handler of errors, like KeyboardInterrupt."""

    exit_code = 128 + signal.SIGTERM


_ERRORS: dict[int, type[BaseException]] = {
    signal.SIGINT: KeyboardInterrupt,
    signal.SIGTERM: TerminatedError,
}


class _Received:
    """`last` is the last signal's number; `is_due` until its error is raised."""

    last: int = signal.SIGINT
    is_due = False
    postponements = 0


@contextmanager
def raised_signals() -> Iterator[None]:
    """SIGINT raises KeyboardInterrupt, SIGTERM TerminatedError, again where Python ignored it.

    For the main thread. A signal that the process ignores, as `nohup` arranges, stays ignored.
    """
    handlers: dict[int, Any] = {number: signal.getsignal(number) for number in _ERRORS}
    handlers = {number: own for number, own in handlers.items() if own != signal.SIG_IGN}
    handlers[signal.SIGALRM] = signal.getsignal(signal.SIGALRM)
    report = sys.unraisablehook

    def raise_ignored_again(args: UnraisableHookArgs) -> None:
        if args.exc_type not in _ERRORS.values():
            report(args)
            return
        # A second signal raised in here would be ignored, too.
        _Received.postponements += 1
        _Received.is_due = True
        signal.setitimer(signal.ITIMER_REAL, _RAISED_AGAIN_AFTER)
        _Received.postponements -= 1

    sys.unraisablehook = raise_ignored_again
    for number in handlers:
        signal.signal(number, _receive)
    try:
        yield
    finally:
        if _Received.is_due:
            # Behind the block, the alarm would end the process.
            signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in handlers.items():
            signal.signal(number, handler)
        sys.unraisablehook = report
        _Received.last, _Received.is_due = signal.SIGINT, False


@contextmanager
def postponed_signals() -> Iterator[None]:
    """What `raised_signals` raises is raised at the end of the block: keep that short."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    _Received.postponements += 1
    try:
        yield
    finally:
        _Received.postponements -= 1
        _raise_due()


def last_signal_error() -> BaseException:
    """Of the last signal received: for a library that reports the signal as an error of its own."""
    return _ERRORS[_Received.last]()


def _receive(number: int, _frame: FrameType | None) -> None:
    if number != signal.SIGALRM:
        _Received.last = number
        _Received.is_due = True
    _raise_due()


def _raise_due() -> None:
    if _Received.is_due and not _Received.postponements:
        _Received.is_due = False
        raise last_signal_error()
