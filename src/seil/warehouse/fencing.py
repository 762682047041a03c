"""Which run may commit to a warehouse."""

from __future__ import annotations

from typing import Protocol


class Fence(Protocol):
    """`seil.lake.RunFence` is one. An engine stores the token of the last commit with its data, and
    calls `admit` when a commit begins and `check` before it ends.
    """

    @property
    def token(self) -> int | None:
        """None while no run holds the lock: commits are not fenced then."""
        ...

    def check(self) -> None:
        """Raises LeaseLostError once the run does not hold the lock any more."""
        ...

    def admit(self, place: str, stored: int) -> int:
        """The token to store. Raises LeaseLostError when `stored` is a later run's."""
        ...
