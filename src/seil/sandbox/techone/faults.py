"""Faults on order: what a client of TechOne meets on a bad day."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, field_validator

from seil.sandbox.fault_table import Occasion
from seil.sandbox.techone.messages import Reply


class Fault(Occasion):
    """Everything a fault does. Several actions add up."""

    status: int | None = Field(None, ge=200, le=599, description="Answer with this status.")
    html: str | None = Field(None, description="Answer with this HTML.")
    text: str | None = Field(None, description="Answer with this text as it is; may be empty.")
    retry_after: str | None = Field(None, pattern=r"^[ -~]*\z", description="Value of Retry-After.")
    reset: Literal["", "before", "after"] = Field(
        "", description="Reset the connection, before or after the request is carried out."
    )
    delay: float = Field(
        0, ge=0, allow_inf_nan=False, description="Wait this many seconds before answering."
    )
    cut: int | None = Field(None, ge=0, description="Break off after this many bytes of body.")
    drip: int | None = Field(None, ge=1, description="Send the body in pieces of this size,")
    drip_delay: float = Field(
        0.05, ge=0, allow_inf_nan=False, description="one every so many seconds."
    )
    members: dict[str, Any] = Field(
        default_factory=dict, description="Put these into a JSON answer (JSON only)."
    )
    end_tokens: bool = Field(default=False, description="End every token before the request.")

    @field_validator("retry_after", mode="before")
    @classmethod
    def _as_text(cls, value: object) -> object:
        return str(value) if isinstance(value, int | float) else value

    @property
    def answers(self) -> bool:
        """Whether the request is answered by the fault alone."""
        return (self.status, self.html, self.text) != (None, None, None)

    def reply(self) -> Reply:
        headers = {"Retry-After": self.retry_after} if self.retry_after is not None else {}
        status = self.status or 200
        if self.html is not None:
            return Reply(status, self.html.encode(), "text/html; charset=utf-8", headers)
        if self.text is not None:
            return Reply(status, self.text.encode(), headers=headers)
        return Reply.json({"Message": "An error has occurred."}, status, headers)

    def retold(self, reply: Reply) -> Reply:
        """A JSON object with what the fault puts into it."""
        if not self.members or not reply.content_type.startswith("application/json"):
            return reply
        told = {**json.loads(reply.body), **self.members}
        return Reply.json(told, reply.status, reply.headers)


_TOKEN = "^/oauth2/token"  # noqa: S105 - a path
_API = "^/(?!oauth2/)"
_PAGE = "<html><body><h1>Service Unavailable</h1><hr><p>HTTP Error 503.</p></body></html>"
_RATE = {
    "MAJOR_CCY_CODE": "AUD",
    "TRANS_CCY_CODE": "USD",
    "START_DATEI": "2026-01-01T00:00:00",
    "END_DATEI": "2026-01-31T00:00:00",
    "EXCH_RATE_AMT": 0.6512,
}


def _rates(*rows: Mapping[str, object]) -> Fault:
    return Fault(path=_API, members={"DataSet": list(rows)})


def _told(message: str, kind: str = "Information") -> Fault:
    told = {"Code": "DEBTOR_REMAINING_CREDIT", "NotificationType": kind, "Message": message}
    return Fault(path=_API, members={"Messages": [told]})


KINDS: Mapping[str, tuple[str, Fault]] = {
    "slow-answer": ("An answer takes three seconds.", Fault(path=_API, delay=3, times=1)),
    "slow-drip": ("Answers drip, a byte at a time.", Fault(path=_API, drip=1, drip_delay=0.5)),
    "unavailable": (
        "503 with Retry-After, twice.",
        Fault(path=_API, status=503, retry_after="1", times=2),
    ),
    "down": ("503 for ever.", Fault(path=_API, status=503)),
    "throttled": (
        "429 with Retry-After, twice.",
        Fault(path=_API, status=429, retry_after="1", times=2),
    ),
    "internal": ("500, once.", Fault(path=_API, status=500, times=1)),
    "html-error": ("An HTML page, status 503.", Fault(path=_API, status=503, html=_PAGE)),
    "html-answer": ("An HTML page instead of an answer, status 200.", Fault(path=_API, html=_PAGE)),
    "empty-answer": ("No body, status 200.", Fault(path=_API, text="")),
    "wrong-shape": (
        "An answer of another shape, status 200.",
        Fault(path=_API, text='{"surprise": [1, 2, 3]}'),
    ),
    "reset": (
        "Connections are reset before the request is done.",
        Fault(path=_API, reset="before"),
    ),
    "answer-lost": (
        "Rows are imported, the answer never comes.",
        Fault(path="(?i)warehouse", method="POST", reset="after", times=1),
    ),
    "cut-answer": ("Answers break off.", Fault(path=_API, cut=20)),
    "no-rate": ("The report of rates is empty.", _rates()),
    "two-rates": ("The report of rates has two rows.", _rates(_RATE, _RATE)),
    "rate-over": (
        "The report's rate was that of January 2020.",
        _rates({**_RATE, "START_DATEI": "2020-01-01T00:00:00", "END_DATEI": "2020-01-31T00:00:00"}),
    ),
    "rate-ahead": (
        "The report's rate is that of January 2999.",
        _rates({**_RATE, "START_DATEI": "2999-01-01T00:00:00", "END_DATEI": "2999-01-31T00:00:00"}),
    ),
    "rate-without-amount": (
        "The report's row has no amount.",
        _rates({name: value for name, value in _RATE.items() if name != "EXCH_RATE_AMT"}),
    ),
    "credit-without-number": (
        "The message about a debtor ends without =<number>.",
        _told("Remaining credit limit for debtor is not known"),
    ),
    "credit-refused": (
        "The function reports an error instead.",
        _told("Function DEBTOR_REMAINING_CREDIT is locked", "Error"),
    ),
    "token-expired": (
        "Tokens end in the middle, once.",
        Fault(path=_API, end_tokens=True, times=1),
    ),
    "token-refused": (
        "Every token is refused.",
        Fault(path=_API, status=401, text='{"Message": "Authorization has been denied."}'),
    ),
    "login-unavailable": (
        "The login answers 503, twice.",
        Fault(path=_TOKEN, status=503, retry_after="1", times=2),
    ),
    "login-refused": (
        "No tokens are given out.",
        Fault(path=_TOKEN, status=401, text='{"error": "invalid_client"}'),
    ),
    "login-html": ("The login answers an HTML page, status 200.", Fault(path=_TOKEN, html=_PAGE)),
}


def ordered(text: str) -> Fault:
    """The fault of a name, or the one that is spelt out. Raises ValueError for neither."""
    name = text.strip()
    if found := KINDS.get(name):
        return found[1]
    if "=" not in name and not name.startswith("{"):
        raise ValueError(f"no fault is called {name or '(nothing)'}; there are {', '.join(KINDS)}")
    return Fault.parse(text)
