"""Callers that disconnect before their answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["CallerLeftError", "Departure", "attending", "departure"]


class CallerLeftError(Exception):
    """The caller disconnected while its call was still queued: the call is dropped."""


class Departure:
    """The caller's disconnect; cancels calls that are still queued."""

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


@contextmanager
def attending(caller: Departure) -> Iterator[None]:
    """Makes `caller` the current one within the block. Called by the server."""
    token = _current.set(caller)
    try:
        yield
    finally:
        _current.reset(token)


def departure() -> Departure:
    """The current caller's; one that never fires if the server reports no disconnects."""
    return _current.get() or Departure()
