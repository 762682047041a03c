"""Edge and services in one process: calls run in a bounded thread pool per system."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from seil.api.calls import Answer, ServiceCall
from seil.api.workers import CallWorkers

__all__ = ["CallRunner", "InProcess"]


class CallRunner(Protocol):
    def run(self, call: ServiceCall) -> Answer: ...


class InProcess:
    """`services` maps a system, the part of an operation's name before the dot, to its service.

    Each has `workers` threads of its own, so that a slow system does not starve another.
    """

    def __init__(self, services: Mapping[str, CallRunner], *, workers: int = 40) -> None:
        self._services = services
        self._workers = {name: CallWorkers(name, workers) for name in services}

    def close(self) -> None:
        """Waits for running calls, abandoned ones included."""
        for workers in self._workers.values():
            workers.close()

    async def call(self, call: ServiceCall) -> Answer:
        system = call.operation.partition(".")[0]
        return await self._workers[system].run(self._services[system].run, call)
