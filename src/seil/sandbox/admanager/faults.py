"""Faults on order: what a client meets on a bad day, at the place and as often as you say."""

from __future__ import annotations

import itertools
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from seil.sandbox.admanager.errors import (
    ApiError,
    modified_concurrently,
    quota_exceeded,
    unauthenticated,
)


class Fault(BaseModel):
    """Where and when it strikes, and everything it does there. Several actions add up."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: str = Field("", description="Only this HTTP method; empty: any.")
    path: str = Field("", description="A regular expression searched for in path?query.")
    body: str = Field("", description="A regular expression searched for in the request's body.")
    after: int = Field(0, ge=0, description="Let this many matching requests pass first.")
    every: int = Field(1, ge=1, description="Strike the first of so many, then the next.")
    times: int | None = Field(None, ge=1, description="Strike this often; none: for ever.")

    status: int | None = Field(None, ge=200, le=599, description="Answer with this status.")
    html: str | None = Field(None, description="Answer with this HTML.")
    text: str | None = Field(None, description="Answer with this text as it is; may be empty.")
    error: Literal["", "concurrent-modification", "quota", "unauthenticated", "internal"] = Field(
        "", description="Answer with this error of Ad Manager, in the shape of the API asked."
    )
    retry_after: str | None = Field(None, description="Value of Retry-After.")
    reset: Literal["", "before", "after"] = Field(
        "", description="Reset the connection, before or after the request is carried out."
    )
    delay: float = Field(0, ge=0, description="Wait this many seconds before answering.")
    cut: int | None = Field(None, ge=0, description="Break off after this many bytes of body.")
    end_tokens: bool = Field(default=False, description="End every token before the request.")

    @field_validator("path", "body")
    @classmethod
    def _is_pattern(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"is not a regular expression: {error}") from error
        return value

    @field_validator("retry_after", mode="before")
    @classmethod
    def _as_text(cls, value: object) -> object:
        return str(value) if isinstance(value, int | float) else value

    @classmethod
    def parse(cls, text: str) -> Fault:
        """`key=value,key=value` or a JSON object. Raises ValueError naming what is wrong."""
        if text.lstrip().startswith("{"):
            return cls.model_validate_json(text)
        pairs = [part.partition("=") for part in text.split(",")]
        if any(not separator for _, separator, _ in pairs):
            raise ValueError("a fault is written key=value,key=value or as a JSON object")
        return cls.model_validate({name.strip(): value for name, _, value in pairs})

    @property
    def answers(self) -> bool:
        """Whether the request is answered by the fault alone."""
        return bool(self.error) or (self.status, self.html, self.text) != (None, None, None)

    def api_error(self) -> ApiError:
        """The error it answers with, where it gives none of its own."""
        return _ERRORS[self.error or "internal"]()


def _internal() -> ApiError:
    return ApiError("INTERNAL", "ServerError", "SERVER_ERROR", "Internal error encountered.")


_ERRORS: Mapping[str, Callable[[], ApiError]] = {
    "concurrent-modification": modified_concurrently,
    "quota": quota_exceeded,
    "unauthenticated": lambda: unauthenticated("AUTHENTICATION_FAILED"),
    "internal": _internal,
}


@dataclass
class _Entry:
    number: int
    fault: Fault
    seen: int = 0
    struck: int = 0

    def strikes(self, method: str, target: str, body: str) -> bool:
        if self.fault.method and self.fault.method.upper() != method:
            return False
        if not (re.search(self.fault.path, target) and re.search(self.fault.body, body)):
            return False
        self.seen += 1
        spent = self.fault.times is not None and self.struck >= self.fault.times
        if self.seen <= self.fault.after or spent:
            return False
        if (self.seen - self.fault.after - 1) % self.fault.every:
            return False
        self.struck += 1
        return True


class Faults:
    """The table of faults in force. The first that matches strikes, and only that one."""

    def __init__(self, faults: tuple[Fault, ...] = ()) -> None:
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._entries = [_Entry(next(self._numbers), fault) for fault in faults]

    def strike(self, method: str, target: str, body: str = "") -> Fault | None:
        with self._lock:
            for entry in self._entries:
                if entry.strikes(method, target, body):
                    return entry.fault
        return None

    def add(self, fault: Fault) -> int:
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


_API = "^/(v1|apis)/"
_PAGE = "<html><body><h1>502. That's an error.</h1></body></html>"

KINDS: Mapping[str, tuple[str, Fault]] = {
    "slow": ("Answers take two seconds.", Fault(path=_API, delay=2)),
    "unavailable": (
        "503 with Retry-After, twice.",
        Fault(path=_API, status=503, retry_after="1", times=2),
    ),
    "down": ("503 for ever.", Fault(path=_API, status=503)),
    "internal": ("500, once.", Fault(path=_API, error="internal", times=1)),
    "html-error": (
        "An HTML page of the edge, status 502.",
        Fault(path=_API, status=502, html=_PAGE),
    ),
    "html-answer": ("An HTML page instead of an answer, status 200.", Fault(path=_API, html=_PAGE)),
    "wrong-shape": (
        "An answer of another shape, status 200.",
        Fault(path=_API, text='{"surprise": [1, 2, 3]}'),
    ),
    "empty-answer": ("No body, status 200.", Fault(path=_API, text="")),
    "cut-answer": ("Answers break off.", Fault(path=_API, cut=20)),
    "reset": (
        "Connections are reset before the request is done.",
        Fault(path=_API, reset="before"),
    ),
    "answer-lost": (
        "A change is made, its answer never comes.",
        Fault(
            path=f"{_API}.*(batchCreate|lineItems|Proposal)", method="POST", reset="after", times=1
        ),
    ),
    "concurrent-modification": (
        "Somebody else changed it, once.",
        Fault(
            path=_API,
            method="POST",
            body="(?s)update|requests",
            error="concurrent-modification",
            times=1,
        ),
    ),
    "modified-for-ever": (
        "Somebody else changes it all the time.",
        Fault(path=_API, error="concurrent-modification"),
    ),
    "quota": ("The quota is used up.", Fault(path=_API, error="quota")),
    "token-expired": (
        "Tokens end in the middle, once.",
        Fault(path=_API, end_tokens=True, times=1),
    ),
    "token-refused": (
        "No tokens are given out.",
        Fault(path="^/token", status=401, text='{"error": "invalid_client"}'),
    ),
}


def ordered(text: str) -> Fault:
    """The fault of a name, or the one that is spelt out. Raises ValueError for neither."""
    name = text.strip()
    if found := KINDS.get(name):
        return found[1]
    if "=" not in name and not name.startswith("{"):
        raise ValueError(f"no fault is called {name}; GET /sandbox/faults/kinds lists them")
    return Fault.parse(text)


def described(error: ValueError) -> str:
    """Every wrong key on one line."""
    if not isinstance(error, ValidationError):
        return str(error)
    return "; ".join(
        f"{'.'.join(map(str, e['loc'])) or 'fault'}: {e['msg']}" for e in error.errors()
    )
