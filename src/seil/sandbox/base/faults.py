"""Injected faults, and which requests they strike."""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Literal, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from typing_extensions import override

from seil.wrong_values import problems_of

__all__ = [
    "FAULT_HEADER",
    "FaultKind",
    "FaultKinds",
    "FaultTable",
    "HttpFault",
    "Occasion",
    "TokenFault",
    "fault_problems",
]

# A request may ask for a fault for itself alone.
FAULT_HEADER = "X-Sandbox-Fault"


class Occasion(BaseModel):
    """The requests a fault strikes; subclasses add its effect."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: str = Field("", description="Only this HTTP method; empty: any.")
    path: str = Field("", description="A regular expression searched for in path?query.")
    body: str = Field("", description="A regular expression searched for in the request's body.")
    after: int = Field(0, ge=0, description="Let this many matching requests pass first.")
    every: int = Field(1, ge=1, description="Strike one of every so many matching requests.")
    times: int | None = Field(
        None, ge=1, description="Strike at most so many times; none: no limit."
    )

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


class HttpFault(Occasion):
    """A fault in an HTTP response. Its actions combine."""

    status: int | None = Field(None, ge=200, le=599, description="Answer with this status.")
    html: str | None = Field(None, description="Answer with this HTML.")
    text: str | None = Field(None, description="Answer with this text, unchanged; may be empty.")
    retry_after: str | None = Field(None, pattern=r"^[ -~]*\z", description="Value of Retry-After.")
    reset: Literal["", "before", "after"] = Field(
        "", description="Reset the connection, before or after the request is carried out."
    )
    delay: float = Field(
        0,
        ge=0,
        allow_inf_nan=False,
        description="Wait this many seconds before answering, or until the fault is removed.",
    )
    cut: int | None = Field(None, ge=0, description="Truncate the body after this many bytes.")
    drip: int | None = Field(None, ge=1, description="Send the body in pieces of this many bytes.")
    drip_delay: float = Field(
        0.05, ge=0, allow_inf_nan=False, description="Seconds between the pieces."
    )

    @field_validator("retry_after", mode="before")
    @classmethod
    def _as_text(cls, value: object) -> object:
        return str(value) if isinstance(value, int | float) else value

    @property
    def answers(self) -> bool:
        """Whether the fault replaces the service's answer."""
        return (self.status, self.html, self.text) != (None, None, None)

    @property
    def headers(self) -> dict[str, str]:
        """Headers of the fault's own response."""
        return {"Retry-After": self.retry_after} if self.retry_after is not None else {}


class TokenFault(HttpFault):
    """For services that issue their own tokens."""

    end_tokens: bool = Field(default=False, description="End every token before the request.")


F = TypeVar("F", bound=Occasion)


@dataclass(frozen=True)
class FaultKind(Generic[F]):
    """A fault by name: `about` is a sentence, for people."""

    about: str
    faults: tuple[F, ...]


class FaultKinds(Mapping[str, FaultKind[F]]):
    """A stand-in's faults by name."""

    def __init__(self, fault: type[F], kinds: Mapping[str, FaultKind[F]]) -> None:
        self._fault = fault
        self._kinds = kinds

    @override
    def __getitem__(self, name: str) -> FaultKind[F]:
        return self._kinds[name]

    @override
    def __iter__(self) -> Iterator[str]:
        return iter(self._kinds)

    @override
    def __len__(self) -> int:
        return len(self._kinds)

    def about(self) -> dict[str, str]:
        return {name: kind.about for name, kind in self._kinds.items()}

    def parse(self, text: str) -> tuple[F, ...]:
        """The faults of a name, or of a written-out fault. Raises ValueError otherwise."""
        name = text.strip()
        if kind := self._kinds.get(name):
            return kind.faults
        if "=" not in name and not name.startswith("{"):
            raise ValueError(
                f"no fault is called {name or '(nothing)'}: `seil sandbox faults` lists the names;"
                " others are written key=value,key=value or as a JSON object"
            )
        return (self._fault.parse(text),)

    def of_body(self, body: Mapping[str, Any]) -> tuple[F, ...]:
        """From `{"kind": name}` or a fault as JSON. Raises ValueError."""
        if "kind" in body:
            return self.parse(str(body["kind"]))
        return (self._fault.model_validate(body),)


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
    """The active faults. Only the first match strikes."""

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
        """The fault's number."""
        with self._lock:
            self._entries.append(_Entry(next(self._numbers), fault))
            return self._entries[-1].number

    def clear(self, number: int | None = None) -> None:
        """Removes all faults, or the one with this number."""
        with self._lock:
            self._entries = [e for e in self._entries if number not in (None, e.number)]

    def __contains__(self, fault: F) -> bool:
        with self._lock:
            return any(entry.fault is fault for entry in self._entries)

    def entries(self) -> list[dict[str, Any]]:
        """Each fault with its id, and how often it matched and struck."""
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


def fault_problems(error: ValueError) -> str:
    """All invalid keys of a fault, on one line."""
    if not isinstance(error, ValidationError):
        return str(error)
    problems = problems_of(error, lambda path: ".".join(map(str, path)) or "fault")
    return "; ".join(map(str, problems))
