"""A bounded thread pool for calls to a system, independent of the callers that wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from dataclasses import replace

from seil.api.calls import Answer, Fault, ServiceCall
from seil.api.departures import CallerLeftError, departure

__all__ = ["Workers"]

_RETRY_SECONDS = 5.0


class Workers:
    """`count` threads of one system, started as they are needed.

    A call that is given up on goes on in its thread, so that its outcome is known in the end; the
    thread is free again when it ends, not before.
    """

    def __init__(self, system: str, count: int) -> None:
        self._count = count
        self._system = system
        self._threads = ThreadPoolExecutor(count, thread_name_prefix=f"seil-{system}")
        self._futures: set[Future[Answer]] = set()

    async def run(self, ask: Callable[[ServiceCall], Answer], call: ServiceCall) -> Answer:
        """What `ask` gives, whenever that is: to give up in time is the caller's part.

        Half of its time a call waits for a thread at most: what begins later has no time to end.
        Raises CallerLeftError where the caller left before it began.
        """
        if departure().happened:
            raise CallerLeftError
        full = len(self._futures) >= self._count
        future = self._threads.submit(copy_context().run, _late(ask) if full else ask, call)
        self._futures.add(future)
        future.add_done_callback(self._futures.discard)
        answer = asyncio.wrap_future(future)
        if not full:
            return await answer
        # Cancelling has no effect on what has begun.
        with departure().withdrawing(future.cancel), _after(call.seconds, future.cancel):
            return await self._turn(answer)

    async def _turn(self, answer: asyncio.Future[Answer]) -> Answer:
        """Raises CallerLeftError where the caller left before the call began."""
        try:
            return await answer
        except asyncio.CancelledError:
            if (task := asyncio.current_task()) and task.cancelling():
                raise
            if departure().happened:
                raise CallerLeftError from None
            return self._busy()

    def close(self) -> None:
        """Waits for running calls; queued ones are dropped."""
        self._threads.shutdown(cancel_futures=True)

    def _busy(self) -> Answer:
        text = f"All {self._count} calls to {self._system} at once are under way: nothing was done"
        return Answer(504, errors=(Fault("EC50402", text),), retry_after=_RETRY_SECONDS)


@contextmanager
def _after(seconds: float | None, give_up: Callable[[], object]) -> Iterator[None]:
    """Calls `give_up` when half of the time is over, if the block is not."""
    if seconds is None:
        yield
        return
    timer = asyncio.get_running_loop().call_later(seconds / 2, give_up)
    try:
        yield
    finally:
        timer.cancel()


def _late(ask: Callable[[ServiceCall], Answer]) -> Callable[[ServiceCall], Answer]:
    """Takes off the seconds of a call what it waits from now on."""
    since = time.monotonic()

    def answer_call(call: ServiceCall) -> Answer:
        if call.seconds is None:
            return ask(call)
        left = max(0.0, call.seconds - (time.monotonic() - since))
        return ask(replace(call, seconds=left))

    return answer_call
