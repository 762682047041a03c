"""Faults on order: what a client meets on a bad day, at the place and as often as you say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal

from pydantic import Field, field_validator

from seil.sandbox.admanager.errors import (
    ApiError,
    modified_concurrently,
    quota_exceeded,
    unauthenticated,
)
from seil.sandbox.fault_table import FaultTable, Occasion


class Fault(Occasion):
    """Everything a fault does. Several actions add up."""

    status: int | None = Field(None, ge=200, le=599, description="Answer with this status.")
    html: str | None = Field(None, description="Answer with this HTML.")
    text: str | None = Field(None, description="Answer with this text as it is; may be empty.")
    error: Literal["", "concurrent-modification", "quota", "unauthenticated", "internal"] = Field(
        "", description="Answer with this error of Ad Manager, in the shape of the API asked."
    )
    retry_after: str | None = Field(None, pattern=r"^[ -~]*\z", description="Value of Retry-After.")
    reset: Literal["", "before", "after"] = Field(
        "", description="Reset the connection, before or after the request is carried out."
    )
    delay: float = Field(
        0, ge=0, allow_inf_nan=False, description="Wait this many seconds before answering."
    )
    cut: int | None = Field(None, ge=0, description="Break off after this many bytes of body.")
    end_tokens: bool = Field(default=False, description="End every token before the request.")

    @field_validator("retry_after", mode="before")
    @classmethod
    def _as_text(cls, value: object) -> object:
        return str(value) if isinstance(value, int | float) else value

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


Faults = FaultTable[Fault]


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
        raise ValueError(f"no fault is called {name or '(nothing)'}; there are {', '.join(KINDS)}")
    return Fault.parse(text)
