"""A fault of an org's answers."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from seil.sandbox.base.faults import HttpFault
from seil.sandbox.salesforce.errors import OrgApiError
from seil.sandbox.salesforce.messages import OrgReply

StreamFault = Literal[
    "",
    "auth",
    "auth-refresh",
    "clients",
    "close",
    "corrupted",
    "gap",
    "limit",
    "overflow",
    "replay",
    "reset",
    "silence",
    "twice",
    "unavailable",
]


class OrgFault(HttpFault):
    """A fault of an org's answers."""

    code: str = Field("SERVER_UNAVAILABLE", description="The errorCode of an answer with `status`.")
    message: str = Field("The server is unavailable", description="Its message.")
    commit: bool = Field(
        default=False, description="Carry the request out, whatever is answered then."
    )

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
    stream: StreamFault = Field("", description="What goes wrong in the Pub/Sub API.")

    @field_validator("number_of_records", mode="before")
    @classmethod
    def _number_as_text(cls, value: object) -> object:
        return str(value) if isinstance(value, int | float) else value

    @field_validator("drop_headers", mode="before")
    @classmethod
    def _one_or_many(cls, value: object) -> object:
        return tuple(value.split("+")) if isinstance(value, str) else value

    @property
    def changes_size(self) -> bool:
        return self.nul_bytes or self.bom or self.rows_twice or bool(self.charset)

    def record_count(self, true: int) -> int:
        """The record count that a page reports."""
        change = self.number_of_records or "+0"
        if change[0] == "*":
            return true * int(change[1:])
        return true + int(change) if change[0] in "+-" else int(change)

    def spoil(self, content: Any, path: str) -> Any:
        """The JSON answer with the fault's members."""
        if not isinstance(content, dict):
            return content
        pages = content.get("resultPages")
        if self.pages_twice and isinstance(pages, list):
            content = {**content, "resultPages": [page for page in pages for _ in range(2)]}
        members = {
            name: value.replace("{path}", path) if isinstance(value, str) else value
            for name, value in self.members.items()
        }
        return {**content, **members}

    def reply(self) -> OrgReply:
        status = self.status or 200
        if self.html is not None:
            return OrgReply(status, self.html.encode(), "text/html;charset=UTF-8", self.headers)
        if self.text is not None:
            return OrgReply(status, self.text.encode(), "text/plain;charset=UTF-8", self.headers)
        return OrgReply(
            status, OrgApiError(status, self.code, self.message).body, headers=self.headers
        )
