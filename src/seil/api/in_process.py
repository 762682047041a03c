"""Edge and services in one process: a service's calls run in threads, so many at once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from seil.api.calls import Answer, ServiceCall
from seil.api.workers import Workers

__all__ = ["InProcess", "Runs"]


class Runs(Protocol):
    def run(self, call: ServiceCall) -> Answer: ...


class InProcess:
    """The services by their system's name: the part of an operation's name before the dot.

    Each has threads of its own, `workers` of them: a slow system takes none from another.
    """

    def __init__(self, services: Mapping[str, Runs], *, workers: int = 40) -> None:
        self._services = services
        self._workers = {name: Workers(name, workers) for name in services}

    def close(self) -> None:
        """Waits for the calls that are under way, given up on or not."""
        for workers in self._workers.values():
            workers.close()

    async def call(self, call: ServiceCall) -> Answer:
        system = call.operation.partition(".")[0]
        return await self._workers[system].run(self._services[system].run, call)
