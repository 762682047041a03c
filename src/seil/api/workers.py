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

__all__ = ["CallWorkers"]

_RETRY_SECONDS = 5.0


class CallWorkers:
    """`count` threads for one system, started on demand.

    An abandoned call goes on in its thread, and records its outcome; it keeps the thread until it
    ends.
    """

    def __init__(self, system: str, count: int) -> None:
        self._count = count
        self._system = system
        self._threads = ThreadPoolExecutor(count, thread_name_prefix=f"seil-{system}")
        self._futures: set[Future[Answer]] = set()

    async def run(self, run_call: Callable[[ServiceCall], Answer], call: ServiceCall) -> Answer:
        """Runs the call in a thread. The caller enforces the timeout.

        A call waits for a thread for half of its time at most: later it could not finish. Raises
        CallerLeftError where the caller left before it started.
        """
        if departure().happened:
            raise CallerLeftError
        full = len(self._futures) >= self._count
        future = self._threads.submit(
            copy_context().run, _deduct_wait(run_call) if full else run_call, call
        )
        self._futures.add(future)
        future.add_done_callback(self._futures.discard)
        answer = asyncio.wrap_future(future)
        if not full:
            return await answer
        # Cancelling has no effect once the call runs.
        with departure().withdrawing(future.cancel), _give_up_after(call.seconds, future.cancel):
            return await self._turn(answer)

    async def _turn(self, answer: asyncio.Future[Answer]) -> Answer:
        """Raises CallerLeftError where the caller left before the call started."""
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
        text = f"All {self._count} worker threads of {self._system} are busy: nothing was done"
        return Answer(504, errors=(Fault("EC50402", text),), retry_after=_RETRY_SECONDS)


@contextmanager
def _give_up_after(seconds: float | None, give_up: Callable[[], object]) -> Iterator[None]:
    """Calls `give_up` after half of `seconds` if the block still runs."""
    if seconds is None:
        yield
        return
    timer = asyncio.get_running_loop().call_later(seconds / 2, give_up)
    try:
        yield
    finally:
        timer.cancel()


def _deduct_wait(run_call: Callable[[ServiceCall], Answer]) -> Callable[[ServiceCall], Answer]:
    """Subtracts the wait for a thread from the call's `seconds`."""
    queued_at = time.monotonic()

    def run_late(call: ServiceCall) -> Answer:
        if call.seconds is None:
            return run_call(call)
        remaining = max(0.0, call.seconds - (time.monotonic() - queued_at))
        return run_call(replace(call, seconds=remaining))

    return run_late
