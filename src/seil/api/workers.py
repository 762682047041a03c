"""Threads in which calls wait for a system: so many, whatever becomes of those who asked."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context

from seil.api.calls import Answer, Call, DownstreamSlowError, Fault

__all__ = ["Workers"]

_RETRY_SECONDS = 5.0


class Workers:
    """`count` threads of one system, started as they are needed.

    A call that is given up on goes on in its thread, so that its outcome is known in the end; the
    thread is free again when it ends, not before.
    """

    def __init__(self, system: str, count: int) -> None:
        self._system = system
        self._count = count
        self._threads = ThreadPoolExecutor(count, thread_name_prefix=f"seil-{system}")

    async def run(self, ask: Callable[[Call], Answer], call: Call) -> Answer:
        """What `ask` gives within the seconds of the call. Raises DownstreamSlowError.

        Half of its time a call waits for a thread at most: what begins later has no time to end.
        """
        asked = self._threads.submit(copy_context().run, ask, call)
        answer = asyncio.wrap_future(asked)
        timer = None
        if call.seconds is not None:
            timer = _Halves(call.seconds, asked.cancel, answer.cancel)
        try:
            return await answer
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task and task.cancelling():
                raise
            if asked.cancelled():
                return self._busy()
            raise DownstreamSlowError(self._system) from error
        finally:
            if timer:
                timer.stop()

    def _busy(self) -> Answer:
        text = f"All {self._count} calls to {self._system} at once are under way: nothing was done"
        return Answer(504, errors=(Fault("EC50402", text),), retry_after=_RETRY_SECONDS)


class _Halves:
    """Calls `half`, which has no effect on what has begun, and `end` when the seconds are over.

    One timer at a time: most calls end in their first half.
    """

    def __init__(
        self, seconds: float, half: Callable[[], object], end: Callable[[], object]
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._rest = seconds / 2
        self._half, self._end = half, end
        self._timer = self._loop.call_later(self._rest, self._go_on)

    def _go_on(self) -> None:
        self._half()
        self._timer = self._loop.call_later(self._rest, self._end)

    def stop(self) -> None:
        self._timer.cancel()
