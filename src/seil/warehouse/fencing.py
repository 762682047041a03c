"""Which run may commit to a warehouse."""

from __future__ import annotations

from typing import Protocol


class Fence(Protocol):
    """Such as `seil.lake.RunFence`. An engine stores the token of the last commit with its data,
    calls `admit` when a commit begins and `check` before it ends.
    """

    @property
    def token(self) -> int | None:
        """None while no run holds the lock: then commits are not fenced."""
        ...

    def check(self) -> None:
        """Raises LeaseLostError once the run has lost the lock."""
        ...

    def admit(self, place: str, stored: int) -> int:
        """The token to store. Raises LeaseLostError if `stored` belongs to a later run."""
        ...
