"""Faults on order: what a client meets on a bad day, at the place and as often as you say."""

from __future__ import annotations

import itertools
import re
import threading
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from seil.sandbox.salesforce.errors import ApiError
from seil.sandbox.salesforce.messages import Reply


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
    code: str = Field("SERVER_UNAVAILABLE", description="The errorCode of that answer.")
    message: str = Field("The server is unavailable", description="Its message.")
    html: str | None = Field(None, description="Answer with this HTML instead of JSON.")
    text: str | None = Field(None, description="Answer with this text as it is; may be empty.")
    retry_after: str | None = Field(None, description="Value of Retry-After.")

    reset: Literal["", "before", "after"] = Field(
        "", description="Reset the connection, before or after the request is carried out."
    )
    delay: float = Field(0, ge=0, description="Wait this many seconds before answering.")
    cut: int | None = Field(None, ge=0, description="Break off after this many bytes of body.")
    drip: int | None = Field(None, ge=1, description="Send the body in pieces of this size,")
    drip_delay: float = Field(0.05, ge=0, description="one every so many seconds.")

    number_of_records: str | None = Field(
        None, description="Sforce-NumberOfRecords: a number, or +n, -n or *n against the truth."
    )
    rows_twice: bool = Field(default=False, description="Send the rows of a result page twice.")
    pages_twice: bool = Field(default=False, description="List every result page twice.")
    stuck_locator: bool = Field(
        default=False, description="A page that was asked for by locator names itself as the next."
    )
    members: dict[str, Any] = Field(
        default_factory=dict,
        description="Put these into a JSON answer; {path} in a text is the request's path.",
    )
    nul_bytes: bool = Field(
        default=False, description="Put a NUL byte before every quote of the body."
    )
    bom: bool = Field(default=False, description="Put a UTF-8 byte order mark before the body.")
    charset: str | None = Field(
        None, description="Recode the body and say so; empty: leave the charset unsaid."
    )
    lower_case_headers: bool = Field(default=False, description="Send header names in lower case.")
    drop_headers: tuple[str, ...] = Field((), description="Leave these headers out.")
    set_headers: dict[str, str] = Field(default_factory=dict, description="Send these as given.")

    expire_session: bool = Field(default=False, description="End every session before the request.")
    expire_jobs: bool = Field(default=False, description="End and forget every query job before.")
    fail_job: str = Field("", description="The job created by the request fails with this.")

    @field_validator("path", "body")
    @classmethod
    def _is_pattern(cls, value: str) -> str:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"is not a regular expression: {error}") from error
        return value

    @field_validator("retry_after", "number_of_records", mode="before")
    @classmethod
    def _as_text(cls, value: object) -> object:
        return str(value) if isinstance(value, int | float) else value

    @field_validator("drop_headers", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        return tuple(value.split("+")) if isinstance(value, str) else value

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
        return self.status is not None or self.html is not None or self.text is not None

    @property
    def changes_size(self) -> bool:
        return self.nul_bytes or self.bom or self.rows_twice or bool(self.charset)

    def counted(self, true: int) -> int:
        """How many records a page says it has."""
        told = self.number_of_records or "+0"
        if told[0] == "*":
            return true * int(told[1:])
        return true + int(told) if told[0] in "+-" else int(told)

    def retold(self, content: Any, path: str) -> Any:
        """A JSON answer's content with what the fault puts into it."""
        if not isinstance(content, dict):
            return content
        pages = content.get("resultPages")
        if self.pages_twice and isinstance(pages, list):
            content = {**content, "resultPages": [page for page in pages for _ in range(2)]}
        told = {
            name: value.replace("{path}", path) if isinstance(value, str) else value
            for name, value in self.members.items()
        }
        return {**content, **told}

    def reply(self) -> Reply:
        headers = {"Retry-After": self.retry_after} if self.retry_after is not None else {}
        status = self.status or 200
        if self.html is not None:
            return Reply(status, self.html.encode(), "text/html;charset=UTF-8", headers)
        if self.text is not None:
            return Reply(status, self.text.encode(), "text/plain;charset=UTF-8", headers)
        return Reply(status, ApiError(status, self.code, self.message).body, headers=headers)


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
