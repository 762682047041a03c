"""A process that dies at any of its steps, for tests of what its successor finds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
from typing_extensions import override

from seil.state.outcomes import OutcomeLog


class Died(BaseException):
    """Stands for SIGKILL: no handler of the writer's may act on it."""


class Life:
    """Ends before its n-th step: a request, or a change of the log, carried out or not."""

    def __init__(self, steps: int) -> None:
        self.left = steps

    def step(self, act: Callable[[], Any]) -> Any:
        self.spend()
        done = act()
        self.spend()
        return done

    def spend(self) -> None:
        if self.left <= 0:
            raise Died
        self.left -= 1


class MortalTransport(httpx.HTTPTransport):
    def __init__(self, life: Life) -> None:
        super().__init__()
        self._life = life

    @override
    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer: httpx.Response = self._life.step(
            lambda: super(MortalTransport, self).handle_request(request)
        )
        return answer


class MortalLog:
    def __init__(self, log: OutcomeLog, life: Life) -> None:
        self._log = log
        self._life = life

    def __getattr__(self, name: str) -> Any:
        part = getattr(self._log, name)
        if not callable(part):
            return part
        return lambda *args: self._life.step(lambda: part(*args))
