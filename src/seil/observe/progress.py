"""How long work reports what it has done, whoever is looking."""

from __future__ import annotations

from contextlib import AbstractContextManager
from types import TracebackType
from typing import Protocol, Self


class Step(Protocol):
    """One piece of work under way; thread-safe."""

    def advance(self, rows: int) -> None: ...

    def expect(self, total: int) -> None:
        """Corrects the total once it is known."""
        ...

    def conclude(self, message: str, *, ok: bool = True) -> None:
        """What came of it, for a run's report; not `ok`: it failed, and the run continues."""
        ...


class Progress(Protocol):
    def step(self, name: str, total: int | None = None) -> AbstractContextManager[Step]:
        """Opens a step of `total` rows, None while unknown; leaving the block ends it."""
        ...


class _Silent:
    def step(self, name: str, total: int | None = None) -> _Silent:
        return self

    def advance(self, rows: int) -> None: ...

    def expect(self, total: int) -> None: ...

    def conclude(self, message: str, *, ok: bool = True) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


SILENT: Progress = _Silent()
