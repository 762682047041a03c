"""Callers who leave before they are answered."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from seil.api.calls import Answer

if TYPE_CHECKING:
    from starlette.types import Receive

__all__ = ["CallerLeftError", "Callers", "Departure", "departure"]

_log = logging.getLogger(__name__)


class CallerLeftError(Exception):
    """Nobody waits for the call any more, and it had not begun: it is not made."""


class Departure:
    """Of the one who asked; what still waits for its turn is withdrawn then."""

    def __init__(self) -> None:
        self.happened = False
        self._withdrawals: list[Callable[[], object]] = []

    @contextmanager
    def withdrawing(self, withdraw: Callable[[], object]) -> Iterator[None]:
        """`withdraw` is called if the caller leaves within the block."""
        self._withdrawals.append(withdraw)
        try:
            yield
        finally:
            self._withdrawals.remove(withdraw)

    def happen(self) -> None:
        self.happened = True
        for withdraw in self._withdrawals:
            withdraw()


_current: ContextVar[Departure | None] = ContextVar("departure", default=None)


def departure() -> Departure:
    """That of the caller who is being answered; elsewhere one that never happens."""
    return _current.get() or Departure()


class Callers:
    """Waits for answers no longer than those who asked do."""

    def __init__(self) -> None:
        self._unattended: set[asyncio.Task[Answer]] = set()

    async def answer(
        self, receive: Receive, ask: Callable[[], Coroutine[Any, Any, Answer]]
    ) -> Answer | None:
        """None where the caller left, as `receive` tells (ASGI's http.disconnect).

        A call that waits for its turn is not made then. One that has begun goes on unattended: its
        outcome is kept, and counts for whether the system is left alone.
        """
        left = asyncio.create_task(_left(receive))
        try:
            await asyncio.sleep(0)  # For `left` to see what has happened already.
            if left.done():
                return None
            departing = Departure()
            task = asyncio.create_task(_within(departing, ask))
            try:
                await asyncio.wait((task, left), return_when=asyncio.FIRST_COMPLETED)
            except asyncio.CancelledError:
                task.cancel()
                raise
        finally:
            left.cancel()
        if task.done():
            return task.result()
        self._unattended.add(task)
        task.add_done_callback(self._end)
        departing.happen()
        return None

    def _end(self, task: asyncio.Task[Answer]) -> None:
        self._unattended.discard(task)
        if task.cancelled():
            return
        error = task.exception()
        if error is not None and not isinstance(error, CallerLeftError):
            _log.error("a call whose caller left broke", exc_info=error)


async def _within(departing: Departure, ask: Callable[[], Coroutine[Any, Any, Answer]]) -> Answer:
    _current.set(departing)  # In this task's own context.
    return await ask()


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
