"""Edge and services in one process: a service's calls run in threads, so many at once."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Protocol

import anyio
import anyio.to_thread

from seil.api.calls import Answer, Call, DownstreamSlowError

__all__ = ["InProcess", "Runs"]


class Runs(Protocol):
    def run(self, call: Call) -> Answer: ...


class InProcess:
    """The services by their system's name: the part of an operation's name before the dot.

    Each has threads of its own, `workers` of them: a slow system takes none from another. A call
    that is given up on goes on in its thread, so that its outcome is known in the end.
    """

    def __init__(self, services: Mapping[str, Runs], *, workers: int = 40) -> None:
        self._services = services
        self._limits = {name: anyio.CapacityLimiter(workers) for name in services}

    async def call(self, call: Call) -> Answer:
        system = call.operation.partition(".")[0]
        try:
            async with asyncio.timeout(call.seconds):
                return await anyio.to_thread.run_sync(
                    self._services[system].run,
                    call,
                    abandon_on_cancel=True,
                    limiter=self._limits[system],
                )
        except TimeoutError as error:
            raise DownstreamSlowError(system) from error
