"""Faults on order: what a client meets on a bad day, at the place and as often as you say."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from seil.sandbox.fault_table import FaultTable, Occasion
from seil.sandbox.salesforce.errors import ApiError
from seil.sandbox.salesforce.messages import Reply


class Fault(Occasion):
    """Everything a fault does. Several actions add up."""

    status: int | None = Field(None, ge=200, le=599, description="Answer with this status.")
    code: str = Field("SERVER_UNAVAILABLE", description="The errorCode of that answer.")
    message: str = Field("The server is unavailable", description="Its message.")
    html: str | None = Field(None, description="Answer with this HTML instead of JSON.")
    text: str | None = Field(None, description="Answer with this text as it is; may be empty.")
    retry_after: str | None = Field(None, description="Value of Retry-After.")

    commit: bool = Field(
        default=False, description="Carry the request out, whatever is answered then."
    )
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

    @field_validator("retry_after", "number_of_records", mode="before")
    @classmethod
    def _as_text(cls, value: object) -> object:
        return str(value) if isinstance(value, int | float) else value

    @field_validator("drop_headers", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        return tuple(value.split("+")) if isinstance(value, str) else value

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


Faults = FaultTable[Fault]
