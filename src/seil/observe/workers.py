"""Threads that work at several tasks of a step at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from types import TracebackType
from typing import ParamSpec, TypeVar

from typing_extensions import override

from seil.interruption import postponed_signals

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Workers(ThreadPoolExecutor):
    """Tasks have the log fields and the correlation id of who submits them.

    The `with` block waits for its tasks. An error in the block, Ctrl-C too, first sets `stop`, by
    which tasks end early, and cancels those that have not begun.
    """

    def __init__(self, count: int, name: str, *, stop: threading.Event | None = None) -> None:
        super().__init__(count, thread_name_prefix=name)
        self._stop = stop

    @override
    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        # Between its start and its entry in the pool's list, nobody would wait for a thread.
        with postponed_signals():
            return super().submit(partial(copy_context().run, fn), *args, **kwargs)

    @override
    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is not None and self._stop is not None:
            self._stop.set()
        self.shutdown(cancel_futures=error is not None)
