"""The interface through which long work reports its progress."""

from __future__ import annotations

from contextlib import AbstractContextManager
from types import TracebackType
from typing import Protocol, Self


class Step(Protocol):
    """One running step; thread-safe."""

    def advance(self, rows: int) -> None: ...

    def expect(self, total: int) -> None:
        """Corrects the total once it is known."""
        ...

    def conclude(self, message: str, *, ok: bool = True) -> None:
        """The step's result, for the run's report; not `ok`: it failed, and the run continues."""
        ...


class Progress(Protocol):
    def step(self, name: str, total: int | None = None) -> AbstractContextManager[Step]:
        """A step of `total` rows, None if unknown; it ends with the block."""
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
