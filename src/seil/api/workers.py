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
        limit = call.seconds
        half = None
        if limit is not None:  # Without effect on what has begun.
            half = asyncio.get_running_loop().call_later(limit / 2, asked.cancel)
        try:
            async with asyncio.timeout(limit):
                return await answer
        except TimeoutError as error:
            raise DownstreamSlowError(self._system) from error
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task and task.cancelling():
                raise
            return self._busy()
        finally:
            if half:
                half.cancel()

    def _busy(self) -> Answer:
        text = f"All {self._count} calls to {self._system} at once are under way: nothing was done"
        return Answer(504, errors=(Fault("EC50402", text),), retry_after=_RETRY_SECONDS)
