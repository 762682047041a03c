"""Limits on numbers in requests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic_core import PydanticKnownError

from seil.admanager.models.base import RequestLimit


@dataclass(frozen=True)
class Between(RequestLimit):
    lowest: int
    highest: int | None

    json_types = frozenset({"integer", "number"})

    def keywords(self) -> dict[str, Any]:
        highest = {} if self.highest is None else {"maximum": self.highest}
        return {"minimum": self.lowest, **highest}

    def check(self, value: Any) -> None:
        if value < self.lowest:
            raise PydanticKnownError("greater_than_equal", {"ge": self.lowest})
        if self.highest is not None and value > self.highest:
            raise PydanticKnownError("less_than_equal", {"le": self.highest})


def between(lowest: int, highest: int) -> Between:
    return Between(lowest, highest)


def at_least(lowest: int) -> Between:
    return Between(lowest, None)
