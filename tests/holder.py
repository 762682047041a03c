"""A lease holder for the fence, whose lease a test can take away."""

from __future__ import annotations

from dataclasses import dataclass

from seil.errors import LeaseLostError


@dataclass
class Holder:
    token: int
    name: str = "run.lock"
    is_lost: bool = False

    def check(self) -> None:
        if self.is_lost:
            raise LeaseLostError(self.name, "another run took it over")
