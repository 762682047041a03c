"""When a stand-in's faults strike: the part that does not depend on whom it stands in for."""

from __future__ import annotations

import itertools
import re
import threading
from dataclasses import dataclass
from typing import Any, Generic, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from seil.wrong_values import problems_of


class Occasion(BaseModel):
    """Where and when a fault strikes; subclasses add what it does there."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: str = Field("", description="Only this HTTP method; empty: any.")
    path: str = Field("", description="A regular expression searched for in path?query.")
    body: str = Field("", description="A regular expression searched for in the request's body.")
    after: int = Field(0, ge=0, description="Let this many matching requests pass first.")
    every: int = Field(1, ge=1, description="Strike the first of so many, then the next.")
    times: int | None = Field(None, ge=1, description="Strike this often; none: for ever.")

    @field_validator("path", "body")
    @classmethod
    def _is_pattern(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"is not a regular expression: {error}") from error
        return value

    @classmethod
    def parse(cls, text: str) -> Self:
        """`key=value,key=value` or a JSON object. Raises ValueError naming what is wrong."""
        if text.lstrip().startswith("{"):
            return cls.model_validate_json(text)
        pairs = [part.partition("=") for part in text.split(",")]
        if any(not separator for _, separator, _ in pairs):
            raise ValueError("a fault is written key=value,key=value or as a JSON object")
        return cls.model_validate({name.strip(): value for name, _, value in pairs})

    def matches(self, method: str, target: str, body: str) -> bool:
        if self.method and self.method.upper() != method:
            return False
        return bool(re.search(self.path, target) and re.search(self.body, body))


F = TypeVar("F", bound=Occasion)


@dataclass
class _Entry(Generic[F]):
    number: int
    fault: F
    seen: int = 0
    struck: int = 0

    def strikes(self, method: str, target: str, body: str) -> bool:
        if not self.fault.matches(method, target, body):
            return False
        self.seen += 1
        spent = self.fault.times is not None and self.struck >= self.fault.times
        if self.seen <= self.fault.after or spent:
            return False
        if (self.seen - self.fault.after - 1) % self.fault.every:
            return False
        self.struck += 1
        return True


class FaultTable(Generic[F]):
    """The faults in force. The first that matches strikes, and only that one."""

    def __init__(self, faults: tuple[F, ...] = ()) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._entries = [_Entry(next(self._numbers), fault) for fault in faults]

    def strike(self, method: str, target: str, body: str = "") -> F | None:
        with self._lock:
            for entry in self._entries:
                if entry.strikes(method, target, body):
                    return entry.fault
        return None

    def add(self, fault: F) -> int:
        with self._lock:
            self._entries.append(_Entry(next(self._numbers), fault))
            return self._entries[-1].number

    def clear(self, number: int | None = None) -> None:
        with self._lock:
            self._entries = [e for e in self._entries if number not in (None, e.number)]

    def listed(self) -> list[dict[str, Any]]:
        with self._lock:
            return [
                {
                    "id": e.number,
                    "seen": e.seen,
                    "struck": e.struck,
                    **e.fault.model_dump(exclude_defaults=True),
                }
                for e in self._entries
            ]


def described(error: ValueError) -> str:
    """Every wrong key on one line."""
    if not isinstance(error, ValidationError):
        return str(error)
    found = problems_of(error, lambda place: ".".join(map(str, place)) or "fault")
    return "; ".join(map(str, found))
