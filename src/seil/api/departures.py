"""Callers who leave before they are answered."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["CallerLeftError", "Departure", "attending", "departure"]


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


@contextmanager
def attending(one: Departure) -> Iterator[None]:
    """The server, which sees connections end, says whose departure counts within the block."""
    token = _current.set(one)
    try:
        yield
    finally:
        _current.reset(token)


def departure() -> Departure:
    """That of the caller who is being answered; one that never happens where no server tells."""
    return _current.get() or Departure()
